"""The short way to tell an exchange tells what the long way does: each number, each fact."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.config import written
from gateway.config.prices import filled
from gateway.telemetry.metrics import Metrics, exposition
from gateway.telemetry.record import Attempt, Outcome, Record
from gateway.telemetry.sink import MAX_USUAL, Sink
from tests.unit.telemetry.written import Written

PRICE = filled(written.Price(input_usd_per_mtok=0.3, output_usd_per_mtok=7.7))
RECORDS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["m", 'with "quotes"', "Ünïcode", "lab/*"]),
        "target": st.sampled_from(["x", 'y"\\', "line\nfeed"]),
        "stream": st.booleans(),
        "client_id": st.sampled_from([None, "abc-1.2_3"]),
        "took_s": st.floats(0.0001, 900),
        "first_s": st.floats(0, 1),
        "waited_s": st.floats(0, 1),
        "tokens": st.tuples(st.integers(0, 10**8), st.integers(0, 10**8)),
        "sent": st.integers(0, 10**9),
        "chunks": st.integers(0, 5),
        "status": st.sampled_from([200, 201]),
        "parts": st.tuples(*[st.sampled_from([0, 0, 7])] * 3),
        "price": st.sampled_from([None, PRICE]),
    }
)


def record(facts: dict[str, object]) -> Record:
    made = Record(Operation.CHAT, "t", "k", facts["client_id"], "hash")  # type: ignore[arg-type]
    took_s = float(str(facts["took_s"]))
    made.model, made.stream = str(facts["model"]), bool(facts["stream"])
    made.status, made.outcome = int(str(facts["status"])), Outcome.COMPLETE
    made.ended_at = made.started_at + took_s
    made.waited_s = took_s * float(str(facts["waited_s"]))
    parts = facts.get("parts", (0, 0, 0))
    made.usage = Usage(*facts["tokens"], *parts)  # type: ignore[misc]
    made.sent_bytes = int(str(facts["sent"]))
    attempt = Attempt("b", "p", str(facts["target"]), started_at=made.started_at)
    attempt.first_at = made.started_at + took_s * float(str(facts["first_s"]))
    attempt.ended_at = made.started_at + took_s
    attempt.price = facts.get("price")  # type: ignore[assignment]
    attempt.chunks, attempt.status = int(str(facts["chunks"])), 200
    made.attempts = [attempt]
    return made


def told(made: Record, *, usual: bool) -> tuple[dict[str, object], bytes]:
    log, metrics = Written(), Metrics()
    sink = Sink(metrics, log.log)
    if usual:
        sink.told(made)
    else:
        sink._tell_any(made)
    (line,) = log.lines()
    assert line.pop("ts")
    return line, exposition([metrics])


DEFAULTS = {"overhead_s": 0.0, "input_tokens": 0, "output_tokens": 0, "sent_bytes": 0}


@given(RECORDS, st.booleans())
def test_both_ways_tell_the_same(facts: dict[str, object], remembered: bool) -> None:
    made = record(facts)
    if remembered:
        made.attempts, made.cache, made.waited_s = [], "hit", 0.0
    short, numbers = told(made, usual=True)
    long, same_numbers = told(made, usual=False)
    timed = ["duration_s"]
    if remembered:
        long.setdefault("sent_bytes", 0)
    else:
        timed += ["first_content_s", "overhead_s"]
        long = {**DEFAULTS, **long}
    for name in timed:
        assert short.pop(name) == pytest.approx(long.pop(name), abs=2e-6)
    assert short == long
    own = [line for line in numbers.splitlines() if not line.startswith(b"process_")]
    assert own == [x for x in same_numbers.splitlines() if not x.startswith(b"process_")]


def test_ever_new_names_do_not_pile_up() -> None:
    log = Written(level="error")
    sink = Sink(Metrics(), log.log)
    for number in range(3 * MAX_USUAL):
        made = record(
            {
                "model": "lab/*",
                "target": f"t{number}",
                "stream": False,
                "client_id": None,
                "took_s": 1.0,
                "first_s": 0.5,
                "waited_s": 0.5,
                "tokens": (1, 2),
                "sent": 3,
                "chunks": 0,
                "status": 200,
            }
        )
        sink.told(made)
    assert len(sink._usual) <= MAX_USUAL
    assert json.loads("[]") == log.lines()
