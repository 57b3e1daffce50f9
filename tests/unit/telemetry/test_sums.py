"""Entries summed up."""

import math

from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.ledger import Entry
from gateway.telemetry.sums import Sum, rows, summed

DAY_S = 86_400.0


def one(key: str, at: float, usd: float | None = 0.5, output: int | None = 3) -> Entry:
    return Entry(
        f"{key}{at}", at, "t", key, "chat", "m", "p", "b", "x", "complete",
        input=7, output=output, cached=2, reasoning=1, estimated=output is None, usd=usd,
    )  # fmt: skip


def test_each_value_has_its_sum() -> None:
    found = summed([one("a", 0), one("b", 0), one("a", DAY_S)], ("key", "day"), 0, math.inf)
    whole = Sum(1, 7, 3, 2, 1, 0, 0, 0.5)
    assert found == {
        ("a", "1970-01-01"): whole,
        ("a", "1970-01-02"): whole,
        ("b", "1970-01-01"): whole,
    }


def test_what_is_not_known_is_counted_as_such() -> None:
    (total,) = summed([one("a", 0, None, None), one("a", 1)], ("key",), 0, math.inf).values()
    assert total == Sum(2, 14, 3, 4, 2, 1, 1, 0.5)


def test_since_is_within_and_until_is_not() -> None:
    entries = [one("a", at) for at in (0.0, DAY_S, 2 * DAY_S)]
    (total,) = summed(entries, ("key",), DAY_S, 2 * DAY_S).values()
    assert total.charges == 1


def test_rows_say_what_they_are_by() -> None:
    (row,) = rows(summed([one("a", 0)], ("key", "model"), 0, 1), ("key", "model"))
    assert list(row)[:3] == ["key", "model", "charges"]
    assert (row["key"], row["model"], row["usd"]) == ("a", "m", 0.5)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**6))))
def test_parts_add_up_to_the_whole(said: list[tuple[str, int]]) -> None:
    entries = [one(key, float(at)) for key, at in said]
    parts = summed(entries, ("key", "day"), 0, math.inf).values()
    whole = summed(entries, (), 0, math.inf).get((), Sum())
    assert sum(part.charges for part in parts) == whole.charges
    assert sum(part.input_tokens for part in parts) == whole.input_tokens
