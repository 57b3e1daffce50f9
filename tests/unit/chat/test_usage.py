"""Token counts."""

import pytest

from gateway.chat.usage import Usage


def test_nothing_said_is_nothing_used() -> None:
    assert Usage() == Usage(input=0, output=0, cached=0, reasoning=0)


def test_what_was_counted_stays_counted() -> None:
    used = Usage(7, 3)
    with pytest.raises(AttributeError):
        used.input = 0  # type: ignore[misc]  # the point of the test
