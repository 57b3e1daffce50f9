"""Anthropic's door, which leads nowhere yet."""

from gateway.providers.anthropic import PROVIDER


def test_it_offers_nothing_that_would_be_asked_in_the_wrong_language() -> None:
    assert PROVIDER.paths == {}
