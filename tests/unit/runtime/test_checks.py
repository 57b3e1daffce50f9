"""A backend is asked beside the traffic: down after some bad answers, up after good ones."""

import asyncio

import pytest

from gateway.runtime.checks import Checks, answers
from tests.unit.config.reading import read
from tests.unit.exchange.serving import until
from tests.unit.runtime.running import running
from tests.vendors.looped import looped
from tests.vendors.scripted import Forever, Received, Reset, Script, Send, Stall, Vendor, response

CONFIG = """
backends:
  a:
    provider: openai_compatible
    base_url: "{url}/v1"
    credential: sk-upstream-secret
    health_check:
      {{enabled: true, every_s: 0.05, timeout_s: 0.3, unhealthy_after: 2, healthy_after: 2}}
models: {{m: a/x}}
"""


@pytest.mark.parametrize(
    ("script", "good"),
    [
        ([Send(response(200))], True),
        ([Send(response(204, b"", b""))], True),
        ([Send(response(401))], False),
        ([Send(response(500))], False),
        ([Reset()], False),
        ([Stall()], False),
        ([Send(response(302))], False),
        (
            [
                Send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
                Forever(b"1\r\nx\r\n"),
            ],
            False,
        ),
    ],
)
@looped
async def test_a_2xx_in_time_is_good(script: Script, good: bool) -> None:
    with running() as house:
        async with Vendor(script) as vendor:
            snapshot = house.runtime.swap(read(CONFIG.format(url=vendor.url)))
            check = snapshot.config.backends["a"].health_check
            assert await answers(snapshot.backends["a"], check) is good
            asked = vendor.journal[0]
            assert (asked.method, asked.path) == ("GET", "/v1/models")
            assert asked.header("authorization") == "Bearer sk-upstream-secret"
            house.runtime.close()


@looped
async def test_a_backend_goes_down_and_comes_back() -> None:
    well = True

    def choose(request: Received) -> Script:
        return [Send(response(200 if well else 503))]

    with running() as house:
        async with Vendor(choose=choose) as vendor:
            backend = house.runtime.swap(read(CONFIG.format(url=vendor.url))).backends["a"]
            watching = asyncio.create_task(Checks(house.runtime, lambda: 0.5).watch())
            await until(lambda: len(vendor.journal) > 2)
            assert backend.standing.up
            well = False
            await until(lambda: not backend.standing.up)
            well = True
            await until(lambda: backend.standing.up)
            watching.cancel()
            house.runtime.close()
        events = house.written.text()
    assert events.index("backend_down") < events.index("backend_up")
