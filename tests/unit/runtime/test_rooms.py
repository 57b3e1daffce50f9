"""Waiting for room in a limit: one claim at a time, in turn, and nothing kept of who has left."""

import asyncio
import math
import time
from collections.abc import Sequence

import pytest

from gateway.config.schema import Limits
from gateway.policy.limits import Claim, Verdict
from gateway.policy.quotas import Amounts, Rule, rules
from gateway.policy.turns import CLASSES, Place
from gateway.runtime.rooms import LOOK_S, Asked, Rooms, Wanted
from gateway.stores.desk import OwnDesk
from gateway.stores.memory import MemoryStore
from gateway.telemetry.metrics import Metrics
from tests.vendors.looped import looped


class House:
    """A memory store of one process, the claims counted that were asked of it."""

    degraded = ""

    def __init__(self, **limits: float) -> None:
        said = {"on_limit": "wait", "max_wait_s": 5.0, **limits}
        self.rules: tuple[Rule, ...] = rules("global", "", Limits(**said))  # type: ignore[arg-type]  # of a table
        self.store = MemoryStore(lease_s=math.inf)
        self.metrics = Metrics()
        self.rooms = Rooms(lambda: self, self.metrics)
        self.asked = self.granted = 0
        self.delay_s = 0.0
        self.gives_back = False  # what it refuses, as a desk does whose store may have taken it
        self.settle = self.store.settle_now
        own = OwnDesk(self.store)
        self.greet, self.watch, self.aclose = own.greet, own.watch, own.aclose
        self._ids = 0

    async def claim(self, lease: str, claims: Sequence[Claim]) -> Verdict:
        self.asked += 1
        verdict = await self.store.claim(lease, claims)
        self.granted += verdict.granted
        if self.gives_back and not verdict.granted:
            self.settle(lease, claims, [0.0] * len(claims))
        await asyncio.sleep(self.delay_s)
        return verdict

    def wanted(self, tenant: str = "a", *, rank: int = 1, left_s: float = math.inf) -> Wanted:
        self._ids += 1
        place, deadline_at = Place(tenant, 1.0, rank), time.monotonic() + left_s
        return Wanted(str(self._ids), self.rules, Amounts(), place, deadline_at)

    async def ask(self, wanted: Wanted) -> Asked:
        """As the road does."""
        refused: Verdict | None = None
        if not self.rooms.busy(self.rules):
            claims = wanted.claims()
            refused = await self.claim(wanted.lease, claims)
            if refused.granted:
                return Asked(claims, refused, lease=wanted.lease)
        return await self.rooms.wait(wanted, refused)

    def end(self, wanted: Wanted, asked: Asked) -> None:
        self.settle(asked.lease, asked.claims, [0.0] * len(asked.claims))
        self.rooms.freed(self.rules)

    def in_use(self) -> float:
        return self.store.in_use(self.rules[0].key)

    def number(self, name: str, *labels: str) -> float:
        return self.metrics.number(name, *labels).value


async def waiting(house: House, number: int) -> None:
    while sum(house.number("gateway_limit_waiting", one) for one in CLASSES) != number:  # noqa: ASYNC110 - tells nobody
        await asyncio.sleep(0)


@looped
async def test_what_was_given_back_in_between_is_asked_for_under_another_name() -> None:
    house = House(concurrent=1)
    house.gives_back = True
    first = house.wanted()
    asked = await house.ask(first)
    other = house.wanted()
    waits = asyncio.create_task(house.ask(other))
    await waiting(house, 1)
    await asyncio.sleep(LOOK_S * 1.5)
    house.end(first, asked)
    found = await waits
    assert found.verdict.granted
    house.end(other, found)
    assert house.in_use() == 0


@looped
async def test_what_is_refused_is_granted_when_there_is_room() -> None:
    house = House(requests_per_second=20)
    began = time.monotonic()
    found = await asyncio.gather(*[house.ask(house.wanted()) for _ in range(24)])
    assert all(one.verdict.granted for one in found)
    assert 0.19 <= time.monotonic() - began < 1.0
    assert house.asked <= 24 + 1 + 4 * 3  # each once, and few too early
    assert house.number("gateway_limit_waits_total", "normal", "granted") == 4
    assert house.number("gateway_limit_waiting", "normal") == 0
    assert not house.rooms.busy(house.rules)


@looped
async def test_the_end_of_an_exchange_lets_the_next_one_in_at_once() -> None:
    house = House(concurrent=1)
    first, second = house.wanted(), house.wanted()
    held = await house.ask(first)
    asking = asyncio.ensure_future(house.ask(second))
    await waiting(house, 1)
    began = time.monotonic()
    house.end(first, held)
    house.end(second, await asking)
    assert time.monotonic() - began < 0.1
    assert house.in_use() == 0


