"""The keeper's port, through a real socket: health, readiness, metrics, and nothing else."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from gateway.admin import api
from tests.unit.admin.house import House, ask, keeper
from tests.vendors.looped import looped


@looped
async def test_it_is_healthy_and_ready_and_says_with_which_config() -> None:
    async with keeper(House()) as one:
        assert await ask(one, "/healthz") == (200, '{"status": "ok"}')
        assert await ask(one, "/readyz") == (200, '{"status": "ready", "config": "abc"}')


@looped
async def test_who_wants_no_traffic_is_healthy_and_not_ready() -> None:
    async with keeper(House(good=False)) as one:
        assert (await ask(one, "/healthz"))[0] == 200
        assert await ask(one, "/readyz") == (503, '{"status": "draining", "config": "abc"}')


@looped
async def test_metrics_are_what_prometheus_reads() -> None:
    house = House()
    house.numbers.number("gateway_draining").value = 1
    async with keeper(house) as one, one.get("/metrics") as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        told = {family.name: family for family in families(await answer.text())}
    assert [sample.value for sample in told["gateway_draining"].samples] == [1]


@looped
async def test_scrapes_that_come_at_once_share_one_exposition() -> None:
    house = House()
    async with keeper(house) as one:
        texts = await asyncio.gather(*[ask(one, "/metrics") for _ in range(10)])
    assert len(set(texts)) == 1
    assert house.asked == 1


@looped
async def test_an_exposition_is_kept_for_a_second_and_no_longer() -> None:
    house = House()
    async with keeper(house) as one:
        await ask(one, "/metrics")
        house.numbers.number("gateway_draining").value = 7
        await asyncio.sleep(api.CACHED_S + 0.05)
        assert "gateway_draining 7.0" in (await ask(one, "/metrics"))[1]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/admin/config", "/admin/keys", "/config", "/v1/models"])
@looped
async def test_there_is_no_api_to_open(path: str, method: str) -> None:
    async with keeper(House()) as one:
        assert (await ask(one, path, method))[0] == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@looped
async def test_what_is_read_cannot_be_written(path: str) -> None:
    async with keeper(House()) as one:
        assert (await ask(one, path, "POST"))[0] == 405
