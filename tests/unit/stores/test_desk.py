"""Claims always have an answer, settlings always arrive: also while the store is away."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.policy.limits import Claim, Verdict
from gateway.stores.base import StoreError
from gateway.stores.desk import Away, OwnDesk, SharedDesk
from gateway.stores.memory import MemoryStore
from tests.vendors.looped import looped


class Flaky:
    """A store that can be away, and then answers nobody; or do what is asked and not say so."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.away = self.mute = False
        self.members = 1

    def _check(self) -> None:
        if self.away:
            raise StoreError("timeout")

    async def claim(self, lease: str, claims: Sequence[Claim]) -> Verdict:
        self._check()
        verdict = await self.memory.claim(lease, claims)
        if self.mute:
            raise StoreError("timeout")
        return verdict

    async def settle(self, lease: str, claims: Sequence[Claim], spent: Sequence[float]) -> None:
        self._check()
        await self.memory.settle(lease, claims, spent)
        if self.mute:
            raise StoreError("timeout")

    async def renew(self, leases: Sequence[str]) -> int:
        self._check()
        await self.memory.renew(leases)
        return self.members

    async def aclose(self) -> None:
        self.away = True


class Seen:
    def __init__(self) -> None:
        self.changes: list[tuple[bool, str]] = []
        self.results: list[tuple[str, str]] = []

    def called(self, operation: str, result: str, seconds: float) -> None:
        self.results.append((operation, result))

    def changed(self, degraded: bool, kind: str) -> None:
        self.changes.append((degraded, kind))


TOKENS = Claim("tokens", 10, 100, 1, 0)
SLOT = Claim("slots", 1, 4, 0, 0)
REQUEST = Claim("requests", 1, 8, 0, 0, leased=False)
MONEY = Claim("budget", 1, 10, 0, 0, money=True)


@asynccontextmanager
async def desk(away: Away = Away()) -> AsyncGenerator[tuple[SharedDesk, Flaky, Seen]]:  # noqa: B008
    store, seen = Flaky(), Seen()
    made = SharedDesk(store, lambda: away, seen)
    watching = asyncio.create_task(made.watch())
    try:
        yield made, store, seen
    finally:
        watching.cancel()


async def soon(what: str, true: object) -> None:
    for _ in range(500):
        if callable(true) and true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(what)


@looped
async def test_what_is_settled_reaches_the_store() -> None:
    async with desk() as (made, store, _):
        assert (await made.claim("a", [TOKENS, SLOT])).granted
        assert store.memory.in_use("slots") == 1
        made.settle("a", [TOKENS, SLOT], [4, 0])
        await soon("settled", lambda: store.memory.in_use("slots") == 0)
        assert 3 < store.memory.in_use("tokens") <= 4


@looped
async def test_while_it_is_away_a_local_share_holds_and_later_it_learns_what_was_spent() -> None:
    async with desk() as (made, store, seen):
        store.members = 2
        await made.claim("before", [SLOT])
        await soon("two processes", lambda: made._processes == 2)
        store.away = True
        granted = [(await made.claim(f"{number}", [REQUEST])).granted for number in range(8)]
        assert granted.count(True) == 4  # half of what all may
        assert (await made.claim("t", [TOKENS])).granted
        made.settle("t", [TOKENS], [7])
        made.settle("before", [SLOT], [0])
        assert made.degraded == "timeout"
        store.away = False
        await soon("back", lambda: not made.degraded)
        await soon("settled", lambda: store.memory.in_use("slots") == 0)
        assert 6 < store.memory.in_use("tokens") <= 7
        assert seen.changes == [(True, "timeout"), (False, "")]


@looped
async def test_soon_after_its_return_it_is_known_again_how_many_share_it() -> None:
    """A store that was started anew knows the first one only."""
    async with desk() as (made, store, _):
        store.away = True
        await made.claim("a", [SLOT])
        store.away = False
        await soon("back", lambda: not made.degraded)
        store.members = 3
        await soon("known", lambda: made._processes == 3)


@looped
async def test_a_claim_that_was_done_and_not_said_is_given_back() -> None:
    async with desk() as (made, store, _):
        store.mute = True
        verdict = await made.claim("a", [SLOT])
        assert verdict.granted  # by the local store
        assert store.memory.in_use("slots") == 1
        made.settle("a", [SLOT], [0])
        store.mute = False
        await soon("given back", lambda: store.memory.in_use("slots") == 0)


@looped
async def test_what_a_late_claim_may_hold_is_free_before_the_next_look_at_the_store() -> None:
    async with desk() as (made, store, _):
        store.mute = True
        await made.claim("a", [SLOT])
        store.mute = False
        made.settle("a", [SLOT], [0])
        await asyncio.gather(*made._paying)
        assert store.memory.in_use("slots") == 0


@looped
async def test_a_settling_whose_answer_was_lost_is_done_once() -> None:
    async with desk() as (made, store, _):
        await made.claim("a", [TOKENS])
        store.mute = True
        made.settle("a", [TOKENS], [30])
        await soon("tried", lambda: made.degraded)
        store.mute = False
        await soon("back", lambda: not made.degraded and not made._owed)
        assert 28 < store.memory.in_use("tokens") <= 30


@looped
async def test_a_claim_that_nobody_waited_for_is_given_back() -> None:
    async with desk() as (made, store, _):

        async def slow(lease: str, claims: Sequence[Claim]) -> Verdict:
            await store.memory.claim(lease, claims)
            await asyncio.sleep(10)
            return Verdict(True)

        store.claim = slow  # type: ignore[method-assign]
        claiming = asyncio.create_task(made.claim("a", [SLOT]))
        await soon("claimed", lambda: store.memory.in_use("slots") == 1)
        claiming.cancel()
        await soon("given back", lambda: store.memory.in_use("slots") == 0)


@looped
async def test_a_claim_that_may_have_been_done_and_is_refused_here_is_given_back() -> None:
    async with desk(Away("deny", "deny")) as (made, store, _):
        store.mute = True
        assert not (await made.claim("a", [SLOT])).granted
        assert store.memory.in_use("slots") == 1
        store.mute = False
        await soon("given back", lambda: store.memory.in_use("slots") == 0)


@looped
async def test_what_holds_no_lease_is_not_remembered() -> None:
    """Its exchange settles nothing, and there would be no end of it."""
    async with desk() as (made, store, _):
        assert (await made.claim("a", [REQUEST])).granted
        assert not made._open
        store.away = True
        assert (await made.claim("b", [REQUEST])).granted
        assert not made._instead


@looped
@pytest.mark.parametrize(
    ("away", "claim", "granted"),
    [
        (Away("deny", "deny"), REQUEST, False),
        (Away("allow", "deny"), REQUEST, True),
        (Away("local", "deny"), REQUEST, True),
        (Away("allow", "deny"), MONEY, False),
        (Away("deny", "allow"), MONEY, True),
        (Away("deny", "local"), MONEY, True),
    ],
)
async def test_what_holds_while_it_is_away_is_the_configs_to_say(
    away: Away, claim: Claim, granted: bool
) -> None:
    async with desk(away) as (made, store, _):
        store.away = True
        verdict = await made.claim("a", [claim])
        assert verdict.granted is granted
        assert bool(verdict.standings) is granted


@looped
async def test_the_store_of_one_process_settles_at_once() -> None:
    memory = MemoryStore()
    made = OwnDesk(memory)
    await made.claim("a", [SLOT])
    made.settle("a", [SLOT], [0])
    assert memory.in_use("slots") == 0
    assert await made.greet() == ""
