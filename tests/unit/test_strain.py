"""When a process has enough to do: a loop that is late more than once, memory that is used up."""

import asyncio
import time

from gateway.strain import LOOK_S, Strain, memory, most_memory
from tests.vendors.looped import looped


def strained(*lags: float, memory_bytes: int = 0) -> str:
    strain = Strain()
    strain.max_lag_s, strain.max_memory_bytes = 0.2, 1000
    for lag_s in lags:
        strain.seen(lag_s, memory_bytes)
    return strain.reason


def test_a_punctual_loop_takes_more() -> None:
    assert strained(0.0, 0.1, 0.2) == ""


def test_one_late_waking_is_no_reason_two_are() -> None:
    assert strained(0.0, 0.3) == ""
    assert strained(0.3, 0.3) == "lag"
    assert strained(0.3, 0.1, 0.3) == ""


def test_it_takes_more_as_soon_as_it_is_punctual_again() -> None:
    assert strained(0.3, 0.3, 0.1) == ""


def test_memory_that_is_used_up_is_a_reason_of_its_own() -> None:
    assert strained(0.0, memory_bytes=1000) == ""
    assert strained(0.0, memory_bytes=1001) == "memory"
    assert strained(0.3, 0.3, memory_bytes=1001) == "memory"


def test_what_this_process_holds_is_known_and_less_than_there_is() -> None:
    assert 1 << 20 < memory() < most_memory()


@looped
async def test_a_loop_that_is_held_up_is_seen() -> None:
    strain = Strain()
    strain.max_lag_s = 0.05
    watching = asyncio.create_task(strain.watch())
    try:
        await asyncio.sleep(LOOK_S / 2)
        for _ in range(3):
            time.sleep(LOOK_S + 0.15)  # noqa: ASYNC251 - this is what holds it up
            await asyncio.sleep(0)
        assert strain.lag_s > 0.05
    finally:
        watching.cancel()
