"""Deltas as Anthropic's events. Whole streams: tests/golden/anthropic; here what is rare."""

import json

import pytest

from gateway.chat.deltas import (
    Begin,
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
from gateway.dialects.anthropic_stream import Reader
from gateway.dialects.anthropic_writer import PING, Writer, error_event
from gateway.errors import Code, GatewayError

BEGIN = Begin("id", "m", 0)


def _events(*deltas: Delta) -> list[Document]:
    writer = Writer()
    written = writer.write(list(deltas)) + writer.close()
    frames = [frame.split("\n") for frame in written.decode().removesuffix("\n\n").split("\n\n")]
    events: list[Document] = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [kind for kind, _ in frames] == [f"event: {one['type']}" for one in events]
    return events


def _kinds(*deltas: Delta) -> list[str]:
    return [event["type"] for event in _events(*deltas)]


def test_nothing_said_is_a_whole_message() -> None:
    assert _kinds(BEGIN) == ["message_start", "message_delta", "message_stop"]
    assert _kinds() == ["message_start", "message_delta", "message_stop"]


def test_the_start_waits_for_what_it_can_say() -> None:
    writer = Writer()
    assert writer.write([BEGIN]) == b""
    assert writer.write([Count(Usage(10, 1, cached=4))]) == b""
    begun = writer.write([Text(0, "hi")])
    assert b'"input_tokens":6' in begun.split(b"\n\n")[0]


def test_each_kind_has_its_block() -> None:
    events = _events(
        BEGIN,
        Reasoning(0, "a"),
        Reasoning(0, "b"),
        Reasoning(0, signature="s"),
        Reasoning(0, redacted="r"),
        Reasoning(0, signature="alone"),
        Text(0, "x"),
        CallPart(0, 0, "t", "f"),
        CallPart(0, 0, arguments="{}"),
        Text(0, "y"),
    )
    opened = [one["content_block"]["type"] for one in events if "content_block" in one]
    words = ["thinking", "redacted_thinking", "thinking", "text", "tool_use", "text"]
    assert opened == words
    shut = [one["index"] for one in events if one["type"] == "content_block_stop"]
    assert shut == list(range(6))


def test_a_late_piece_of_a_call_keeps_its_number() -> None:
    events = _events(
        BEGIN,
        CallPart(0, 0, "a", "f", '{"x":'),
        CallPart(0, 1, "b", "g", "{}"),
        CallPart(0, 0, arguments="1}"),
    )
    pieces = [
        (one["index"], one["delta"]["partial_json"])
        for one in events
        if one["type"] == "content_block_delta"
    ]
    assert pieces == [(0, '{"x":'), (1, "{}"), (0, "1}")]


def test_how_it_ended_and_what_it_took_come_last() -> None:
    events = _events(BEGIN, Text(0, "x"), Finish(0, "stop", "END"), Count(Usage(3, 2)))
    assert events[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert events[-2]["usage"]["output_tokens"] == 2


def test_a_refusal_is_explained() -> None:
    ended = _events(BEGIN, Refusal(0, "I "), Refusal(0, "won't."), Finish(0, "stop"))[-2]
    details = {"type": "refusal", "category": None, "explanation": "I won't."}
    assert ended["delta"] == {
        "stop_reason": "refusal",
        "stop_sequence": None,
        "stop_details": details,
    }


def test_citations_go_to_the_text_they_are_of() -> None:
    note = {"type": "page_location", "cited_text": "c", "start_index": 0, "end_index": 1}
    events = _events(BEGIN, Text(0, "x"), Extra(0, {"annotations": [note], "audio": {}}))
    cited = [one for one in events if one.get("delta", {}).get("type") == "citations_delta"]
    assert [(one["index"], one["delta"]["citation"]["type"]) for one in cited] == [
        (0, "page_location")
    ]


def test_other_choices_and_probabilities_fall_away() -> None:
    others: list[Delta] = [
        Text(1, "x"),
        Reasoning(1, "x"),
        CallPart(1, 0, "t", "f"),
        Finish(1, "length"),
    ]
    assert _events(BEGIN, Text(0, "a"), *others, Logprobs(0, [{}])) == _events(BEGIN, Text(0, "a"))


@pytest.mark.parametrize("pieces", [1, 3])
def test_what_is_written_reads_back(pieces: int) -> None:
    said: list[Delta] = [
        BEGIN,
        Count(Usage(9, 0, cached=2, cache_write=1)),
        Reasoning(0, "hm"),
        Reasoning(0, signature="s"),
        Text(0, 'quote " and ü'),
        CallPart(0, 0, "t", "f"),
        CallPart(0, 0, arguments='{"a":1}'),
        Finish(0, "tool_calls"),
        Count(Usage(9, 5, cached=2, reasoning=1, cache_write=1)),
    ]
    writer, reader = Writer(), Reader()
    stream = b"".join(writer.write(said[at : at + pieces]) for at in range(0, len(said), pieces))
    assert [*reader.feed(stream + writer.close()), *reader.close()] == said


def test_an_error_and_a_ping_are_events() -> None:
    error = GatewayError(Code.STREAM_INTERRUPTED, "no")
    assert Writer().fail(error) == error_event(error)
    assert error_event(error).startswith(b'event: error\ndata: {"type":"error","error":{')
    reader = Reader()
    assert reader.feed(PING) == []
    assert reader.events == 1
