"""What commits an attempt."""

from gateway.chat.deltas import CONTENT, Begin, CallPart, Count, Finish, Logprobs, Text
from gateway.chat.usage import Usage


def test_what_says_something_is_content_and_what_only_begins_or_counts_is_not() -> None:
    for delta in (Text(0, "x"), CallPart(0, 0), Finish(0, "stop")):
        assert isinstance(delta, CONTENT)
    for other in (Begin("", "", 0), Count(Usage()), Logprobs(0, [])):
        assert not isinstance(other, CONTENT)
