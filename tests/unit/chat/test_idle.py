"""What may be left out of a request without a word."""

import pytest

from gateway.chat.idle import asking, idle


@pytest.mark.parametrize(
    ("key", "value"),
    [("n", 1), ("seed", None), ("logprobs", False), ("user", "me"), ("logit_bias", {})],
)
def test_what_asks_for_nothing_is_idle(key: str, value: object) -> None:
    assert idle(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("n", 2), ("seed", 0), ("logprobs", True), ("temperature", 0), ("anything", "x")],
)
def test_what_asks_for_something_is_not(key: str, value: object) -> None:
    assert not idle(key, value)


def test_what_is_known_is_not_asked_about() -> None:
    assert asking({"a": 1, "b": 2, "n": 1}, frozenset({"a"})) == ["b"]