@looped
async def test_nobody_is_overtaken_and_a_higher_class_goes_first() -> None:
    house = House(concurrent=1)
    first = house.wanted()
    held = await house.ask(first)
    order: list[int] = []

    async def through(rank: int) -> None:
        wanted = house.wanted(f"t{rank}", rank=rank)
        asked = await house.ask(wanted)
        order.append(rank)
        await asyncio.sleep(0)
        house.end(wanted, asked)

    asking = [asyncio.ensure_future(through(rank)) for rank in (2, 1, 1, 0)]
    await waiting(house, 4)
    house.end(first, held)
    await asyncio.gather(*asking)
    assert order == [0, 1, 1, 2]


@looped
async def test_who_has_waited_long_enough_is_refused_and_told_when_it_would_be_granted() -> None:
    house = House(requests_per_second=1, max_wait_s=2)
    await house.ask(house.wanted())
    ahead = asyncio.ensure_future(house.ask(house.wanted()))
    await waiting(house, 1)
    asked = await house.ask(house.wanted(left_s=0.05))
    assert not asked.verdict.granted
    assert asked.why is not None
    assert asked.why.rule is house.rules[0]
    assert 1.7 < asked.why.wait_s < 2.0  # behind the one ahead
    assert (await ahead).verdict.granted
    assert house.number("gateway_limit_waits_total", "normal", "refused") == 1


@looped
async def test_waiting_that_is_no_use_is_not_begun() -> None:
    house = House(requests_per_minute=1, max_wait_s=2)
    await house.ask(house.wanted())
    asked = await house.ask(house.wanted())
    assert not asked.verdict.granted
    assert 58 < asked.verdict.wait_s <= 60
    assert house.asked == 2


@looped
async def test_who_leaves_while_waiting_is_never_asked_for() -> None:
    house = House(concurrent=1)
    first = house.wanted()
    held = await house.ask(first)
    asking = asyncio.ensure_future(house.ask(house.wanted()))
    await waiting(house, 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    house.end(first, held)
    assert house.in_use() == 0
    assert house.asked == 2
    assert house.number("gateway_limit_waits_total", "normal", "left") == 1


@looped
@pytest.mark.parametrize(("limit", "amount"), [("concurrent", 1), ("requests_per_second", 5)])
async def test_what_is_granted_to_one_who_has_left_is_given_back(limit: str, amount: int) -> None:
    house = House(**{limit: amount})
    first = house.wanted()
    held = await house.ask(first)
    for _ in range(amount - 1):
        await house.ask(house.wanted())
    asking = asyncio.ensure_future(house.ask(house.wanted()))
    await waiting(house, 1)
    house.delay_s, before = 0.02, house.granted  # then its answer is on the way
    house.end(first, held)
    while house.granted == before:  # noqa: ASYNC110 - tells nobody
        await asyncio.sleep(0.001)
    units = house.in_use()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0.03)
    assert house.in_use() <= max(0.0, units - 1)


@looped
async def test_of_a_full_room_the_one_with_most_waiting_goes() -> None:
    house = House(concurrent=1, max_waiting=2)
    first = house.wanted()
    held = await house.ask(first)
    mine = [asyncio.ensure_future(house.ask(house.wanted("a"))) for _ in range(2)]
    await waiting(house, 2)
    third = await house.ask(house.wanted("a"))
    assert third.why is not None
    other = asyncio.ensure_future(house.ask(house.wanted("b")))
    assert (await mine[1]).why is not None
    assert not mine[0].done()
    for one in (mine[0], other):
        one.cancel()
    house.end(first, held)


@looped
async def test_a_thousand_that_wait_ask_the_store_one_at_a_time() -> None:
    house = House(concurrent=1, max_wait_s=0.3)
    first = house.wanted()
    await house.ask(first)
    ahead, began = asyncio.ensure_future(house.ask(house.wanted())), time.monotonic()
    await waiting(house, 1)
    asking = [house.ask(house.wanted(str(number))) for number in range(999)]
    found = await asyncio.gather(ahead, *asking)
    assert not any(one.verdict.granted for one in found)
    assert house.asked <= 3 + (time.monotonic() - began) / LOOK_S


@looped
async def test_who_is_kept_out_by_its_own_limit_does_not_keep_out_others() -> None:
    house = House(concurrent=1)
    own = rules("tenant", "a", Limits(concurrent=1, on_limit="wait", max_wait_s=1))
    everybody = house.rules
    slow = Wanted("slow", own, Amounts(), Place("a"))
    held_own = (
        await house.ask_with(slow)
        if hasattr(house, "ask_with")
        else await house.store.claim("slow", slow.claims())
    )
    del held_own
    first = house.wanted("b")
    held = await house.ask(first)
    both = Wanted("both", (*own, *everybody), Amounts(), Place("a"))
    third = house.wanted("b")
    asking = asyncio.ensure_future(house.rooms.wait(both, await house.claim("both", both.claims())))
    await waiting(house, 1)
    next_one = asyncio.ensure_future(house.ask(third))
    await asyncio.sleep(0)
    house.end(first, held)
    assert (await next_one).verdict.granted
    house.settle("slow", slow.claims(), [0.0])
    house.rooms.freed(own)
    house.end(third, next_one.result())
    assert (await asking).verdict.granted
