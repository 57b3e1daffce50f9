"""Several prompts in front of backends that take one: all or nothing, counted as one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.chat.operation import Operation
from gateway.dialects import openai
from gateway.exchange.parts import AT_ONCE, needed
from gateway.exchange.pipeline import Gateway
from tests.unit.exchange.serving import Serving, serving, until
from tests.vendors.looped import looped
from tests.vendors.openai_wire import DONE, chat_body, chat_events, event, usage
from tests.vendors.scripted import Received, Script, Send, Stall, Vendor, Wait, response, streamed

CONFIG = """
attempts: {{max: 1}}
backends:
  bad: {{provider: openai_compatible, base_url: "{bad}/v1", operations: [chat]}}
  good: {{provider: openai_compatible, base_url: "{good}/v1"}}
models:
  chat: {{targets: [{{use: bad/x}}], deadline_s: 5}}
  text: good/y
  twice: {{targets: [{{use: bad/x}}], defaults: {{n: 2}}}}
  both: {{targets: [{{use: good/y}}, {{use: bad/x, tier: 2}}]}}
"""


def _answered(request: Received) -> Script:
    """It says again what it was told, but for a few words."""
    asked = json.loads(request.body)
    said = asked["messages"][0]["content"]
    if said == "fail":
        return [Send(response(400, b'{"error": {"message": "no"}}'))]
    if said == "stall":
        return [Stall()]
    if asked.get("stream"):
        ending = "stop" if said != "cut" else None
        events = chat_events([said, "!"], finish=ending, used=usage(2, 3), done=said != "cut")
        return [Wait(0.01), Send(streamed(*events))]
    return [Wait(0.01), Send(response(200, chat_body(f"{said}!", used=usage(2, 3))))]


@asynccontextmanager
async def _house() -> AsyncIterator[Serving]:
    async with (
        Vendor(choose=_answered) as chats,
        serving([Stall()], config=CONFIG.replace("{bad}", chats.url)) as on,
    ):
        on.bad = chats
        yield on


async def _ask(on: Serving, **fields: object) -> None:
    body = json.dumps({"model": "chat", **fields}).encode()
    road = Gateway(on.house.runtime)
    await road.exchange(on.caller(), Operation.COMPLETION, body, on.outlet)


def _events(on: Serving) -> list[Any]:
    lines = on.client.body.decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


@looped
async def test_each_prompt_is_asked_and_keeps_its_place() -> None:
    async with _house() as on:
        await _ask(on, prompt=["a", "b", "c"], max_tokens=9)
        assert (on.client.status, on.client.endings) == (200, ["close"])
        answer = json.loads(on.client.body)
        assert answer["object"] == "text_completion"
        texts = [(choice["index"], choice["text"]) for choice in answer["choices"]]
        assert texts == [(0, "a!"), (1, "b!"), (2, "c!")]
        assert answer["usage"]["prompt_tokens"] == 6
        assert answer["usage"]["completion_tokens"] == 9
        assert [json.loads(one.body)["max_tokens"] for one in on.bad.journal] == [9, 9, 9]
        (line,) = [one for one in on.house.written.lines() if one["event"] == "exchange"]
        assert (line["input_tokens"], line["output_tokens"]) == (6, 9)
        assert (line["status"], line["attempts"]) == (200, 3)


@looped
async def test_a_route_s_number_of_choices_counts() -> None:
    async with _house() as on:
        await _ask(on, model="twice", prompt=["a", "b"])
        choices = json.loads(on.client.body)["choices"]
        assert [choice["index"] for choice in choices] == [0, 2]  # the vendor gave one of each two
        assert [json.loads(one.body)["n"] for one in on.bad.journal] == [2, 2]


@looped
async def test_streams_are_one_whatever_comes_first() -> None:
    async with _house() as on:
        options = {"include_usage": True}
        await _ask(on, prompt=["a", "b"], echo=True, stream=True, stream_options=options)
        *events, last = _events(on)
        texts = {0: "", 1: ""}
        for event in events:
            for choice in event["choices"]:
                texts[choice["index"]] += choice["text"]
        assert texts == {0: "aa!", 1: "bb!"}
        assert (last["choices"], last["usage"]["total_tokens"]) == ([], 10)


@looped
async def test_one_prompt_that_is_to_be_repeated_is_a_part_too() -> None:
    async with _house() as on:
        await _ask(on, prompt="Once", echo=True)
        (choice,) = json.loads(on.client.body)["choices"]
        assert choice["text"] == "OnceOnce!"


@pytest.mark.parametrize("stream", [False, True])
def test_one_that_fails_fails_all_and_lets_the_others_go(stream: bool) -> None:
    @looped
    async def failed() -> None:
        async with _house() as on:
            await _ask(on, prompt=["stall", "fail"], stream=stream)
            assert on.client.status == 400
            assert json.loads(on.client.body)["error"]["code"] == "upstream_refused"
            (line,) = [one for one in on.house.written.lines() if one["event"] == "exchange"]
            assert (line["status"], line["code"]) == (400, "upstream_refused")

    failed()


@looped
async def test_a_stream_of_which_one_breaks_never_looks_whole() -> None:
    async with _house() as on:
        await _ask(on, prompt=["a", "cut"], stream=True)
        assert b"[DONE]" not in on.client.body
        assert b'"code":"stream_truncated"' in on.client.body
        assert on.client.body.count(b'"error"') == 1


@looped
async def test_no_more_than_a_few_are_under_way_at_once() -> None:
    async with _house() as on:
        many = 2 * AT_ONCE + 1
        asking = asyncio.create_task(_ask(on, prompt=[f"p{at}" for at in range(many)]))
        most = 0
        while not asking.done():
            most = max(most, sum(on.in_flight))
            await asyncio.sleep(0.001)
        assert 1 < most <= AT_ONCE
        texts = [choice["text"] for choice in json.loads(on.client.body)["choices"]]
        assert texts == [f"p{at}!" for at in range(many)]


@looped
async def test_a_client_that_leaves_ends_all_parts() -> None:
    async with _house() as on:
        asking = asyncio.create_task(_ask(on, prompt=["stall", "stall"]))
        await until(lambda: len(on.bad.journal) == 2)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert sum(on.in_flight) == 0
        (line,) = [one for one in on.house.written.lines() if one["event"] == "exchange"]
        assert line["status"] == 499


@pytest.mark.parametrize(
    ("model", "fields", "so"),
    [
        ("chat", {"prompt": ["a", "b"]}, True),
        ("chat", {"prompt": "a", "echo": True}, True),
        ("both", {"prompt": ["a", "b"]}, True),
        ("chat", {"prompt": ["a"]}, False),
        ("chat", {"prompt": [1, 2]}, False),
        ("text", {"prompt": ["a", "b"], "echo": True}, False),
    ],
)
def test_only_what_a_target_cannot_take_is_taken_apart(
    model: str, fields: dict[str, object], so: bool
) -> None:
    @looped
    async def decided() -> None:
        async with _house() as on:
            body = json.dumps({"model": model, **fields}).encode()
            _, read = openai.read_request(Operation.COMPLETION, body)
            assert needed(read, on.route(model)) is so

    decided()


@pytest.mark.parametrize("stream", [False, True])
@looped
async def test_an_answer_that_cannot_be_read_never_looks_whole(stream: bool) -> None:
    odd = b'{"choices":[{"text":5,"index":0,"finish_reason":"stop"}]}'
    said = b'{"choices":[{"text":"x","index":0}]}'
    answer = streamed(event(said), event(odd), DONE) if stream else response(200, odd)
    async with serving((), other=[Send(answer)], config=CONFIG) as on:
        await _ask(on, model="both", prompt=["one", "two"], stream=stream)
        assert b'"code":"bad_upstream_response"' in on.client.body
        assert b"[DONE]" not in on.client.body
        (line,) = on.house.written.lines("exchange")
        assert (line["outcome"], line["status"]) == ("error", 200 if stream else 502)
