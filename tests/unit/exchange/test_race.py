"""The first to have content answers; the other writes nothing any more."""

import asyncio

import pytest

from gateway.errors import Code
from gateway.exchange.race import Race
from gateway.policy.failures import Failure
from gateway.telemetry.record import Attempt, Record
from gateway.upstream.reply import Reply
from tests.vendors.looped import looped

FAILED = Failure(Code.UPSTREAM_ERROR, 500)


class Receiver:
    def __init__(self) -> None:
        self.data = b""

    def received(self, data: bytes) -> None:
        self.data += data

    def ended(self, failure: Code | None) -> None:
        pass


def attempts(record: Record, *names: str) -> list[Attempt]:
    made = [Attempt(name, "p", "m") for name in names]
    record.attempts.extend(made)
    return made


@looped
async def test_the_loser_is_let_go_and_the_answer_s_attempt_stands_last() -> None:
    record = Record(None)
    one, two = attempts(record, "one", "two")
    race = Race(record)
    loser, receiver = Reply(100.0), Receiver()

    async def stalls() -> Failure | None:
        loser.push_to(receiver)
        race.replied(one, loser)
        await asyncio.sleep(60)
        return None

    async def answers() -> Failure | None:
        race.won(two)
        loser.append(b"too late")
        loser.flush()
        return None

    race.start(one, stalls)
    assert await race.ended(0.01) is None
    race.start(two, answers)
    assert await race.ended(None) == (two, None)
    assert (one.lost, two.lost) == (True, False)
    assert record.attempts == [one, two]
    assert receiver.data == b""
    await race.end()


@looped
async def test_the_first_that_wins_late_stands_last_too() -> None:
    record = Record(None)
    one, two = attempts(record, "one", "two")
    race, go = Race(record), asyncio.Event()

    async def answers() -> Failure | None:
        await go.wait()
        race.won(one)
        return None

    async def stalls() -> Failure | None:
        await asyncio.sleep(60)
        return None

    race.start(one, answers)
    race.start(two, stalls)
    go.set()
    assert await race.ended(None) == (one, None)
    assert record.attempts == [two, one]
    assert two.lost
    await race.end()


@looped
async def test_a_failure_leaves_the_other_in_the_race() -> None:
    record = Record(None)
    one, two = attempts(record, "one", "two")
    race, go = Race(record), asyncio.Event()

    async def fails() -> Failure | None:
        return FAILED

    async def answers() -> Failure | None:
        await go.wait()
        race.won(two)
        return None

    race.start(one, fails)
    race.start(two, answers)
    assert await race.ended(None) == (one, FAILED)
    assert race.open
    go.set()
    assert await race.ended(None) == (two, None)
    assert not race.open


@looped
async def test_a_fault_of_ours_is_raised_and_nothing_is_left_running() -> None:
    record = Record(None)
    one, two = attempts(record, "one", "two")
    race, ended = Race(record), asyncio.Event()

    async def surprises() -> Failure | None:
        raise ValueError("a bug")

    async def stalls() -> Failure | None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return None

    race.start(two, stalls)
    await asyncio.sleep(0)
    race.start(one, surprises)
    with pytest.raises(ValueError, match="a bug"):
        await race.ended(None)
    await race.end()
    assert ended.is_set()


@looped
async def test_who_is_let_go_before_it_has_begun_has_ended_all_the_same() -> None:
    record = Record(None)
    one, two = attempts(record, "one", "two")
    race = Race(record)

    async def answers() -> Failure | None:
        race.won(one)
        return None

    async def never() -> Failure | None:
        raise AssertionError("it was let go")

    race.start(one, answers)
    race.start(two, never)
    assert await race.ended(None) == (one, None)
    await race.end()
    assert two.lost
    assert two.ended_at >= two.started_at


@looped
async def test_whatever_runs_at_the_end_has_ended_with_the_reason() -> None:
    record = Record(None)
    (one,) = attempts(record, "one")
    race = Race(record)

    async def never() -> Failure | None:
        raise AssertionError("it was cancelled")

    race.start(one, never)
    await race.end()
    assert one.ended_at >= one.started_at
    assert one.failure is Code.CLIENT_CLOSED
