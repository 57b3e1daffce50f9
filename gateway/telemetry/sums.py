"""What a ledger's entries come to, by whatever one asks: tenant, key, model, day and the like."""

import time
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from gateway.telemetry.ledger import Entry

By = Literal["tenant", "key", "model", "day", "provider", "backend", "operation"]
DAY: Final = "%Y-%m-%d"  # in UTC


class Sum(msgspec.Struct):
    charges: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: int = 0  # charges whose tokens were counted here
    unpriced: int = 0  # charges whose price is not known
    usd: float = 0.0

    def add(self, one: Entry) -> None:
        self.charges += 1
        self.input_tokens += one.input or 0
        self.output_tokens += one.output or 0
        self.cached_tokens += one.cached
        self.reasoning_tokens += one.reasoning
        self.estimated += one.estimated
        self.unpriced += one.usd is None
        self.usd += 0.0 if one.usd is None else one.usd


def summed(
    entries: Iterable[Entry], by: Sequence[By], since: float, until: float
) -> dict[tuple[str, ...], Sum]:
    """By the names' values, in order. since, until: unix seconds."""
    sums: dict[tuple[str, ...], Sum] = {}
    for one in entries:
        if since <= one.at < until:
            names = tuple(_value(one, name) for name in by)
            sums.setdefault(names, Sum()).add(one)
    return dict(sorted(sums.items()))


def rows(sums: dict[tuple[str, ...], Sum], by: Sequence[By]) -> list[dict[str, object]]:
    """As they are told: what they are by, then what they come to."""
    return [
        dict(zip(by, names, strict=True)) | msgspec.structs.asdict(one) | {"usd": round(one.usd, 9)}
        for names, one in sums.items()
    ]


def _value(one: Entry, name: By) -> str:
    if name == "day":
        return time.strftime(DAY, time.gmtime(one.at))
    value: str = getattr(one, name)
    return value
