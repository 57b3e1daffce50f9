"""References to the environment: what stands for what, and what is told when nothing does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.environment import Unresolved, filled, refers

ENV = {"A": "one", "_B2": "two", "EMPTY": "", "LOOP": "${A}"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain $A text", "plain $A text"),
        ("${A}", "one"),
        ("x${A}y${_B2}z", "xoneytwoz"),
        ("${A:-other}", "one"),
        ("${NO:-other}", "other"),
        ("${NO:-}", ""),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY:-}", ""),
        ("${NO:-a:-b}", "a:-b"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$${", "${"),
        ("$$", "$$"),
        ("${LOOP}", "${A}"),  # what was put in is not read again
        ("", ""),
    ],
)
def test_references_are_replaced(text: str, value: str) -> None:
    assert filled(text, ENV) == value


@pytest.mark.parametrize("text", ["${", "${}", "${A", "${1A}", "${A B}", "${A:}", "${A-x}", "${ü}"])
def test_a_broken_reference_is_refused(text: str) -> None:
    with pytest.raises(Unresolved, match=r"begins no \$\{NAME\}"):
        filled(text, ENV)


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(Unresolved, match=r"^environment variable NOPE is not set$"):
        filled("a ${A} ${NOPE}", ENV)


def test_an_empty_variable_is_named() -> None:
    with pytest.raises(Unresolved, match=r"^environment variable EMPTY is empty; write "):
        filled("${EMPTY}", ENV)


@given(st.text(st.sampled_from("${}:-A_x "), max_size=40))
def test_any_text_is_filled_or_refused_without_showing_a_value(text: str) -> None:
    told = ""
    try:
        filled(text, {"A": "planted"})
    except Unresolved as refused:
        told = str(refused)
    assert "planted" not in told


@given(st.text())
def test_a_text_without_references_is_left_alone(text: str) -> None:
    if not refers(text):
        assert filled(text, {}) is text
