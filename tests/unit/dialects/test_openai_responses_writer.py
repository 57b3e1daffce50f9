"""Deltas as the events of a response: numbered, in order, of the types that the client has."""

import json

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

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
from gateway.chat.fold import fold
from gateway.chat.usage import Usage
from gateway.dialects.openai_responses import CLIENT
from gateway.dialects.openai_responses_stream import Reader
from gateway.dialects.openai_responses_writer import Writer
from gateway.errors import Code, GatewayError

EVENT: TypeAdapter[object] = TypeAdapter(ResponseStreamEvent)
BEGIN = Begin("c", "m", 7)
TOKEN = {"token": "b", "logprob": -1.0, "bytes": [98], "top_logprobs": []}
CITATION = {
    "type": "url_citation",
    "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1},
}
ALL: list[Delta] = [
    BEGIN,
    Reasoning(0, "h"),
    Reasoning(0, "m"),
    Reasoning(0, signature="sig"),
    Reasoning(0, redacted="xyz"),
    Text(0, "a"),
    Text(0, "b"),
    Logprobs(0, [TOKEN]),
    Extra(0, {"annotations": [CITATION]}),
    Refusal(0, "no"),
    CallPart(0, 0, "call_a", "f", extra={"google": {"thought_signature": "s"}}),
    CallPart(0, 0, arguments="{"),
    CallPart(0, 1, "call_b", "g", "{}"),
    CallPart(0, 0, arguments="}"),
    Finish(0, "tool_calls"),
    Count(Usage(5, 4, 1, 2, 1)),
]


def _events(written: bytes) -> list[Document]:
    events = []
    for number, one in enumerate(written.decode().split("\n\n")[:-1]):
        name, data = one.split("\n")
        event = json.loads(data.removeprefix("data: "))
        EVENT.validate_python(event)
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == number
        events.append(event)
    return events


def _written(*deltas: Delta) -> list[Document]:
    writer = Writer({})
    return _events(writer.write(list(deltas)) + writer.close())


def test_the_order_is_openais() -> None:
    told = [event["type"].removeprefix("response.") for event in _written(*ALL)]
    assert told == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


def test_whole_and_streamed_are_the_same() -> None:
    last = _written(*ALL)[-1]["response"]
    Response.model_validate(last)
    assert CLIENT.write_response(fold(ALL), {}) == last


def test_each_delta_may_come_alone() -> None:
    writer = Writer({})
    piecewise = b"".join(writer.write([delta]) for delta in ALL) + writer.close()
    assert _events(piecewise) == _written(*ALL)


def test_what_is_written_is_read_again() -> None:
    writer = Writer({})
    plain: list[Delta] = [
        Begin("resp_c", "m", 7),
        Reasoning(0, "h"),
        Text(0, "a"),
        Refusal(0, "no"),
        CallPart(0, 0, "call_a", "f"),
        CallPart(0, 0, arguments="{}"),
        Finish(0, "tool_calls"),
        Count(Usage(5, 4, 1, 2, 1)),
    ]
    assert Reader().feed(writer.write(plain) + writer.close()) == plain


@pytest.mark.parametrize(
    ("finish", "end"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_what_was_cut_is_incomplete(finish: str, end: str) -> None:
    cut = Finish(0, "length" if finish == "length" else "content_filter")
    *_, item, last = _written(BEGIN, Text(0, "a"), cut)
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": end}
    assert item["item"]["status"] == "incomplete"


def test_thought_again_after_words_is_an_item_of_its_own() -> None:
    events = _written(Text(0, "a"), Reasoning(0, "hm"), Text(0, "b"), Finish(0, "stop"))
    items = [item["type"] for item in events[-1]["response"]["output"]]
    assert items == ["message", "reasoning", "message"]


def test_there_is_one_choice() -> None:
    assert _written(BEGIN, Text(1, "b"), Finish(1, "stop"), Text(0, "a"), Finish(0, "stop")) == (
        _written(BEGIN, Text(0, "a"), Finish(0, "stop"))
    )


def test_an_answer_that_says_nothing_is_whole() -> None:
    assert [event["type"] for event in _written(BEGIN, Finish(0, "stop"))] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]


def test_a_failure_says_what_became_of_the_response() -> None:
    writer = Writer({})
    written = writer.write([BEGIN, Text(0, "a"), Broken(Code.STREAM_TRUNCATED)])
    written += writer.fail(GatewayError(Code.STREAM_TRUNCATED, "cut"))
    *_, error, failed = _events(written)
    assert (error["type"], error["code"]) == ("error", "stream_truncated")
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "server_error"
    assert failed["response"]["error"]["gateway_code"] == "stream_truncated"
    (broken,) = [one for one in Reader().feed(written) if isinstance(one, Broken)]
    assert broken.said == "cut"


def test_a_failure_before_the_response_is_an_error_alone() -> None:
    (event,) = _events(Writer({}).fail(GatewayError(Code.UPSTREAM_ERROR, "no")))
    assert event["type"] == "error"
