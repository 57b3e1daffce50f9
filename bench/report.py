"""What was measured, as Markdown tables: medians of the rounds, ratios of pairs, and doubts.

Pure: Results in, text out. A row's last column says what speaks against reading it plainly.
"""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Final

import msgspec

from bench.load import Quantiles
from bench.rounds import Times, Turn
from bench.scenarios import BY_NAME, CHUNKS

# Above these a row is marked.
BYSTANDERS: Final = 0.10  # of a core
STOLEN: Final = 0.02  # of a core
SPREAD: Final = 0.15  # of CPU per request between the rounds, (max - min) / median
# Below these.
PACE: Final = 0.97  # of the chunks or requests that were due
BUSY: Final = 0.90  # of the target's cores, while the load's core is full

Value = Callable[[Turn], float | None]


class Started(msgspec.Struct, frozen=True):
    name: str
    command: tuple[str, ...]
    sets_key: bool  # whether it has to give the provider's key
    rewrites: bool  # whether it has to give the model its other name
    start_s: float | None  # until the first answer; None: it ran already
    rest_rss_bytes: int


class Results(msgspec.Struct, frozen=True):
    when: str
    machine: list[str]
    target_cores: int
    times: Times
    targets: list[Started]  # ours first
    turns: list[Turn]

    def of(self, target: str, scenario: str) -> list[Turn]:
        return [t for t in self.turns if t.target == target and t.scenario == scenario]

    @property
    def scenarios(self) -> list[str]:
        return list(dict.fromkeys(turn.scenario for turn in self.turns))


# ---- what is read from a turn


def _per_s(turn: Turn) -> float | None:
    """Requests; of streams those that the chunks would make up."""
    return _requests(turn) / turn.outcome.seconds


def _requests(turn: Turn) -> float:
    """Streams may outlast the window: they are counted by their chunks."""
    stream = BY_NAME[turn.scenario].stream
    return turn.outcome.chunks / CHUNKS if stream else turn.outcome.requests


def _cpu_us(turn: Turn) -> float | None:
    requests = _requests(turn)
    cpu_s = turn.outcome.target_cpu_s
    return cpu_s / requests * 1e6 if requests and cpu_s else None


def _chunk_us(turn: Turn) -> float | None:
    cpu_us = _cpu_us(turn)
    return cpu_us / CHUNKS if cpu_us and BY_NAME[turn.scenario].stream else None


def _latency_50(turn: Turn) -> float | None:
    return _at(turn.outcome.latency_us, "p50")


def _latency_99(turn: Turn) -> float | None:
    return _at(turn.outcome.latency_us, "p99")


def _first_50(turn: Turn) -> float | None:
    return _at(turn.outcome.first_us, "p50")


def _first_99(turn: Turn) -> float | None:
    return _at(turn.outcome.first_us, "p99")


def _transit_50(turn: Turn) -> float | None:
    return _at(turn.outcome.transit_us, "p50")


def _transit_99(turn: Turn) -> float | None:
    return _at(turn.outcome.transit_us, "p99")


def _rss_mib(turn: Turn) -> float | None:
    return turn.outcome.rss_bytes / (1 << 20) or None


def _errors(turn: Turn) -> float | None:
    return float(turn.outcome.errors)


def _at(quantiles: Quantiles | None, name: str) -> float | None:
    return None if quantiles is None else float(getattr(quantiles, name))


COLUMNS: Final[tuple[tuple[str, Value, int], ...]] = (  # heading, value, digits
    ("requests/s", _per_s, 0),
    ("CPU µs/request", _cpu_us, 1),
    ("CPU µs/chunk", _chunk_us, 2),
    ("p50 µs", _latency_50, 0),
    ("p99 µs", _latency_99, 0),
    ("first p50", _first_50, 0),
    ("first p99", _first_99, 0),
    ("transit p50", _transit_50, 0),
    ("transit p99", _transit_99, 0),
    ("RSS MiB", _rss_mib, 0),
    ("errors", _errors, 0),
)
RATIOS: Final[tuple[tuple[str, Value], ...]] = (
    ("requests/s", _per_s),
    ("CPU", _cpu_us),
    ("p50", _latency_50),
    ("p99", _latency_99),
    ("first p50", _first_50),
    ("transit p50", _transit_50),
    ("transit p99", _transit_99),
    ("RSS", _rss_mib),
)


# ---- the tables


def text(results: Results) -> str:
    parts = ["\n".join(results.machine), _measured(results), _started(results)]
    parts += [_ratios(results, peer) for peer in results.targets[1:]]
    return "\n\n".join(parts)


def _measured(results: Results) -> str:
    rows = [["scenario", "target", *(heading for heading, _, _ in COLUMNS), "doubts"]]
    for scenario in results.scenarios:
        for target in results.targets:
            found = results.of(target.name, scenario)
            values = [_number(_median(map(value, found)), digits) for _, value, digits in COLUMNS]
            doubts = "; ".join(_doubts(found, target, results.target_cores))
            rows.append([scenario, target.name, *values, doubts])
    times = results.times
    rounds = f"{times.rounds} rounds" if times.rounds > 1 else "1 round"
    return f"{results.when}: medians of {rounds} of {times.seconds:g} s.\n\n{_table(rows)}"


