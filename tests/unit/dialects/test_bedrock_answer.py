"""Whole answers and streams of Converse's, and all that can be wrong with them."""

import pytest

from gateway.chat.deltas import Broken, Count, Extra, Finish, Text
from gateway.chat.document import Document
from gateway.chat.fold import fold
from gateway.dialects.base import BadAnswer
from gateway.dialects.bedrock_answer import Reader, whole
from gateway.errors import Code
from gateway.policy.failures import RULES
from gateway.wire import eventstream
from gateway.wire.eventstream import Message
from tests.vendors.bedrock_wire import event, exception

BEGIN = event("messageStart", {"role": "assistant"})
HI = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hi"}})
STOP = event("messageStop", {"stopReason": "end_turn"})
END = event("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}})


def _answer(*content: Document, reason: str = "end_turn") -> Document:
    return {"output": {"message": {"content": list(content)}}, "stopReason": reason}


@pytest.mark.parametrize("document", [{}, {"output": {}}, _answer(reason="malformed_tool_use")])
def test_what_is_no_answer_is_said_to_be_none(document: Document) -> None:
    with pytest.raises(BadAnswer):
        fold(whole(document))


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("end_turn", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_each_end_has_its_reason(said: str, read: str) -> None:
    assert fold(whole(_answer(reason=said)))["choices"][0]["finish_reason"] == read
    deltas = Reader().feed(BEGIN + event("messageStop", {"stopReason": said}))
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == read


def test_citations_stay_with_their_text() -> None:
    cited = {"title": "Page", "location": {"web": {"url": "https://example.com"}}}
    block = {"citationsContent": {"content": [{"text": "So."}], "citations": [cited]}}
    message = fold(whole(_answer(block)))["choices"][0]["message"]
    assert (message["content"], message["citations"]) == ("So.", [cited])
    delta = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"citation": cited}})
    assert Reader().feed(BEGIN + delta)[-1] == Extra(0, {"citations": [cited]})


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("throttlingException", Code.UPSTREAM_RATE_LIMITED),
        ("serviceUnavailableException", Code.UPSTREAM_OVERLOADED),
        ("internalServerException", Code.UPSTREAM_ERROR),
        ("modelStreamErrorException", Code.UPSTREAM_ERROR),
        ("modelTimeoutException", Code.UPSTREAM_TIMEOUT),
        ("validationException", Code.UPSTREAM_REFUSED),
        ("somethingNewException", Code.UPSTREAM_ERROR),
    ],
)
def test_an_exception_ends_the_stream_in_its_words(kind: str, code: Code) -> None:
    reader = Reader()
    assert reader.feed(BEGIN + HI + exception(kind, "no"))[-1] == Broken(code, "no")
    assert code in RULES
    assert reader.feed(HI) == reader.close() == []


def test_an_error_frame_ends_it_too() -> None:
    headers = {b":message-type": b"error", b":error-code": b"x", b":error-message": b"no"}
    said = Reader().feed(BEGIN + eventstream.encode(Message(headers, b"")))
    assert said[-1] == Broken(Code.UPSTREAM_ERROR, "no")


@pytest.mark.parametrize(
    "bad",
    [
        b"x" * 20,
        event("contentBlockDelta", {"contentBlockIndex": 0}),
        event("contentBlockDelta", {"contentBlockIndex": 7, "delta": {"toolUse": {"input": ""}}}),
        eventstream.encode(
            Message(
                {b":message-type": b"event", b":event-type": b"messageStart"}, b'{"role":"\xff"}'
            )
        ),
        END,
    ],
)
def test_what_is_not_of_the_form_breaks_it(bad: bytes) -> None:
    assert Reader().feed(BEGIN + HI + bad)[-1] == Broken(Code.BAD_RESPONSE)


def test_malformed_output_is_the_models_failure() -> None:
    end = event("messageStop", {"stopReason": "malformed_tool_use"})
    assert Reader().feed(BEGIN + end)[-1] == Broken(Code.UPSTREAM_ERROR, "malformed_tool_use")


@pytest.mark.parametrize("cut", [b"", BEGIN, BEGIN + HI, BEGIN + HI + STOP + END[:9]])
def test_an_end_too_early_is_no_end(cut: bytes) -> None:
    reader = Reader()
    reader.feed(cut)
    assert reader.close() == [Broken(Code.STREAM_TRUNCATED)]
    assert reader.close() == []


def test_an_answer_without_its_count_is_whole() -> None:
    reader = Reader()
    assert reader.feed(BEGIN + HI + STOP)[1:] == [Text(0, "hi"), Finish(0, "stop")]
    assert not reader.done
    assert reader.close() == []


def test_whatever_follows_the_end_is_dropped() -> None:
    reader = Reader()
    assert isinstance(reader.feed(BEGIN + HI + STOP + END + HI)[-1], Count)
    assert reader.done
    assert reader.events == 4
    assert reader.feed(HI) == []


def test_kinds_that_nobody_knows_yet_are_passed_over() -> None:
    assert Reader().feed(event("somethingNew", {"x": 1})) == []


def test_an_absurd_count_is_not_believed() -> None:
    end = event("metadata", {"usage": {"inputTokens": -1, "outputTokens": 1}})
    reader = Reader()
    assert not any(isinstance(delta, Count) for delta in reader.feed(BEGIN + STOP + end))
    assert reader.done
