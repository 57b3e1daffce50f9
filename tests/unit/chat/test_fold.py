"""Deltas to an answer and back."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat.deltas import (
    Begin,
    Broken,
    CallPart,
    Count,
    Delta,
    Extra,
    Finish,
    Logprobs,
    Reason,
    Reasoning,
    Refusal,
    Text,
)
from gateway.chat.fold import fold, reason, unfold
from gateway.chat.usage import Usage
from gateway.errors import Code

STREAM: list[Delta] = [
    Begin("id-1", "m", 7),
    Reasoning(0, "I th"),
    Reasoning(0, "ink", "sig"),
    Reasoning(0, redacted="opaque"),
    Text(0, "Hel"),
    Text(1, "other"),
    Text(0, "lo"),
    CallPart(0, 0, "call_1", "f", '{"a"'),
    CallPart(0, 1, "call_2", "g", "{}", {"google": {"thought_signature": "x"}}),
    CallPart(0, 0, arguments=":1}"),
    Extra(0, {"annotations": [1]}),
    Extra(0, {"annotations": [2], "audio": {"id": "a"}}),
    Logprobs(0, [{"token": "Hel"}]),
    Finish(0, "tool_calls"),
    Finish(1, "stop", "END"),
    Count(Usage(10, 5, 4, 2)),
]


def test_a_stream_folds_into_the_answer_it_would_have_been() -> None:
    answer = fold(STREAM)
    first, second = answer["choices"]
    message = first["message"]
    assert message["content"] == "Hello"
    assert message["reasoning_content"] == "I think"
    assert message["thinking_blocks"] == [
        {"type": "thinking", "thinking": "I think", "signature": "sig"},
        {"type": "redacted_thinking", "data": "opaque"},
    ]
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"a":1}', "{}"]
    assert message["tool_calls"][1]["extra_content"] == {"google": {"thought_signature": "x"}}
    assert message["annotations"] == [1, 2]
    assert first["logprobs"] == {"content": [{"token": "Hel"}]}
    assert (second["finish_reason"], second["stop_sequence"]) == ("stop", "END")
    assert answer["usage"]["total_tokens"] == 15
    assert (answer["id"], answer["model"], answer["created"]) == ("id-1", "m", 7)


def test_a_broken_stream_has_no_answer() -> None:
    with pytest.raises(ValueError, match="broken"):
        fold([*STREAM, Broken(Code.UPSTREAM_ERROR)])


texts = st.text(min_size=1, max_size=5)
REASONS: tuple[Reason, ...] = ("stop", "length", "tool_calls", "content_filter")


@st.composite
def streams(draw: st.DrawFn) -> Iterable[Delta]:
    deltas: list[Delta] = [Begin(draw(texts), draw(texts), draw(st.integers(1, 9)))]
    for choice in range(draw(st.integers(1, 2))):
        deltas += [Reasoning(choice, one, "s") for one in draw(st.lists(texts, max_size=2))]
        deltas += [Text(choice, one) for one in draw(st.lists(texts, max_size=3))]
        deltas += [Refusal(choice, one) for one in draw(st.lists(texts, max_size=1))]
        for slot in range(draw(st.integers(0, 2))):
            deltas.append(CallPart(choice, slot, draw(texts), draw(texts), draw(texts)))
        deltas.append(Finish(choice, draw(st.sampled_from(REASONS))))
    if draw(st.booleans()):
        deltas.append(Count(Usage(9, 8, 7, 6, 5, 4, 3)))
    return deltas


@given(streams())
def test_what_is_folded_may_be_unfolded_and_folded_again(stream: Iterable[Delta]) -> None:
    answer = fold(stream)
    assert fold(unfold(answer)) == answer


def test_the_example_too() -> None:
    assert fold(unfold(fold(STREAM))) == fold(STREAM)


def test_a_reason_that_nobody_knows_is_a_stop() -> None:
    assert [reason(word) for word in ("length", "function_call", "eos", None)] == [
        "length",
        "tool_calls",
        "stop",
        "stop",
    ]