def _started(results: Results) -> str:
    rows = [["target", "start s", "RSS MiB at rest", "keys", "models", "forwarded"]]
    for target in results.targets:
        turns = [turn for turn in results.turns if turn.target == target.name]
        requests = sum(turn.seen.requests for turn in turns)
        keys = sum(turn.seen.keys for turn in turns) / max(1, requests)
        models = sum(turn.seen.models for turn in turns) / max(1, requests)
        forwarded = requests / max(1, sum(turn.outcome.sent for turn in turns))
        rows.append(
            [
                target.name,
                _number(target.start_s, 2),
                _number(target.rest_rss_bytes / (1 << 20) or None, 0),
                f"{keys:.1%}" if target.sets_key else "",
                f"{models:.1%}" if target.rewrites else "",
                f"{forwarded:.1%}",
            ]
        )
    said = "What reached the provider: with its key, for its model, of all that was sent."
    return f"{said}\n\n{_table(rows)}"


def _ratios(results: Results, peer: Started) -> str:
    ours = results.targets[0].name
    rows = [["scenario", *(heading for heading, _ in RATIOS), "p50 more, µs"]]
    for scenario in results.scenarios:
        pairs = list(zip(results.of(ours, scenario), results.of(peer.name, scenario), strict=True))
        cells = [_number(_median(_quotients(pairs, value)), 2) for _, value in RATIOS]
        more = _median(
            a - b for a, b in ((_latency_50(a), _latency_50(b)) for a, b in pairs) if a and b
        )
        rows.append([scenario, *cells, _number(more, 0)])
    said = f"{ours} / {peer.name}: medians of the rounds' ratios; but for requests/s less is better"
    return f"{said}.\n\n{_table(rows)}"


def _quotients(pairs: Sequence[tuple[Turn, Turn]], value: Value) -> Iterator[float]:
    for ours, theirs in pairs:
        above, below = value(ours), value(theirs)
        if above is not None and below:
            yield above / below


# ---- doubts


def _doubts(turns: Sequence[Turn], target: Started, target_cores: int) -> Iterator[str]:
    outcomes = [turn.outcome for turn in turns]
    yield from _undone(turns, target)
    if why := next((outcome.first_error for outcome in outcomes if outcome.errors), ""):
        yield why.splitlines()[0][:120].replace("|", "/")
    if target.start_s is not None and _load_bound(turns, target_cores):
        yield "load-bound: go by CPU"
    if (share := _median(map(_pace, turns))) is not None and share < PACE:
        yield f"keeps {share:.0%} of the pace"
    if (share := median(o.bystander_cpu_s / o.seconds for o in outcomes)) > BYSTANDERS:
        yield f"bystanders took {share:.0%} of a core"
    if (share := max(o.stolen_s / o.seconds for o in outcomes)) > STOLEN:
        yield f"the hypervisor stole {share:.0%} of a core"
    if (share := _spread(turns)) > SPREAD:
        yield f"spread {share:.0%}"


def _undone(turns: Sequence[Turn], target: Started) -> Iterator[str]:
    """The work that a target has left out: it would be cheap to."""
    requests = sum(turn.seen.requests for turn in turns)
    if requests != (sent := sum(turn.outcome.sent for turn in turns)):
        yield f"provider saw {requests:,} requests of {sent:,}"
    if target.sets_key and sum(turn.seen.keys for turn in turns) < requests:
        yield "provider's key missing"
    if target.rewrites and sum(turn.seen.models for turn in turns) < requests:
        yield "model not rewritten"


def _load_bound(turns: Sequence[Turn], target_cores: int) -> bool:
    """Whether the load's core was full and the target's were not."""
    if not BY_NAME[turns[0].scenario].fills_the_core:
        return False
    busy = median(turn.outcome.target_cpu_s / turn.outcome.seconds for turn in turns)
    full = median(turn.outcome.load_core for turn in turns)
    return busy < BUSY * target_cores and full > PACE


def _pace(turn: Turn) -> float | None:
    """The share of what was due that came."""
    scenario, outcome = BY_NAME[turn.scenario], turn.outcome
    if scenario.rate:
        return outcome.requests / (scenario.rate * outcome.seconds)
    if scenario.gap_s:
        return outcome.chunks / (scenario.connections / scenario.gap_s * outcome.seconds)
    return None


def _spread(turns: Sequence[Turn]) -> float:
    found = [value for value in map(_cpu_us, turns) if value]
    return (max(found) - min(found)) / median(found) if found else 0.0


# ---- numbers and bars


def _median(values: "Iterator[float | None] | map[float | None]") -> float | None:
    found = [value for value in values if value is not None]
    return median(found) if found else None


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first row is the heading, text to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = [heading in ("scenario", "target", "doubts") for heading in rows[0]]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(row, widths, left, strict=True)
        )
        + " |"
        for row in rows
    ]
    rule = [
        "-" * (width + 2) if to_left else "-" * (width + 1) + ":"
        for width, to_left in zip(widths, left, strict=True)
    ]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]])
