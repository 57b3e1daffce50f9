"""What a scalar means, and where YAML 1.1 would have surprised."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from gateway.config import scalars
from gateway.config.scalars import Wrong


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("-7", -7), ("+8", 8), ("65536", 65536)])
def test_whole_numbers(text: str, value: int) -> None:
    assert scalars.whole(text, inspect.IntType()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4.0",
        "1e3",
        "010",
        "0x10",
        "0o7",
        "0b1",
        "1_000",
        "1:30",
        "yes",
        "٣",
        "1 ",
        "--1",
        "true",
    ],
)
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(Wrong, match="must be a whole number"):
        scalars.whole(text, inspect.IntType())


def test_a_whole_number_of_more_than_64_bits_is_refused() -> None:
    assert scalars.whole(str(2**63 - 1), inspect.IntType()) == 2**63 - 1
    assert scalars.whole(str(-(2**63)), inspect.IntType()) == -(2**63)
    for text in (str(2**63), str(-(2**63) - 1), "9" * 100_000):
        with pytest.raises(Wrong, match="64 bits"):
            scalars.whole(text, inspect.IntType())


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5.0), ("0.25", 0.25), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-2.5E-1", -0.25)],
)
def test_numbers(text: str, value: float) -> None:
    assert scalars.number(text, inspect.FloatType()) == value


@pytest.mark.parametrize(
    "text", ["", ".", "-", "e5", "1e", ".nan", ".inf", "nan", "inf", "-.inf", "1:30", "1,5", "007"]
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(Wrong, match="must be a number"):
        scalars.number(text, inspect.FloatType())


def test_an_endless_number_is_refused() -> None:
    with pytest.raises(Wrong, match="finite"):
        scalars.number("1e999", inspect.FloatType())


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (inspect.IntType(ge=1), "0", "must be at least 1"),
        (inspect.IntType(le=65535), "65536", "must be at most 65535"),
        (inspect.IntType(le=10_000_000), "10000001", "must be at most 10000000"),
    ],
)
def test_bounds_are_told(kind: inspect.IntType, text: str, message: str) -> None:
    with pytest.raises(Wrong, match=f"^{message}$"):
        scalars.whole(text, kind)


def test_an_open_bound_is_told() -> None:
    with pytest.raises(Wrong, match=r"^must be more than 0$"):
        scalars.number("0", inspect.FloatType(gt=0))
    with pytest.raises(Wrong, match=r"^must be at most 1$"):
        scalars.number("1.5", inspect.FloatType(le=1))


@pytest.mark.parametrize("text", ["yes", "no", "on", "off", "y", "1", "0", "tRUE", ""])
def test_only_true_and_false_are_booleans(text: str) -> None:
    with pytest.raises(Wrong, match="true or false"):
        scalars.boolean(text)


def test_booleans() -> None:
    assert scalars.boolean("true")
    assert scalars.boolean("TRUE")
    assert not scalars.boolean("false")
    assert not scalars.boolean("FALSE")


def test_a_word_is_one_of_its_set() -> None:
    kind = inspect.LiteralType(values=("a", "b"))
    assert scalars.word("a", kind) == "a"
    with pytest.raises(Wrong, match=r"^must be one of a, b$"):
        scalars.word("c", kind)


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\x00", "\u202e", "\udc80"])
def test_a_text_that_cannot_be_shown_is_refused(text: str) -> None:
    with pytest.raises(Wrong, match="cannot be shown"):
        scalars.printable(text, inspect.StrType())


def test_a_text_has_its_length() -> None:
    kind = inspect.StrType(min_length=1, max_length=3)
    assert scalars.printable("ü 3", kind) == "ü 3"
    with pytest.raises(Wrong, match="is empty"):
        scalars.printable("", kind)
    with pytest.raises(Wrong, match="at most 3 characters"):
        scalars.printable("four", kind)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("no", "no"),
        ("on", "on"),
        ("12", 12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("010", "010"),
        ("2024-01-31", "2024-01-31"),
        ("1:30", "1:30"),
        ("text", "text"),
    ],
)
def test_plain_scalars_of_json_values(text: str, value: object) -> None:
    found = scalars.json_value(text, plain=True)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["null", "true", "12", ""])
def test_quotes_make_a_text(text: str) -> None:
    assert scalars.json_value(text, plain=False) == text


@pytest.mark.parametrize("text", [".nan", ".NaN", ".inf", "-.INF", "1e999", "9" * 400])
def test_what_json_cannot_say_is_refused(text: str) -> None:
    with pytest.raises(Wrong):
        scalars.json_value(text, plain=True)


@given(st.text(max_size=30))
def test_any_text_means_something_or_is_refused(text: str) -> None:
    try:
        value = scalars.json_value(text, plain=True)
    except Wrong:
        return
    assert value is None or isinstance(value, str | int | float)
    assert not isinstance(value, float) or math.isfinite(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_as_it_was_written(value: float) -> None:
    assert scalars.number(repr(value), inspect.FloatType()) == value
