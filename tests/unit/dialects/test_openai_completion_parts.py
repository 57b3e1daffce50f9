"""Several prompts: parts that stand alone, one answer with its choices numbered through."""

import pytest

from gateway.chat.deltas import Begin, Broken, Count, Delta, Finish, Text
from gateway.chat.document import Document
from gateway.chat.fold import fold
from gateway.chat.usage import Usage
from gateway.dialects.base import Losses
from gateway.dialects.openai_completion import CLIENT
from gateway.dialects.openai_completion_parts import MAX_PARTS, Parts
from gateway.errors import Code, GatewayError


def _parts(**fields: object) -> Parts:
    return Parts({"model": "m", "max_tokens": 5, **fields}, Losses())


def _stream(text: str, index: int = 0) -> list[Delta]:
    return [
        Begin(f"id-{text}", "m", 1),
        Text(index, text),
        Finish(index, "stop"),
        Count(Usage(2, 1)),
    ]


def test_each_prompt_is_a_part_that_can_be_read() -> None:
    parts = _parts(prompt=["a", "b"], n=2)
    assert len(parts) == 2
    assert [part["prompt"] for part in parts.documents] == ["a", "b"]
    for part in parts.documents:
        assert CLIENT.read_request(part, Losses())["n"] == 2


def test_choices_are_numbered_through() -> None:
    parts = _parts(prompt=["a", "b"], n=2)
    answers = [fold([*_stream(f"{p}0", 0), *_stream(f"{p}1", 1)]) for p in "ab"]
    whole = parts.merged(answers)
    told = [(choice["index"], choice["message"]["content"]) for choice in whole["choices"]]
    assert told == [(0, "a0"), (1, "a1"), (2, "b0"), (3, "b1")]
    assert whole["usage"]["total_tokens"] == 6


def test_what_it_took_is_told_only_where_each_part_says_it() -> None:
    parts = _parts(prompt=["a", "b"])
    one, silent = fold(_stream("A")), fold(_stream("B")[:3])
    assert "usage" not in CLIENT.write_response(parts.merged([one, silent]), {})
    stream = parts.stream()
    stream.feed(0, _stream("A"))
    stream.feed(1, _stream("B")[:3])
    assert stream.close() == []


def test_streams_interleave_and_sum_up() -> None:
    stream = _parts(prompt=["a", "b"], echo=True).stream()
    first, second = _stream("A"), _stream("B")
    out = [
        *stream.feed(1, second[:2]),
        *stream.feed(0, first),
        *stream.feed(1, second[2:]),
        *stream.close(),
    ]
    assert out == [
        Begin("id-B", "m", 1),
        Text(1, "b"),
        Text(1, "B"),
        Text(0, "a"),
        Text(0, "A"),
        Finish(0, "stop"),
        Finish(1, "stop"),
        Count(Usage(4, 2)),
    ]


@pytest.mark.parametrize("echo", [True, False])
def test_whole_and_streamed_are_the_same(echo: bool) -> None:
    parts = _parts(prompt=["a", "b"], echo=echo)
    stream = parts.stream()
    streamed = fold([*stream.feed(0, _stream("A")), *stream.feed(1, _stream("B")), *stream.close()])
    assert parts.merged([fold(_stream("A")), fold(_stream("B"))]) == streamed


def test_a_prompt_that_is_repeated_stands_before_each_choice() -> None:
    parts = _parts(prompt="Once", echo=True)
    (part,) = parts.documents
    assert "echo" not in part
    (choice,) = parts.merged([fold(_stream(" upon"))])["choices"]
    assert choice["message"]["content"] == "Once upon"


def test_a_broken_part_breaks_the_whole() -> None:
    broken = Broken(Code.STREAM_TRUNCATED)
    assert _parts(prompt=["a", "b"]).stream().feed(1, [broken]) == [broken]


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"echo": True, "logprobs": 1}, "echo"), ({"echo": True, "max_tokens": 0}, "max_tokens")],
)
def test_what_a_prompt_alone_would_have_to_say_is_refused(fields: Document, param: str) -> None:
    with pytest.raises(GatewayError) as raised:
        _parts(prompt="a", **fields)
    assert (raised.value.code, raised.value.param) == (Code.UNTRANSLATABLE, param)


def test_there_is_an_end_to_prompts() -> None:
    with pytest.raises(GatewayError) as raised:
        _parts(prompt=["a"] * (MAX_PARTS + 1))
    assert raised.value.param == "prompt"


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1], [2]], None, []])
def test_what_is_no_text_is_one_part_and_refused_where_it_is_read(prompt: object) -> None:
    (part,) = _parts(prompt=prompt).documents
    with pytest.raises(GatewayError):
        CLIENT.read_request(part, Losses())
