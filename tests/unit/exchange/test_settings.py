"""What a route says of every request, in each client's words."""

import json
from typing import Any

import pytest

from gateway.chat.operation import Operation
from gateway.dialects.base import Losses
from gateway.exchange.settings import settled
from gateway.wire import json as wire

SAID = {"temperature": 0, "max_tokens": 7, "stop": "END", "seed": 1}


def _raw(document: dict[str, Any]) -> wire.Fields:
    return wire.read(json.dumps(document).encode())


def _settled(
    operation: Operation,
    asked: dict[str, Any],
    *,
    defaults: dict[str, Any] | None = None,
    force: dict[str, Any] | None = None,
) -> tuple[Any, list[str]]:
    losses = Losses(SAID)
    fields = settled(operation, _raw(asked), _raw(defaults or {}), _raw(force or {}), losses)
    return json.loads(wire.write(fields)), losses.dropped


@pytest.mark.parametrize("operation", [Operation.CHAT, Operation.COMPLETION])
def test_openai_s_words_are_the_config_s(operation: Operation) -> None:
    asked = {"temperature": 1, "user": "u"}
    told, dropped = _settled(operation, asked, defaults=SAID, force={"seed": 9})
    assert told == {**SAID, "temperature": 1, "user": "u", "seed": 9}
    assert dropped == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")],
)
def test_what_is_forced_holds_under_whichever_name_it_is_asked(ours: str, theirs: str) -> None:
    assert _settled(Operation.CHAT, {theirs: 5000}, force={ours: 7})[0] == {ours: 7}
    assert _settled(Operation.CHAT, {theirs: 5}, defaults={ours: 7})[0] == {theirs: 5}
    assert _settled(Operation.CHAT, {}, defaults={ours: 7}, force={theirs: 9})[0] == {theirs: 9}


def test_anthropic_has_no_seed_and_lists_its_stops() -> None:
    told, dropped = _settled(Operation.MESSAGES, {"max_tokens": 5}, defaults=SAID)
    assert told == {"temperature": 0, "max_tokens": 5, "stop_sequences": ["END"]}
    assert dropped == ["seed"]


def test_responses_counts_all_output() -> None:
    told, dropped = _settled(Operation.RESPONSES, {}, force=SAID)
    assert told == {"temperature": 0, "max_output_tokens": 7}
    assert dropped == ["stop", "seed"]


@pytest.mark.parametrize(
    ("place", "words"),
    [("generationConfig", "maxOutputTokens"), ("generation_config", "max_output_tokens")],
)
def test_google_s_stand_in_the_generation_s_config(place: str, words: str) -> None:
    asked = {"contents": [], place: {words: 5, "topK": 3}}
    told, dropped = _settled(Operation.GENERATE, asked, defaults=SAID)
    config = {words: 5, "topK": 3, "temperature": 0, "stopSequences": ["END"], "seed": 1}
    assert told == {"contents": [], place: config}
    forced, _ = _settled(Operation.GENERATE, asked, force=SAID)
    assert forced[place]["maxOutputTokens"] == 7
    assert (words in forced[place]) is (words == "maxOutputTokens")
    assert dropped == []


def test_google_s_own_names_may_be_said() -> None:
    force = {"generation_config": {"top_p": 0.5}, "safetySettings": []}
    told, _ = _settled(Operation.GENERATE, {"contents": []}, force=force)
    assert told == {"contents": [], "safetySettings": [], "generationConfig": {"topP": 0.5}}


@pytest.mark.parametrize("operation", [Operation.COUNT_TOKENS, Operation.COUNT_CONTENT])
def test_counting_is_asked_as_it_is(operation: Operation) -> None:
    assert _settled(operation, {"a": 1}, defaults=SAID, force=SAID) == ({"a": 1}, [])
