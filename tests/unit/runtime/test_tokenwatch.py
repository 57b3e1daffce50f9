"""Credentials are kept fresh beside the traffic, as long as the config has them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.policy.circuit import State
from gateway.runtime.measures import measure
from gateway.runtime.tokenwatch import TokenWatch
from gateway.upstream.credentials import Credential
from tests.unit.config.reading import SIM, read
from tests.unit.runtime.running import Running, running
from tests.vendors.looped import looped
from tests.vendors.scripted import Send, Stall, Vendor, response

TOKEN = Send(response(body=b'{"access_token": "ya29.x", "expires_in": 3599}'))
PLACE = "base_url: 'http://127.0.0.1:1', region: r"


def _config(url: str) -> str:
    return f"""
backends: {{v: {{provider: vertex, {PLACE}, token: {{url: "{url}/token"}}}}}}
models: {{m: v/gemini}}
"""


@asynccontextmanager
async def _watching(house: Running) -> AsyncIterator[TokenWatch]:
    watch = TokenWatch(house.runtime)
    task = asyncio.create_task(watch.watch())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _token(house: Running) -> Credential:
    token = house.runtime.snapshot.backends["v"].token
    assert token is not None
    return token


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0.005)


@looped
async def test_the_first_token_is_there_when_the_start_is_over() -> None:
    async with Vendor([TOKEN]) as vendor:
        with running() as house:
            house.runtime.swap(read(_config(vendor.url)))
            measure(house.runtime.snapshot, house.metrics, 0.0)
            assert house.number("gateway_backend_credential_refused", "v") == 1
            async with _watching(house) as watch:
                await watch.first()
                assert _token(house).current() == "ya29.x"
                measure(house.runtime.snapshot, house.metrics, 0.0)
                assert house.number("gateway_backend_credential_refused", "v") == 0


@looped
async def test_a_reload_keeps_the_token_and_one_without_it_lets_it_go() -> None:
    async with Vendor([TOKEN]) as vendor:
        with running() as house:
            house.runtime.swap(read(_config(vendor.url)))
            async with _watching(house) as watch:
                await watch.first()
                token = _token(house)
                house.runtime.swap(read(_config(vendor.url) + "timeouts: {idle_s: 9}\n"))
                assert _token(house) is token
                house.runtime.swap(read(SIM))
                await _until(lambda: not watch._kept)
            assert len(vendor.journal) == 1


@looped
async def test_what_goes_wrong_is_told_once_and_so_is_its_end() -> None:
    async with Vendor([Send(response(403))], [TOKEN]) as vendor:
        with running() as house:
            house.runtime.swap(read(_config(vendor.url)))
            async with _watching(house) as watch:
                await watch.first()
                credential = house.runtime.snapshot.backends["v"].standing.credential
                credential.failed(0.0, connect=True, draw=0.5)
                assert credential.state(0.0) is State.OPEN
                await _until(lambda: credential.state(0.0) is not State.OPEN)
            lines = [line for line in house.written.lines() if line["event"].startswith("token")]
            assert [(line["event"], line.get("reason")) for line in lines] == [
                ("token_failed", "the token's server answered 403"),
                ("token_renewed", None),
            ]


@looped
async def test_a_silent_server_holds_no_start_up_for_long() -> None:
    async with Vendor([Stall()]) as vendor:
        with running() as house:
            house.runtime.swap(read(_config(vendor.url)))
            async with _watching(house):
                await TokenWatch(house.runtime, first_s=0.05).first()
                assert _token(house).current() == ""
