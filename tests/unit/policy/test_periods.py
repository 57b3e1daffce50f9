"""Calendar periods: where one ends, by the wall clock of a zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.policy.periods import LONGEST_S, Per, period

BERLIN = ZoneInfo("Europe/Berlin")


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("per", "now", "name", "end"),
    [
        ("day", "2026-02-28T23:59:59+00:00", "2026-02-28", "2026-03-01T00:00:00+00:00"),
        ("week", "2026-12-31T12:00:00+00:00", "2026-W53", "2027-01-04T00:00:00+00:00"),
        ("month", "2026-12-05T00:00:00+00:00", "2026-12", "2027-01-01T00:00:00+00:00"),
        ("month", "2026-01-31T00:00:00+00:00", "2026-01", "2026-02-01T00:00:00+00:00"),
        ("year", "2026-01-01T00:00:00+00:00", "2026", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_a_period_ends_where_the_next_begins(per: Per, now: str, name: str, end: str) -> None:
    assert period(per, unix(now), UTC) == (name, unix(end))


def test_midnight_is_the_zones() -> None:
    assert period("day", unix("2026-11-24T23:30:00+00:00"), BERLIN)[0] == "2026-11-25"


def test_a_day_with_an_hour_more_is_longer() -> None:
    name, end = period("day", unix("2026-10-25T00:30:00+02:00"), BERLIN)
    assert (name, end) == ("2026-10-25", unix("2026-10-26T00:00:00+01:00"))
    assert end - unix("2026-10-25T00:00:00+02:00") == 25 * 3600 <= LONGEST_S["day"]


def test_the_total_never_ends() -> None:
    assert period("total", 0.0, UTC) == ("total", float("inf"))
