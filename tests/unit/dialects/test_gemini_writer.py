"""Answers for Gemini's clients."""

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
    Reasoning,
    Text,
)
from gateway.chat.document import Document
from gateway.chat.fold import fold
from gateway.chat.usage import Usage
from gateway.dialects.base import Losses
from gateway.dialects.gemini_client import CLIENT
from gateway.dialects.gemini_stream import Reader
from gateway.dialects.gemini_writer import Writer, counts, response
from gateway.errors import Code, GatewayError

SHOWN: Document = {"thinking": {"type": "adaptive"}}
HIDDEN: Document = {"thinking": {"type": "enabled", "budget_tokens": 5, "display": "omitted"}}
BEGIN = Begin("id", "model", 0)


def _stream(*deltas: Delta, shows_thoughts: bool = False) -> bytes:
    writer = Writer(shows_thoughts=shows_thoughts)
    return b"".join(writer.write([delta]) for delta in deltas) + writer.close()


def test_what_is_written_reads_as_it_was() -> None:
    deltas: list[Delta] = [
        BEGIN,
        Text(0, "hé"),
        CallPart(0, 0, "1", "f", '{"x":'),
        Text(1, "other"),
        CallPart(0, 1, "2", "g", "{}", {"google": {"thought_signature": "c2ln"}}),
        CallPart(0, 0, arguments="1}"),
        Finish(0, "tool_calls"),
        Finish(1, "length"),
        Count(Usage(9, 8, 7, 6, 0, 5, 2)),
    ]
    reader = Reader()
    read = reader.feed(_stream(*deltas)) + reader.close()
    assert fold(read) == fold(deltas)


@pytest.mark.parametrize("request_", [SHOWN, HIDDEN])
def test_thoughts_and_signatures_survive_two_turns(request_: Document) -> None:
    blocks = [
        {"type": "thinking", "thinking": "a", "signature": "EqQB+/-_=="},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "thinking", "thinking": "b", "signature": "t"},
    ]
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message: Document = {"role": "assistant", "content": "hi", "reasoning_content": "ab"}
    message.update(thinking_blocks=blocks, tool_calls=[call])
    answer: Document = {
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    }
    content = response(answer, request_)["candidates"][0]["content"]
    read = CLIENT.read_request({"model": "m", "contents": [{"parts": []}, content]}, Losses())
    assert read["messages"] == [message]


def test_thoughts_are_for_who_asks_for_them() -> None:
    deltas = (BEGIN, Reasoning(0, "hm", "s"), Text(0, "hi"), Finish(0, "stop"))
    assert b"hm" not in _stream(*deltas)
    assert b"hm" in _stream(*deltas, shows_thoughts=True)


def test_a_call_that_is_no_json_is_a_malformed_one() -> None:
    bad = CallPart(0, 0, "1", "f", '{"x":')
    (candidate,) = _last(_stream(BEGIN, bad, Finish(0, "tool_calls")))["candidates"]
    assert candidate["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert candidate["finishMessage"] == "Malformed function call: f"
    assert "content" not in candidate
    (cut,) = _last(_stream(BEGIN, bad, Finish(0, "length")))["candidates"]
    assert cut["finishReason"] == "MAX_TOKENS"


def _last(stream: bytes) -> Document:
    last: Document = json.loads(stream.removesuffix(b"\n\n").rpartition(b"data: ")[2])
    return last


def test_images_and_the_texts_signature_are_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    extra = {"google": {"thought_signature": "c2ln"}}
    stream = _stream(
        BEGIN, Extra(0, {"images": [image], "extra_content": extra}), Finish(0, "stop")
    )
    (event, _) = stream.removesuffix(b"\n\n").split(b"\n\n")
    assert json.loads(event[6:])["candidates"][0]["content"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"text": "", "thoughtSignature": "c2ln"},
    ]


def test_counts_add_up() -> None:
    told = counts(Usage(10, 9, 3, 4, 0, 2, 1))
    assert (
        told["promptTokenCount"] + told["candidatesTokenCount"] + told["thoughtsTokenCount"] == 19
    )
    assert told["totalTokenCount"] == 19
    assert sum(one["tokenCount"] for one in told["promptTokensDetails"]) == 10


def test_a_broken_stream_ends_in_an_error() -> None:
    writer = Writer(shows_thoughts=False)
    assert not writer.write([BEGIN, Broken(Code.UPSTREAM_ERROR)])
    assert writer.fail(GatewayError(Code.UPSTREAM_ERROR, "no")).startswith(b'data: {"error":')
