"""One exchange, told once, however it ends. The backend is the simulated model in the house."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.chat.operation import Operation
from gateway.errors import Code, GatewayError
from gateway.exchange.caller import Caller, identify
from gateway.exchange.pipeline import Gateway
from gateway.server import framing
from gateway.server.outlet import Outlet
from tests.unit.config.reading import read
from tests.unit.runtime.running import Running, running
from tests.vendors.looped import looped

CONFIG = """
backends:
  sim: {provider: simulated, first_content_s: 0, tokens_per_second: 100000, tokens: 5}
  slow: {provider: simulated, first_content_s: 0, tokens_per_second: 1, tokens: 50}
  down: {provider: simulated, fail_ratio: 1, fail_status: 503}
models:
  pair: {targets: [{use: sim/lorem}, {use: sim/ipsum}]}
  m: sim/lorem
  slow: slow/lorem
  down: down/lorem
  both: {targets: [{use: down/lorem}, {use: sim/lorem, tier: 2}]}
"""


@dataclass
class Client:
    """Reads what an outlet writes."""

    sent: bytes = b""
    ended: list[bool] = field(default_factory=list)  # may the connection be kept?
    aborted: bool = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def answered(self, *, keep: bool) -> None:
        self.ended.append(keep)

    def abort(self) -> None:
        self.aborted = True

    @property
    def status(self) -> int:
        return int(self.sent.split(b" ", 2)[1])

    @property
    def body(self) -> Any:
        return json.loads(self.sent.partition(b"\r\n\r\n")[2])


@dataclass
class Road:
    house: Running
    client: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.house.runtime.swap(read(CONFIG))
        self.outlet = Outlet(self.client, keep=True, chunked=True, bodiless=False)

    def caller(self) -> Caller:
        head = framing.head(b"POST", b"/v1/chat/completions", "1.1", [(b"host", b"a.test")])
        return identify(head, self.house.runtime.snapshot)

    async def go(self, model: str, **more: object) -> None:
        gateway = Gateway(self.house.runtime, draw=lambda: 0.0)
        messages = [{"role": "user", "content": "canary-prompt"}]
        body = json.dumps({"model": model, "messages": messages, **more}).encode()
        await gateway.exchange(self.caller(), Operation.CHAT, body, self.outlet)

    def line(self) -> dict[str, Any]:
        (line,) = self.house.written.lines("exchange")
        return line


@asynccontextmanager
async def a_road() -> AsyncIterator[Road]:
    with running() as house:
        yield Road(house)
        house.runtime.close()
        await asyncio.sleep(0.01)  # for both ends of the socket pairs to close


@looped
async def test_a_whole_answer_is_told_once() -> None:
    async with a_road() as road:
        await road.go("m")
        assert road.client.status == 200
        assert road.client.body["object"] == "chat.completion"
        assert road.client.ended == [True]
        assert road.house.runtime.sink.open_exchanges == 0
        line = road.line()
        assert (line["model"], line["backend"], line["outcome"]) == ("m", "sim", "complete")
        assert line["config"] == road.house.runtime.snapshot.hash
        assert line["output_tokens"] == 5
        assert line["sent_bytes"] > 100


@looped
async def test_a_stream_is_open_until_its_end() -> None:
    async with a_road() as road:
        streams = road.house.metrics.number("gateway_open_streams")
        going = asyncio.create_task(road.go("m", stream=True))
        while not going.done():
            await asyncio.sleep(0)
            seen = streams.value
            if seen:
                break
        await going
        assert seen == 1
        assert streams.value == 0
        assert road.client.sent.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert road.line()["stream"]


@looped
async def test_a_failed_target_is_followed_by_the_next() -> None:
    async with a_road() as road:
        await road.go("both")
        assert road.client.status == 200
        assert b"x-gateway-attempts: 2\r\n" in road.client.sent
        failed, exchange = road.house.written.lines()
        assert (failed["event"], failed["backend"], failed["status"]) == (
            "attempt_failed",
            "down",
            503,
        )
        assert (exchange["id"], exchange["backend"]) == (failed["id"], "sim")


@looped
async def test_an_error_is_the_answer_and_is_told() -> None:
    async with a_road() as road:
        await road.go("down")
        assert (road.client.status, road.client.body["error"]["code"]) == (
            503,
            "upstream_overloaded",
        )
        line = road.line()
        assert (line["outcome"], line["code"]) == ("error", "upstream_overloaded")
        assert line["origin"] == "upstream"


@looped
async def test_a_name_that_is_not_configured_is_other() -> None:
    async with a_road() as road:
        await road.go("junk-0815")
        assert road.client.status == 404
        text = road.house.written.text()
        assert json.loads(text)["model"] == "other"
        assert "junk" not in text


@looped
async def test_who_leaves_is_told_as_such() -> None:
    async with a_road() as road:
        going = asyncio.create_task(road.go("slow", stream=True))
        while not road.client.sent:  # noqa: ASYNC110 - a client is told nothing else
            await asyncio.sleep(0.005)
        road.outlet.lost()
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert road.house.runtime.sink.open_exchanges == 0
        line = road.line()
        assert (line["status"], line["outcome"]) == (499, "cancelled")
        assert line["code"] == "client_closed_request"


@looped
async def test_a_gateway_that_stops_says_so_in_the_stream() -> None:
    async with a_road() as road:
        going = asyncio.create_task(road.go("slow", stream=True))
        while not road.client.sent:  # noqa: ASYNC110 - a client is told nothing else
            await asyncio.sleep(0.005)
        road.outlet.reason = GatewayError(Code.DRAINING, "the gateway is stopping")
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert b'"code":"draining"' in road.client.sent
        assert b"[DONE]" not in road.client.sent
        assert road.client.ended == [False]
        line = road.line()
        assert (line["status"], line["outcome"], line["code"]) == (200, "error", "draining")


@looped
async def test_a_fault_of_ours_shows_no_trace_and_is_told_by_its_place() -> None:
    async with a_road() as road:

        def faulty() -> float:
            raise ValueError("sk-secret")

        gateway = Gateway(road.house.runtime, draw=faulty)
        await gateway.exchange(
            road.caller(),
            Operation.CHAT,
            b'{"model":"pair","messages":[{"role":"user","content":"x"}]}',
            road.outlet,
        )
        assert (road.client.status, road.client.body["error"]["code"]) == (500, "internal_error")
        text = road.house.written.text()
        assert "sk-secret" not in text + road.client.sent.decode()
        surprise, exchange = map(json.loads, text.splitlines())
        assert (surprise["event"], surprise["error"]) == ("exchange_failed", "ValueError")
        assert (surprise["id"], exchange["code"]) == (exchange["id"], "internal_error")


@looped
async def test_no_prompt_is_in_the_log() -> None:
    async with a_road() as road:
        road.house.written.log.configure("debug", "json")
        await road.go("m")
        text = road.house.written.text()
        assert text
        assert "canary-prompt" not in text
        assert "lorem ipsum" not in text.lower()
