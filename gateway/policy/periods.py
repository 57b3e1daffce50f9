"""Calendar periods: the day, week, month or year that an instant lies in, in a time zone.

Pure: the zone is an argument. A week begins on Monday.
"""

from datetime import datetime, timedelta, tzinfo
from typing import Literal

Per = Literal["day", "week", "month", "year", "total"]
LONGEST_S = {"day": 90_000, "week": 608_400, "month": 2_682_000, "year": 31_626_000}
MEAN_S = {"day": 86_400.0, "week": 604_800.0, "month": 2_629_746.0, "year": 31_556_952.0}


def period(per: Per, now: float, zone: tzinfo) -> tuple[str, float]:
    """The period's name, such as 2026-09, and the unix second at which the next one begins."""
    if per == "total":
        return "total", float("inf")
    here = datetime.fromtimestamp(now, zone)
    day = here.replace(hour=0, minute=0, second=0, microsecond=0)
    match per:
        case "day":
            return f"{day:%Y-%m-%d}", _start(day, 1)
        case "week":
            monday = day - timedelta(days=day.weekday())
            return f"{monday:%G-W%V}", _start(monday, 7)
        case "month":
            first = day.replace(day=1)
            return f"{first:%Y-%m}", (first + timedelta(days=32)).replace(day=1).timestamp()
        case "year":
            first = day.replace(month=1, day=1)
            return f"{first:%Y}", first.replace(year=first.year + 1).timestamp()


def _start(day: datetime, days: int) -> float:
    """Midnight by the wall clock there, however long the days are."""
    return (day + timedelta(days=days)).timestamp()
