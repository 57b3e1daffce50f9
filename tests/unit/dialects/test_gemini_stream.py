"""Gemini's events as deltas: what ends a stream, what breaks it, and the ids of calls."""

import json
from collections.abc import Mapping

import pytest

from gateway.chat.deltas import (
    Begin,
    Broken,
    CallPart,
    Count,
    Delta,
    Extra,
    Finish,
    Reasoning,
    Refusal,
    Text,
)
from gateway.chat.fold import fold
from gateway.chat.usage import Usage
from gateway.dialects.gemini_stream import Reader
from gateway.errors import Code
from gateway.wire import sse


def _event(*parts: Mapping[str, object], finish: str = "", **more: object) -> bytes:
    candidate: dict[str, object] = {"content": {"parts": parts, "role": "model"}, **more}
    if finish:
        candidate["finishReason"] = finish
    return _sent({"candidates": [candidate], "responseId": "r", "modelVersion": "m"})


def _sent(event: object) -> bytes:
    return b"data: %b\r\n\r\n" % json.dumps(event, ensure_ascii=False).encode()


def _read(*chunks: bytes, passing: bool = False) -> list[Delta]:
    reader = Reader(passing=passing)
    return [delta for chunk in chunks for delta in reader.feed(chunk)] + reader.close()


BEGIN = Begin("r", "m", 0)
HELLO, END = _event({"text": "hé"}), _event({"text": "!"}, finish="STOP")


def test_a_stream_ends_where_its_candidates_do() -> None:
    assert _read(HELLO, END) == [BEGIN, Text(0, "hé"), Text(0, "!"), Finish(0, "stop")]


@pytest.mark.parametrize("newline", [b"\r\n", b"\n", b"\r"])
def test_any_cutting_gives_the_same(newline: bytes) -> None:
    stream = (b": hi\r\n\r\n" + HELLO + END).replace(b"\r\n", newline)
    for size in range(1, len(stream)):
        chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert _read(*chunks) == _read(HELLO, END)


@pytest.mark.parametrize("cut", [b"", HELLO, HELLO + END[:-30], b": hi\n\n"])
def test_a_stream_that_stops_too_early_is_truncated(cut: bytes) -> None:
    assert _read(cut)[-1] == Broken(Code.STREAM_TRUNCATED)


def test_a_last_event_may_lack_its_blank_line() -> None:
    assert _read(HELLO, END[:-4]) == _read(HELLO, END)


def test_each_of_the_candidates_must_end() -> None:
    other = _event({"text": "2"}, index=1)
    assert _read(END, other)[-1] == Broken(Code.STREAM_TRUNCATED)
    assert _read(other, END, _event(index=1, finish="MAX_TOKENS"))[-1] == Finish(1, "length")


@pytest.mark.parametrize(
    "bad",
    [
        b"data: {\r\n\r\n",
        b"data: []\r\n\r\n",
        b'data: {"candidates": 1}\r\n\r\n',
        HELLO.replace(b"\xc3", b"\xff"),
        _sent(
            {
                "candidates": [
                    {"groundingMetadata": {"groundingSupports": 1}, "finishReason": "STOP"}
                ]
            }
        ),
        _sent({"x": 0}).replace(b"0", b"1" * 5000),
    ],
)
def test_bad_bytes_break_a_stream_and_nothing_follows(bad: bytes) -> None:
    read = _read(HELLO, bad, END)
    assert [delta for delta in read if isinstance(delta, Broken)] == [Broken(Code.BAD_RESPONSE)]
    assert isinstance(read[-1], Broken)


def test_an_event_may_be_too_large() -> None:
    assert _read(HELLO, b"data: " + b"x" * sse.MAX_EVENT)[-1] == Broken(Code.RESPONSE_TOO_LARGE)


def test_an_error_event_breaks_a_stream_in_the_vendors_words() -> None:
    error = _sent({"error": {"code": 503, "message": "full", "status": "UNAVAILABLE"}})
    broken = Broken(Code.UPSTREAM_OVERLOADED, "full")
    assert _read(HELLO, error, END)[-1] == broken
    assert _read(HELLO, error[:-4])[-1] == broken


def test_a_model_that_failed_at_its_call_has_given_no_answer() -> None:
    failed = _event(finish="MALFORMED_FUNCTION_CALL", finishMessage="bad call")
    assert _read(failed) == [BEGIN, Broken(Code.BAD_RESPONSE, "bad call")]
    # Gemini's own clients know what to make of it.
    assert isinstance(_read(failed, passing=True)[-1], Finish)


# ---- what is said


def test_a_call_without_an_id_gets_the_same_one_each_time() -> None:
    call = {"functionCall": {"name": "f", "args": {"x": 1}}}
    stream = _event(call, call, finish="STOP")
    first, second = (delta for delta in _read(stream) if isinstance(delta, CallPart))
    assert first.id != second.id
    assert first.id.startswith("call_")
    assert len(first.id) <= 40  # OpenAI takes no longer ones back
    assert _read(stream) == _read(stream)
    assert (first.slot, second.slot) == (0, 1)
    assert _read(stream)[-1] == Finish(0, "tool_calls")


def test_signatures_are_the_texts_the_calls_or_the_thoughts() -> None:
    read = _read(
        _event({"text": "hm", "thought": True, "thoughtSignature": "c2ln"}),
        _event({"text": "hello", "thoughtSignature": "dGV4dA=="}),
        _event(
            {"functionCall": {"id": "1", "name": "f"}, "thoughtSignature": "Y2FsbA=="},
            finish="STOP",
        ),
    )
    assert read == [
        BEGIN,
        Reasoning(0, "hm", "google:c2ln"),
        Text(0, "hello"),
        Extra(0, {"extra_content": {"google": {"thought_signature": "dGV4dA=="}}}),
        CallPart(0, 0, "1", "f", "{}", {"google": {"thought_signature": "Y2FsbA=="}}),
        Finish(0, "tool_calls"),
    ]


def test_what_the_model_drew_comes_as_an_image() -> None:
    answer = fold(
        _read(_event({"inlineData": {"mimeType": "image/png", "data": "AA=="}}, finish="STOP"))
    )
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    assert answer["choices"][0]["message"]["images"] == [image]


def test_citations_count_characters() -> None:
    cited = {"citations": [{"startIndex": 4, "endIndex": 8, "uri": "u"}, {"license": "mit"}]}
    read = _read(_event({"text": "Für dich"}, finish="STOP", citationMetadata=cited))
    place = {"start_index": 3, "end_index": 7, "url": "u", "title": ""}
    assert Extra(0, {"annotations": [{"type": "url_citation", "url_citation": place}]}) in read


def test_why_an_answer_was_blocked_is_its_refusal() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "no"}}
    assert _read(_sent(blocked))[1:] == [
        Refusal(0, "The prompt was blocked: SAFETY: no"),
        Finish(0, "content_filter"),
    ]
    cut = _event(finish="RECITATION", finishMessage="too alike")
    assert _read(cut)[1:] == [Refusal(0, "too alike"), Finish(0, "content_filter")]


def test_counts_are_told_when_they_change() -> None:
    counts = {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}
    event = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": counts}
    more = {"usageMetadata": {**counts, "candidatesTokenCount": 3, "totalTokenCount": 4}}
    read = _read(_sent(event), _sent(event), _sent(more))
    assert [delta for delta in read if isinstance(delta, Count)] == [
        Count(Usage(1, 2)),
        Count(Usage(1, 3)),
    ]
