"""Parts' answers joined: numbered anew, at one pace, with one end."""

import json

from gateway.chat.operation import Operation
from gateway.dialects import openai, openai_completion
from gateway.dialects.base import Losses
from gateway.dialects.openai_completion_parts import Parts
from gateway.errors import Code, GatewayError
from gateway.exchange.ask import Ask
from gateway.exchange.joined import Joined
from tests.unit.exchange.serving import Serving, serving
from tests.vendors.looped import looped
from tests.vendors.openai_wire import completion_body, completion_events
from tests.vendors.scripted import Stall


class Source:
    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")


def _joined(on: Serving, *, stream: bool) -> Joined:
    document = {"model": "m", "prompt": ["a", "b"], "stream": stream}
    body = json.dumps(document).encode()
    head, fields = openai.read_request(Operation.COMPLETION, body)
    ask = Ask(Operation.COMPLETION, openai_completion.CLIENT, head, fields, on.route(), b"")
    return Joined(ask, Parts(document, Losses()), document, on.outlet)


@looped
async def test_whole_answers_come_in_the_order_of_their_prompts() -> None:
    async with serving([Stall()]) as on:
        joined = _joined(on, stream=False)
        for part in (1, 0):
            joined.outlets[part].whole(200, b"x-part: 1\r\n", completion_body(f"text {part}"))
        joined.end()
        answer = json.loads(on.client.body)
        assert [choice["text"] for choice in answer["choices"]] == ["text 0", "text 1"]
        assert on.client.headers["x-part"] == "1"


@looped
async def test_a_slow_client_holds_back_the_parts_that_still_speak() -> None:
    async with serving([Stall()]) as on:
        joined = _joined(on, stream=True)
        first, second = joined.outlets
        over, open_ = Source(), Source()
        for outlet, source in ((first, over), (second, open_)):
            outlet.begin(200, b"")
            outlet.draw_from(source)
        *events, last = completion_events(["one"])
        first.push(b"".join(events))
        first.end(last)
        on.outlet.block()
        on.outlet.unblock()
        assert (over.told, open_.told) == ([], ["pause", "resume"])
        second.end(b"".join(completion_events(["two"])))
        joined.end()
        assert on.client.body.count(b"[DONE]") == 1
        assert b'"one"' in on.client.body
        assert on.client.endings == ["close"]


@looped
async def test_an_error_is_told_once_for_all() -> None:
    async with serving([Stall()]) as on:
        joined = _joined(on, stream=True)
        error = GatewayError(Code.IDLE_TIMEOUT, "silent")
        assert joined.outlets[0].voice.error_event(error) == b""
        assert joined.outlets[1].reason is error
        assert b"idle_timeout" in on.outlet.voice.error_event(error)
