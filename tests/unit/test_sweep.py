"""Waits that end once they are due, never early, and stop nobody else's."""

import asyncio
import time
from collections.abc import Callable

from gateway.sweep import NEVER, Sweep

TICK_S = 0.002
LONG_S = 10.0  # a bound for slow machines; nothing here takes nearly as long


class _Wait:
    """One wait; what happens when it is overdue can be said."""

    def __init__(self, sweep: Sweep, due_at: float = NEVER) -> None:
        self.due_at = due_at
        self.told_at: list[float] = []
        self.told = asyncio.Event()
        self.sweep = sweep
        self.then: Callable[[], None] = lambda: sweep.forget(self)
        sweep.watch(self)

    def overdue(self, now: float) -> None:
        assert self.due_at <= now <= time.monotonic()
        self.told_at.append(now)
        self.told.set()
        self.then()

    async def end(self) -> None:
        await asyncio.wait_for(self.told.wait(), LONG_S)


def test_a_wait_ends_after_its_time() -> None:
    async def run() -> None:
        sweep = Sweep(TICK_S)
        waits = [_Wait(sweep, time.monotonic() + 0.01 * n) for n in range(4)]
        for wait in waits:
            await wait.end()
            assert wait.told_at[0] >= wait.due_at
        assert len(sweep) == 0

    asyncio.run(run())


def test_a_wait_that_is_renewed_does_not_end() -> None:
    async def run() -> None:
        sweep = Sweep(TICK_S)
        renewed, other = _Wait(sweep, time.monotonic() + 60), _Wait(sweep, 0)
        renewed.due_at = time.monotonic() + 3600
        await other.end()
        assert renewed.told_at == []
        renewed.due_at = 0
        await renewed.end()

    asyncio.run(run())


def test_what_awaits_nothing_is_never_due() -> None:
    async def run() -> None:
        sweep = Sweep(TICK_S)
        idle, other = _Wait(sweep), _Wait(sweep, 0)
        await other.end()
        assert idle.told_at == []
        assert len(sweep) == 1

    asyncio.run(run())


def test_what_is_forgotten_is_not_told() -> None:
    async def run() -> None:
        sweep = Sweep(TICK_S)
        forgotten, other = _Wait(sweep, 0), _Wait(sweep, 0)
        sweep.forget(forgotten)
        sweep.forget(forgotten)
        await other.end()
        assert forgotten.told_at == []

    asyncio.run(run())


def test_one_that_settles_another_settles_it() -> None:
    async def run() -> None:
        sweep = Sweep(TICK_S)
        one, two = _Wait(sweep, 0), _Wait(sweep, 0)

        def forget_both() -> None:
            sweep.forget(one)
            sweep.forget(two)

        one.then = two.then = forget_both
        last = _Wait(sweep, time.monotonic() + 5 * TICK_S)
        await last.end()
        assert len(one.told_at) + len(two.told_at) == 1

    asyncio.run(run())


def test_what_moves_its_time_is_told_again() -> None:
    async def run() -> None:
        sweep = Sweep(TICK_S)
        wait = _Wait(sweep, 0)
        again = asyncio.Event()

        def move() -> None:
            wait.due_at = wait.told_at[-1] + 0.01 if len(wait.told_at) < 3 else NEVER
            if wait.due_at == NEVER:
                again.set()

        wait.then = move
        await asyncio.wait_for(again.wait(), LONG_S)
        first, second, third = wait.told_at
        assert second - first >= 0.01
        assert third - second >= 0.01

    asyncio.run(run())


def test_one_that_fails_does_not_stop_the_others() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        surprises: list[object] = []
        loop.set_exception_handler(lambda _, context: surprises.append(context["exception"]))
        sweep = Sweep(TICK_S)
        bad = _Wait(sweep, 0)

        def fail() -> None:
            sweep.forget(bad)
            raise RuntimeError("a fault of ours")

        bad.then = fail
        await bad.end()
        good = _Wait(sweep, 0)
        await good.end()
        assert len(surprises) == 1

    asyncio.run(run())


def test_it_ticks_only_while_something_is_watched() -> None:
    async def run() -> None:
        sweep = Sweep(TICK_S)
        wait = _Wait(sweep, 0)
        await wait.end()
        await asyncio.sleep(0)
        assert sweep._timer is None  # the only sign that it rests
        again = _Wait(sweep, 0)
        await again.end()

    asyncio.run(run())
