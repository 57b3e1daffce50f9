"""Chunks of text completions, in and out."""

import json

from openai.types import Completion

from gateway.chat.deltas import (
    Begin,
    CallPart,
    Count,
    Delta,
    Finish,
    Logprobs,
    Reasoning,
    Refusal,
    Text,
)
from gateway.chat.usage import Usage
from gateway.dialects.openai_completion_stream import (
    UNLIKELY,
    Reader,
    Tokens,
    Writer,
    counted,
    told,
)
from gateway.errors import Code, GatewayError
from tests.vendors.openai_wire import DONE, event

BEGIN = Begin("c", "m", 7)
TOKENS = [
    {
        "token": "a ",
        "logprob": -1.0,
        "bytes": [97, 32],
        "top_logprobs": [{"token": "b", "logprob": -2.0, "bytes": [98]}],
    },
    {"token": "ü", "logprob": -0.5, "bytes": [195, 188], "top_logprobs": []},
]


def _chunk(*choices: dict[str, object]) -> bytes:
    body = {"id": "c", "model": "m", "created": 7, "choices": choices}
    return event(json.dumps(body).encode())


def test_choices_may_come_in_any_order() -> None:
    reader = Reader()
    stream = _chunk({"index": 1, "text": "b"}) + _chunk({"index": 0, "text": "a"})
    stream += _chunk({"index": 0, "text": "", "finish_reason": "stop"})
    stream += _chunk({"index": 1, "text": "", "finish_reason": "length"})
    assert reader.feed(stream + DONE) == [
        BEGIN,
        Text(1, "b"),
        Text(0, "a"),
        Finish(0, "stop"),
        Finish(1, "length"),
    ]


def test_logprobs_have_two_forms_and_keep_what_they_say() -> None:
    written = counted(TOKENS, 3)
    assert written == {
        "tokens": ["a ", "ü"],
        "token_logprobs": [-1.0, -0.5],
        "top_logprobs": [{"b": -2.0}, None],
        "text_offset": [3, 5],
    }
    assert told(Tokens(["a ", "ü"], [-1.0, -0.5], [{"b": -2.0}, None])) == TOKENS
    assert told(Tokens(["a"], [None]))[0]["logprob"] == UNLIKELY


def test_text_and_its_tokens_share_a_chunk() -> None:
    deltas: list[Delta] = [BEGIN, Text(0, "a ü"), Logprobs(0, TOKENS), Text(0, "x")]
    first, second = _chunks(Writer(wants_usage=False).write(deltas))
    assert first.choices[0].text == "a ü"
    assert first.choices[0].logprobs is not None
    assert first.choices[0].logprobs.text_offset == [0, 2]
    assert second.choices[0].logprobs is None


def test_offsets_go_on_from_chunk_to_chunk() -> None:
    writer = Writer(wants_usage=False)
    writer.write([BEGIN, Text(0, "a ü"), Logprobs(0, TOKENS)])
    (chunk,) = _chunks(writer.write([Logprobs(0, TOKENS)]))
    assert chunk.choices[0].logprobs is not None
    assert chunk.choices[0].logprobs.text_offset == [3, 5]


def test_what_is_written_satisfies_the_client_and_is_read_again() -> None:
    deltas: list[Delta] = [
        BEGIN,
        Text(1, "b"),
        Text(0, "a ü"),
        Logprobs(0, TOKENS),
        Finish(0, "stop"),
        Finish(1, "content_filter"),
        Count(Usage(1, 2)),
    ]
    writer = Writer(wants_usage=True)
    written = writer.write(deltas) + writer.close()
    assert [len(chunk.choices) for chunk in _chunks(written)] == [1, 1, 1, 1, 0]
    assert Reader().feed(written) == deltas


def test_a_text_has_no_calls_and_no_reasoning_and_refuses_in_words() -> None:
    deltas: list[Delta] = [
        BEGIN,
        Reasoning(0, "hm"),
        CallPart(0, 0, "a", "f", "{}"),
        Refusal(0, "no"),
        Finish(0, "tool_calls"),
    ]
    said = _chunks(Writer(wants_usage=False).write(deltas))
    assert [(chunk.choices[0].text, chunk.choices[0].finish_reason) for chunk in said] == [
        ("no", None),
        ("", "stop"),
    ]


def test_usage_is_told_only_to_those_who_asked() -> None:
    writer = Writer(wants_usage=False)
    assert writer.write([BEGIN, Count(Usage(1, 2))]) == b""
    assert writer.close() == DONE


def test_a_failure_is_an_event_without_an_end() -> None:
    failed = Writer(wants_usage=True).fail(GatewayError(Code.STREAM_TRUNCATED, "cut"))
    assert json.loads(failed.removeprefix(b"data: "))["error"]["code"] == "stream_truncated"
    assert DONE not in failed


def _chunks(written: bytes) -> list[Completion]:
    """As the openai client's types have them. finish_reason is null but at the end, whatever they
    say.
    """
    events = written.removesuffix(DONE).decode().split("\n\n")[:-1]
    return [Completion.construct(**json.loads(one.removeprefix("data: "))) for one in events]
