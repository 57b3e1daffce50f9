"""Events of a response into deltas."""

import json

import pytest

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
from gateway.dialects.openai_responses_stream import Reader
from gateway.errors import Code
from gateway.wire import sse

CREATED: Document = {"response": {"id": "resp_1", "model": "m", "created_at": 7.0}}
BEGIN = Begin("resp_1", "m", 7)
USAGE = {"input_tokens": 5, "output_tokens": 4, "total_tokens": 9}


def _event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (
        kind.encode(),
        json.dumps({"type": kind, **fields}).encode(),
    )


def _read(*events: bytes, end: str = "completed", **said: object) -> list[Delta]:
    reader = Reader()
    last = _event(f"response.{end}", response={**CREATED["response"], **said})
    deltas = reader.feed(_event("response.created", **CREATED) + b"".join(events) + last)
    assert reader.done is (end in ("completed", "incomplete"))
    assert reader.close() == []
    assert deltas[0] == BEGIN
    return deltas[1:]


def test_text_its_tokens_and_its_sources_are_read() -> None:
    token = {"token": "a", "logprob": -1.0, "top_logprobs": []}
    annotation = {"type": "url_citation", "url": "u"}
    assert _read(
        _event("response.output_text.delta", delta="a", logprobs=[token]),
        _event("response.output_text.delta", delta="b", logprobs=[]),
        _event("response.output_text.annotation.added", annotation=annotation),
        _event("response.refusal.delta", delta="no"),
        _event("response.output_text.done", text="ab"),
        usage=USAGE,
    ) == [
        Text(0, "a"),
        Logprobs(0, [token]),
        Text(0, "b"),
        Extra(0, {"annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]}),
        Refusal(0, "no"),
        Finish(0, "stop"),
        Count(Usage(5, 4)),
    ]


def test_calls_have_slots_in_the_order_of_their_items() -> None:
    def item(n: int, arguments: str = "") -> Document:
        return {"type": "function_call", "id": f"fc_{n}", "call_id": f"c{n}", "name": "f"} | (
            {"arguments": arguments}
        )

    assert _read(
        _event("response.output_item.added", output_index=1, item=item(1)),
        _event("response.function_call_arguments.delta", output_index=1, delta="{}"),
        _event("response.output_item.done", output_index=1, item=item(1, "{}")),
        _event("response.output_item.added", output_index=2, item=item(2)),
        _event("response.output_item.done", output_index=2, item=item(2, '{"a":1}')),
    ) == [
        CallPart(0, 0, "c1", "f"),
        CallPart(0, 0, arguments="{}"),
        CallPart(0, 1, "c2", "f"),
        CallPart(0, 1, arguments='{"a":1}'),  # told at the end only
        Finish(0, "tool_calls"),
    ]


def test_reasoning_is_told_once_and_sealed() -> None:
    summary, text = "response.reasoning_summary_text.delta", "response.reasoning_text.delta"
    item = {"type": "reasoning", "id": "rs_1", "encrypted_content": "enc"}
    assert _read(
        _event("response.reasoning_summary_part.added", summary_index=0),
        _event(summary, delta="a", summary_index=0),
        _event("response.reasoning_summary_part.added", summary_index=1),
        _event(summary, delta="b", summary_index=1),
        _event(text, delta="the same in full"),
        _event("response.output_item.done", item=item),
    ) == [
        Reasoning(0, "a"),
        Reasoning(0, "\n\n"),
        Reasoning(0, "b"),
        Reasoning(0, signature="rs_1.enc"),
        Finish(0, "stop"),
    ]
    assert _read(_event(text, delta="a"))[0] == Reasoning(0, "a")


@pytest.mark.parametrize(
    ("reason", "word"), [("max_output_tokens", "length"), ("content_filter", "content_filter")]
)
def test_what_is_incomplete_says_why(reason: str, word: str) -> None:
    (finish,) = _read(end="incomplete", incomplete_details={"reason": reason})
    assert isinstance(finish, Finish)
    assert finish.reason == word


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("server_error", Code.UPSTREAM_ERROR),
        ("rate_limit_exceeded", Code.UPSTREAM_RATE_LIMITED),
        ("server_is_overloaded", Code.UPSTREAM_OVERLOADED),
    ],
)
def test_a_response_that_failed_is_broken(code: str, expected: Code) -> None:
    error = {"code": code, "message": "no"}
    assert _read(end="failed", error=error) == [Broken(expected, "no")]
    event = Reader().feed(_event("error", code=code, message="no"))
    assert event == [Broken(expected, "no")]


def test_a_response_that_was_cancelled_is_broken() -> None:
    (broken,) = _read(end="cancelled")
    assert isinstance(broken, Broken)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"data: <html>\n\n", Code.BAD_RESPONSE),
        (b'data: {"type":7}\n\n', Code.BAD_RESPONSE),
        (b'data: {"x":"\xff"}\n\n', Code.BAD_RESPONSE),
        (b"data: " + b"x" * (sse.MAX_EVENT + 1), Code.RESPONSE_TOO_LARGE),
        (b'data: {"error":{"message":"no"}}\n\n', Code.UPSTREAM_ERROR),
    ],
)
def test_what_breaks_a_stream_ends_it(bad: bytes, code: Code) -> None:
    reader = Reader()
    (broken,) = reader.feed(bad)
    assert isinstance(broken, Broken)
    assert broken.code is code
    assert reader.feed(_event("response.completed", **CREATED)) == []
    assert reader.close() == []


def test_an_end_before_the_end_is_told() -> None:
    reader = Reader()
    reader.feed(_event("response.output_text.delta", delta="a") + b"data: [DONE]\n\n")
    assert reader.close() == [Broken(Code.STREAM_TRUNCATED)]


@pytest.mark.parametrize("size", [1, 7, 200])
def test_any_cutting_gives_the_same_deltas(size: int) -> None:
    stream = _event("response.created", **CREATED)
    stream += _event("response.output_text.delta", delta="ü") + b": hi\n\n"
    stream += _event("response.completed", **CREATED)
    reader = Reader()
    cut = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [delta for chunk in cut for delta in reader.feed(chunk)] == [
        BEGIN,
        Text(0, "ü"),
        Finish(0, "stop"),
    ]
