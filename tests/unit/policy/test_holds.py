"""What a backend says of its own limits: only what is used up, and for a bearable time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.holds import MAX_REST_S, rest_s

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        (b"1s", 1.0),
        (b"120ms", 0.12),
        (b"1.5s", 1.5),
        (b"0m9s", 9.0),
        (b"6m0s", MAX_REST_S),
        (b"1h2m", MAX_REST_S),
        (b"30", 30.0),
        (b"2026-09-21T14:13:25Z", 5.0),
        (b"2026-09-21T16:13:25+02:00", 5.0),
        (b"2026-09-21T14:13:00Z", 0.0),
        (b"soon", 0.0),
        (b"-3s", 0.0),
        (b"", 0.0),
        (b"\xff", 0.0),
        (b"9" * 300, 0.0),
    ],
)
def test_a_limit_that_is_used_up_rests_until_its_reset(reset: bytes, seconds: float) -> None:
    for left, until in (
        (b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
        (b"anthropic-ratelimit-tokens-remaining", b"anthropic-ratelimit-tokens-reset"),
    ):
        assert rest_s([(left, b"0"), (until, reset)], NOW) == pytest.approx(seconds)


def test_what_is_not_used_up_does_not_rest() -> None:
    headers = [(b"x-ratelimit-remaining-requests", b"10"), (b"x-ratelimit-reset-requests", b"9s")]
    assert rest_s(headers, NOW) == 0.0
    assert rest_s([(b"x-ratelimit-remaining-tokens", b"0")], NOW) == 0.0
    assert rest_s([(b"content-length", b"0")], NOW) == 0.0


def test_the_longest_of_several_counts() -> None:
    headers = [
        (b"x-ratelimit-remaining-requests", b"0"),
        (b"x-ratelimit-remaining-tokens", b"0"),
        (b"x-ratelimit-reset-requests", b"2s"),
        (b"x-ratelimit-reset-tokens", b"7s"),
    ]
    assert rest_s(headers, NOW) == 7.0


@given(st.binary(max_size=40))
def test_junk_never_holds_for_long(reset: bytes) -> None:
    headers = [(b"x-ratelimit-remaining-requests", b"0"), (b"x-ratelimit-reset-requests", reset)]
    assert 0.0 <= rest_s(headers, NOW) <= MAX_REST_S
