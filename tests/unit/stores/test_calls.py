"""Frames: any cutting of the bytes gives the same calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.limits import Claim
from gateway.stores.calls import Call, Frames, Get, Put, Settle, Take, calls, frame

CLAIM = Claim("k", 1.5, 10.0, 0.25, 0.0, leased=False, money=True)
SAID: list[Call] = [
    Take("a", (CLAIM,)),
    Settle("a", (CLAIM,), (2.0,)),
    Get(b"\0k"),
    Put(b"k", b"v" * 300, 1.0, b""),
]


@given(st.lists(st.integers(1, 400), max_size=20))
def test_any_cutting_gives_the_same_calls(cuts: list[int]) -> None:
    text, frames, got = frame(SAID[:2]) + frame(SAID[2:]), Frames(), []
    for size in [*cuts, len(text)]:
        got += [call for body in frames.feed(text[:size]) for call in calls(body)]
        text = text[size:]
    assert [type(one) for one in got] == [type(one) for one in SAID]
    assert frame(got) == frame(SAID)


def test_a_frame_of_absurd_length_is_refused() -> None:
    with pytest.raises(ValueError, match="long"):
        list(Frames().feed(b"\xff\xff\xff\xff"))
