"""Chunks of many vendors into deltas; deltas into chunks that the openai client's types take."""

import json

import pytest
from openai.types.chat import ChatCompletionChunk

from gateway.chat.deltas import (
    Begin,
    Broken,
    CallPart,
    Count,
    Delta,
    Extra,
    Finish,
    Logprobs,
    Reasoning,
    Refusal,
    Text,
)
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.openai_chat_stream import Reader, Writer
from gateway.errors import Code, GatewayError
from tests.vendors.openai_wire import DONE, chat_events, event, usage


def _read(*choices: Document, done: bool = True) -> list[Delta]:
    """One chunk for each choice."""
    reader = Reader()
    deltas = reader.feed(b"".join(_chunk(choices=[{"index": 0, **choice}]) for choice in choices))
    return deltas + (reader.feed(DONE) if done else reader.close())


def _chunk(**fields: object) -> bytes:
    return event(json.dumps({"id": "c", "model": "m", "created": 7, **fields}).encode())


BEGIN = Begin("c", "m", 7)


# ---- reading


def test_a_plain_stream_is_read() -> None:
    reader = Reader()
    deltas = reader.feed(b"".join(chat_events(["Hel", "lo"], used=usage(7, 2, 1))))
    assert isinstance(deltas[0], Begin)
    assert deltas[1:] == [
        Text(0, "Hel"),
        Text(0, "lo"),
        Finish(0, "stop"),
        Count(Usage(7, 2, 1)),
    ]
    assert reader.done
    assert reader.close() == []


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_has_two_names_and_counts_once(name: str) -> None:
    assert _read({"delta": {name: "hm"}, "finish_reason": "stop"})[1] == Reasoning(0, "hm")
    both = {"reasoning": "hm", "reasoning_content": "hm"}
    assert _read({"delta": both, "finish_reason": "stop"})[1:-1] == [Reasoning(0, "hm")]


def test_content_in_parts_is_text_and_thinking() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "yes"},
    ]
    assert _read({"delta": {"content": parts}})[1:3] == [Reasoning(0, "hm"), Text(0, "yes")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"index": 0, "id": "a"}, {"index": 1, "id": "b"}),
        ({"id": "a"}, {"id": "b"}),
        ({"index": 0, "id": "a"}, {"index": 0, "id": "b"}),
    ],
)
def test_parallel_calls_are_told_apart(first: Document, second: Document) -> None:
    function = {"name": "f", "arguments": "{}"}
    calls = [{**first, "function": function}, {**second, "function": function}]
    deltas = _read({"delta": {"tool_calls": calls}, "finish_reason": "tool_calls"})
    assert deltas[1:3] == [CallPart(0, 0, "a", "f", "{}"), CallPart(0, 1, "b", "f", "{}")]


def test_pieces_of_a_call_find_their_slot() -> None:
    deltas = _read(
        {"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}},
        {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}},
        {"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": "}"}}]}},
        {"delta": {}, "finish_reason": "stop"},
    )
    assert deltas[1:] == [
        CallPart(0, 0, "a", "f"),
        CallPart(0, 0, arguments="{"),
        CallPart(0, 0, "a", arguments="}"),
        Finish(0, "tool_calls"),  # who calls has not just stopped
    ]


def test_the_old_form_of_a_call_is_one() -> None:
    deltas = _read(
        {"delta": {"function_call": {"name": "f", "arguments": ""}}},
        {"delta": {"function_call": {"arguments": "{}"}}},
        {"delta": {}, "finish_reason": "function_call"},
    )
    assert deltas[1:] == [
        CallPart(0, 0, name="f"),
        CallPart(0, 0, arguments="{}"),
        Finish(0, "tool_calls"),
    ]


def test_usage_may_stand_beside_choices_and_is_read_wherever_it_stands() -> None:
    reader = Reader()
    last = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    deltas = reader.feed(_chunk(choices=last, usage=usage(5, 4)))
    assert deltas[-1] == Count(Usage(5, 4))


def test_a_first_chunk_that_says_nothing_begins_nothing() -> None:
    reader = Reader()
    empty = {"id": "", "model": "", "choices": [], "prompt_filter_results": []}
    assert reader.feed(event(json.dumps(empty).encode())) == []


