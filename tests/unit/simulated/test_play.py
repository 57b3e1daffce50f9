"""Events written once around their tokens are the events that would be written for each."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.simulated.play import HOLE, around, beats, event, together


@given(st.lists(st.text()))
def test_a_beat_is_the_event_with_its_token(tokens: list[str]) -> None:
    frame = event({"before": 1, "token": HOLE, "after": [2]}, b"name")
    told = list(beats(tokens, *around(frame)))
    assert told == [event({"before": 1, "token": t, "after": [2]}, b"name") for t in tokens]


def test_an_event_has_a_name_only_where_it_is_given() -> None:
    assert event({"a": "é\n"}) == 'data: {"a":"é\\n"}\n\n'.encode()
    assert event(None, b"ping") == b"event: ping\ndata: null\n\n"


def test_a_hole_in_a_caller_s_words_is_not_taken_for_the_token_s() -> None:
    [told] = beats(["word"], *around(event({"model": HOLE, "token": HOLE})))
    assert json.loads(told.removeprefix(b"data: ")) == {"model": HOLE, "token": "word"}


def test_choices_are_told_at_once_until_the_longest_ends() -> None:
    lanes = [iter([b"a1", b"a2"]), iter([b"b1"])]
    assert list(together(lanes)) == [b"a1b1", b"a2"]
    assert list(together([iter([b"a1", b"a2"])])) == [b"a1", b"a2"]
