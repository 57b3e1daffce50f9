"""The stores agree: the same history has the same verdicts and levels everywhere."""

import asyncio
import math
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy import limits
from gateway.policy.limits import NOTHING, Claim, Level, Verdict
from gateway.stores.address import parsed
from gateway.stores.base import LEASE_S
from gateway.stores.memory import MemoryStore
from gateway.stores.redis import RedisStore
from tests.stores.valkey import Server, patient, serving

# (seconds that pass, what is done, to which of the last exchanges or with which units)
Step = tuple[float, str, int, list[tuple[int, int]]]

CLAIMS = [  # key, capacity, rate, leased, shadow
    ("requests", 10.0, 10 / 60, False, False),
    ("tokens", 100.0, 100 / 7, True, False),
    ("slots", 3.0, 0.0, True, False),
    ("rehearsed", 20.0, 0.3, True, True),
    ("daily", 50.0, 50 / 86_400, True, False),
]

BACK_S = LEASE_S / 4  # how far the clock goes back: from beyond that only Redis recovers

steps = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0, 20), st.floats(-5, 100)),
        st.sampled_from(["claim", "claim", "settle", "renew"]),
        st.integers(0, 5),
        st.lists(
            st.tuples(st.integers(0, len(CLAIMS) - 1), st.integers(0, 30)),
            min_size=1,
            max_size=4,
            unique_by=lambda pair: pair[0],
        ),
    ),
    min_size=1,
    max_size=25,
)


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def claims_of(units: list[tuple[int, int]]) -> list[Claim]:
    made = []
    for which, cost in units:
        key, capacity, rate, leased, shadow = CLAIMS[which]
        made.append(Claim(key, float(cost), capacity, rate, 0.0, leased, shadow))
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


@given(steps)
def test_one_claim_at_a_time_the_memory_store_does_what_the_arithmetic_says(
    history: list[Step],
) -> None:
    async def live() -> None:
        clock = Clock()
        memory = MemoryStore(clock=clock)
        levels: dict[str, Level] = {}
        for number, (pause_s, _, _, units) in enumerate(history):
            clock.now += max(0.0, pause_s) / 10  # so that no lease runs out
            claims = claims_of(units)
            before = [levels.get(one.key, NOTHING) for one in claims]
            after, verdict = limits.take(before, claims, clock.now)
            levels.update(zip([one.key for one in claims], after, strict=True))
            if number < 20:
                assert alike(await memory.claim(str(number), claims), verdict)

    asyncio.run(live())


@settings(max_examples=40)
@given(history=steps)
def test_redis_does_what_the_memory_store_does(server: Server, history: list[Step]) -> None:
    assert server.asked("FLUSHALL").startswith(b"+OK")

    async def live() -> None:
        clock = Clock()
        memory = MemoryStore(clock=clock)
        redis = RedisStore(parsed(server.url), clock=clock)
        open_: list[tuple[str, list[Claim]]] = []
        latest = clock.now
        try:
            for number, (pause_s, what, which, units) in enumerate(history):
                latest = max(latest, clock.now + pause_s)
                clock.now = max(clock.now + pause_s, latest - BACK_S)
                if what == "claim":
                    claims = claims_of(units)
                    there = await redis.claim(str(number), claims)
                    here = await memory.claim(str(number), claims)
                    assert alike(there, here)
                    if here.granted:
                        open_.append((str(number), claims))
                elif open_ and what == "settle":
                    lease, claims = open_[which % len(open_)]
                    spent = [float(cost) for _, cost in units] + [0.0] * len(claims)
                    await redis.settle(lease, claims, spent[: len(claims)])
                    await memory.settle(lease, claims, spent[: len(claims)])
                elif what == "renew":
                    names = [lease for lease, _ in open_[: which + 1]]
                    await redis.renew(names)
                    await memory.renew(names)
        finally:
            await redis.aclose()

    with patient():
        asyncio.run(live())


def alike(one: Verdict, other: Verdict) -> bool:
    """But for the last bits: time may have been counted in more steps."""
    if one.granted != other.granted or len(one.standings) != len(other.standings):
        return False
    return all(
        math.isclose(here, there, rel_tol=1e-9, abs_tol=1e-6)
        for mine, yours in zip(one.standings, other.standings, strict=True)
        for here, there in zip(
            msgspec.structs.astuple(mine), msgspec.structs.astuple(yours), strict=True
        )
    )
