"""Other words for the same: efforts for budgets, and a failure said in text."""

import pytest

from gateway.chat.document import Document
from gateway.dialects.openai_words import effort, failed


@pytest.mark.parametrize(
    ("budget", "word"), [(1024, "low"), (4095, "low"), (4096, "medium"), (16384, "high")]
)
def test_a_budget_is_an_effort(budget: int, word: str) -> None:
    assert effort({"thinking": {"type": "enabled", "budget_tokens": budget}}) == word


@pytest.mark.parametrize(
    ("chat", "word"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, None),
        ({"thinking": {"type": "enabled"}}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1}, "reasoning_effort": "high"}, "high"),
    ],
)
def test_what_was_said_stands_and_nothing_is_made_up(chat: Document, word: str | None) -> None:
    assert effort(chat) == word


@pytest.mark.parametrize(
    ("content", "said"),
    [("no", "Error: no"), ("Error: no", "Error: no"), (None, "Error: ")],
)
def test_a_failure_is_said_once(content: object, said: str) -> None:
    assert failed(content) == said


def test_parts_stay_parts() -> None:
    part = {"type": "text", "text": "no"}
    assert failed([part]) == [{"type": "text", "text": "Error: "}, part]
