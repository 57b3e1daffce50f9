"""What is in use after an exchange, for every kind of limit, however it ended, on every store.

36 rows for each store: six kinds of limits, six ways to end.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import pytest

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.errors import Code, GatewayError
from gateway.exchange.metering import Meter, Size
from gateway.policy.limits import Claim
from gateway.stores.address import parsed
from gateway.stores.base import Ledger
from gateway.stores.desk import Away, Desk, OwnDesk, SharedDesk
from gateway.stores.memory import MemoryStore
from gateway.stores.owner import Owner
from gateway.stores.redis import RedisStore
from gateway.stores.shared import SharedStore
from gateway.telemetry.record import Attempt, Outcome, Record
from tests.stores.test_away import Seen
from tests.stores.valkey import patient
from tests.stores.valkey import serving as redis_serving
from tests.unit.exchange.serving import CONFIG, serving
from tests.vendors.looped import looped

CAPACITY: Final = 1_000_000.0  # a month: hardly anything comes free while a test runs
KINDS: Final = ("requests", "tokens", "input_tokens", "output_tokens", "usd", "concurrent")
LIMITED: Final = CONFIG + (
    "\ntenants: {{anonymous: {{limits: {{"
    + ", ".join(f"{kind}_per_month: 1000000" for kind in KINDS[:-1])
    + ", concurrent: 1000000}}}}}}\n"
    'keys: []\nprices: {{"bad/*": {{input_usd_per_mtok: 10000, output_usd_per_mtok: 100000}}}}\n'
)
ASKED_BYTES: Final = 400  # 100 tokens by our own count
SIZE: Final = Size(ASKED_BYTES, 1000)


def whole(record: Record) -> None:
    record.outcome, record.usage = Outcome.COMPLETE, Usage(120, 50)
    record.attempts = [attempt(200, None)]


def unreachable(record: Record) -> None:
    record.outcome = Outcome.ERROR
    record.attempts = [Attempt("bad", "openai", "x", failure=Code.CONNECT_FAILED)]


def failed(record: Record) -> None:
    record.outcome = Outcome.ERROR
    record.attempts = [attempt(500, Code.UPSTREAM_ERROR)]


def cut(record: Record) -> None:
    record.outcome = Outcome.ERROR
    record.attempts = [attempt(200, Code.STREAM_INTERRUPTED)]
    record.attempts[0].tokens = 5


def left(record: Record) -> None:
    record.outcome = Outcome.CANCELLED
    record.attempts = [attempt(200, None)]
    record.attempts[0].tokens = 7
    record.stream = True


def refused(record: Record) -> None:
    """By one of the limits."""


def attempt(status: int, failure: Code | None) -> Attempt:
    return Attempt("bad", "openai", "x", asked_bytes=ASKED_BYTES, status=status, failure=failure)


# An ending -> what it leaves in use, in the order of KINDS.
ENDINGS: Final[tuple[tuple[Callable[[Record], None], tuple[float, ...]], ...]] = (
    (whole, (1, 170, 120, 50, 6.2, 0)),
    (unreachable, (1, 0, 0, 0, 0, 0)),
    (failed, (1, 0, 0, 0, 0, 0)),
    (cut, (1, 105, 100, 5, 1.5, 0)),
    (left, (1, 107, 100, 7, 1.7, 0)),
    (refused, (0, 0, 0, 0, 0, 0)),
)


@asynccontextmanager
async def desk(kind: str) -> AsyncIterator[Desk]:
    match kind:
        case "memory":
            yield OwnDesk(MemoryStore())
        case "workers":
            owner = Owner()
            owner.start()
            try:
                async with greeted(SharedStore(owner.path)) as made:
                    yield made
            finally:
                owner.stop()
        case _:
            with redis_serving() as server, patient():
                async with greeted(RedisStore(parsed(server.url))) as made:
                    yield made


@asynccontextmanager
async def greeted(store: Ledger) -> AsyncIterator[Desk]:
    made = SharedDesk(store, Away, Seen())
    assert await made.greet() == ""
    try:
        yield made
    finally:
        await made.aclose()


async def in_use(made: Desk, number: int) -> tuple[float, ...]:
    """Of each kind: what a claim of nothing sees."""
    keys = [f"tenant/anonymous/{kind}_per_month" for kind in KINDS[:-1]]
    keys.append("tenant/anonymous/concurrent")
    nothing = [Claim(key, 0, CAPACITY, 0, 0, leased=False) for key in keys]
    verdict = await made.claim(f"look-{number}-{time.monotonic_ns()}", nothing)
    return tuple(CAPACITY - standing.remaining for standing in verdict.standings)


@pytest.mark.parametrize("kind", ["memory", "workers", "redis"])
@looped
async def test_every_ending_leaves_what_it_took_of_every_kind(kind: str) -> None:
    async with serving((), config=LIMITED) as on, desk(kind) as made:
        on.house.runtime.desk = made
        total = (0.0,) * len(KINDS)
        for number, (ending, expected) in enumerate(ENDINGS):
            record = Record(Operation.CHAT)
            record.model = "m"
            meter = Meter(on.house.runtime, on.caller(), record)
            size = SIZE if ending is not refused else Size(ASKED_BYTES, 2_000_000)
            with suppress(GatewayError):
                await meter.claim(on.route(), size)
                assert ending is not refused
                reserved = await in_use(made, number)
                assert reserved[1] >= total[1] + 1000  # the answer's length is taken
                assert reserved[5] == 1
            ending(record)
            for one in record.attempts:
                one.price = on.route().targets[0].price
            meter.settle()
            total = tuple(before + more for before, more in zip(total, expected, strict=True))
            await becomes(made, total, ending.__name__)


async def becomes(made: Desk, expected: tuple[float, ...], what: str) -> None:
    for number in range(100):
        found = await in_use(made, number)
        if found == pytest.approx(expected, abs=0.5):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"after {what} {found} are in use, not {expected}")