def test_refusals_logprobs_and_further_keys_are_read() -> None:
    tokens = [{"token": "x", "logprob": -1.0, "bytes": None, "top_logprobs": []}]
    deltas = _read(
        {"delta": {"content": "x"}, "logprobs": {"content": tokens, "refusal": None}},
        {"delta": {"refusal": "no"}, "logprobs": {"content": None, "refusal": tokens}},
        {"delta": {"annotations": [{"type": "url_citation"}]}, "finish_reason": "stop"},
    )
    assert deltas[1:] == [
        Text(0, "x"),
        Logprobs(0, tokens),
        Refusal(0, "no"),
        Logprobs(0, tokens, refusal=True),
        Extra(0, {"annotations": [{"type": "url_citation"}]}),
        Finish(0, "stop"),
    ]


def test_a_choice_that_never_said_why_has_stopped_at_the_end() -> None:
    assert _read({"delta": {"content": "x"}})[-1] == Finish(0, "stop")


def test_an_end_before_the_end_is_told() -> None:
    assert _read({"delta": {"content": "x"}}, done=False)[-1] == Broken(Code.STREAM_TRUNCATED)
    assert _read({"delta": {}, "finish_reason": "stop"}, done=False)[-1] == Finish(0, "stop")
    assert Reader().close() == [Broken(Code.STREAM_TRUNCATED)]
    assert Reader().feed(DONE) == [Broken(Code.STREAM_TRUNCATED)]


def test_content_of_the_wrong_form_breaks_the_stream() -> None:
    bad = b'data: {"choices":[{"delta":{"content":7}}]}\n\n'
    assert Reader().feed(bad) == [Broken(Code.BAD_RESPONSE)]


# ---- writing


def _chunks(written: bytes) -> list[ChatCompletionChunk]:
    """As the openai client's types have them, strictly."""
    events = written.removesuffix(DONE).decode().split("\n\n")[:-1]
    chunks = [json.loads(one.removeprefix("data: ")) for one in events]
    return [ChatCompletionChunk.model_validate(chunk, strict=False) for chunk in chunks]


def test_the_role_comes_first_in_each_choice() -> None:
    writer = Writer(wants_usage=False)
    written = writer.write([BEGIN, Text(0, "a"), Text(1, "b"), Text(0, "c"), Finish(0, "stop")])
    written += writer.write([Finish(1, "length")]) + writer.close()
    assert written.endswith(DONE)
    told = [
        (chunk.choices[0].index, chunk.choices[0].delta.role, chunk.choices[0].delta.content)
        for chunk in _chunks(written)
    ]
    assert told == [
        (0, "assistant", ""),
        (0, None, "a"),
        (1, "assistant", ""),
        (1, None, "b"),
        (0, None, "c"),
        (0, None, None),
        (1, None, None),
    ]
    assert {(chunk.id, chunk.model, chunk.created) for chunk in _chunks(written)} == {("c", "m", 7)}


@pytest.mark.parametrize("wanted", [True, False])
def test_usage_is_told_to_those_who_asked(wanted: bool) -> None:
    writer = Writer(wants_usage=wanted)
    deltas: list[Delta] = [BEGIN, Text(0, "a"), Finish(0, "stop"), Count(Usage(3, 4, 1, 2))]
    *rest, last = _chunks(writer.write(deltas) + writer.close())
    assert all(chunk.usage is None for chunk in rest)
    if not wanted:
        assert last.usage is None
        return
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.total_tokens, last.usage.prompt_tokens) == (7, 3)


def test_what_is_written_is_read_again() -> None:
    token = {"token": "x", "logprob": -1.0, "bytes": None, "top_logprobs": []}
    deltas: list[Delta] = [
        BEGIN,
        Reasoning(0, "hm"),
        Reasoning(0, signature="sig"),
        Reasoning(0, redacted="xyz"),
        Text(0, "x"),
        Logprobs(0, [token]),
        Refusal(0, "no"),
        CallPart(0, 0, "a", "f"),
        CallPart(0, 0, arguments="{}", extra={"google": {"thought_signature": "s"}}),
        Extra(0, {"annotations": []}),
        Finish(0, "tool_calls", "END"),
        Count(Usage(1, 2)),
    ]
    writer, reader = Writer(wants_usage=True), Reader()
    written = writer.write(deltas) + writer.close()
    assert _chunks(written)
    assert reader.feed(written) == [delta for delta in deltas if not isinstance(delta, Extra)]


def test_a_failure_is_an_event_without_an_end() -> None:
    failed = Writer(wants_usage=True).fail(GatewayError(Code.STREAM_TRUNCATED, "cut"))
    assert json.loads(failed.removeprefix(b"data: "))["error"]["code"] == "stream_truncated"
    assert DONE not in failed
