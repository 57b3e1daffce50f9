"""Where exchanges wait that a limit has refused: a room for each limit that is full.

Each room asks the store for one claim at a time, that of whose turn it is: when the store said that
there would be room, or an exchange of this process has ended. Who comes while others wait for a
limit of its does not overtake them. What is granted to somebody who has left is given back.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.policy import quotas
from gateway.policy.limits import Claim, Verdict
from gateway.policy.quotas import Amounts, Refusal, Rule
from gateway.policy.turns import CLASSES, Place, Turns
from gateway.stores.desk import NOBODY_SAYS, Desk
from gateway.telemetry.metrics import Metrics

LOOK_S: Final = 0.25  # between two looks where what another process gives back may make room
LEAST_S: Final = 0.001  # from a refusal to the next claim


class Wanted(msgspec.Struct, frozen=True, eq=False):
    """What an exchange asks of the limits that hold for it."""

    lease: str
    rules: tuple[Rule, ...]
    amounts: Amounts
    place: Place
    deadline_at: float = math.inf  # monotonic

    def claims(self) -> list[Claim]:
        now = time.time()
        return [rule.claim(self.amounts, now) for rule in self.rules]


class Asked(msgspec.Struct, frozen=True, eq=False):
    """What came of it."""

    claims: Sequence[Claim]
    verdict: Verdict
    why: Refusal | None = None  # of a refusal that is not the store's
    lease: str = ""  # what was granted has this name


class _Waiter:
    __slots__ = ("asked", "passed", "room", "turns", "wanted")

    def __init__(self, wanted: Wanted, asked: "asyncio.Future[Asked]", room: "_Room") -> None:
        self.wanted = wanted
        self.asked = asked
        self.room = room
        self.turns = 0  # that it has had
        self.passed: set[str] = set()  # rooms in which it has had its turn

    def units(self, rule: Rule) -> float:
        return self.wanted.amounts.of(rule.unit)


class _Room:
    """Those who wait for one limit, and what the store has said of it."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.turns: Turns[_Waiter] = Turns()
        self.news = asyncio.Event()
        self.serving: asyncio.Task[None] | None = None
        self._told_at = -math.inf  # monotonic
        self._units = 0.0  # that were refused then
        self._wait_s = 0.0  # until they would be granted

    def told(self, units: float, wait_s: float) -> None:
        self._told_at, self._units, self._wait_s = time.monotonic(), units, wait_s

    def changed(self) -> None:
        """Something has come free."""
        self._wait_s = 0.0
        self.news.set()

    def free_in(self, units: float) -> float:
        """Seconds until so many units are free, as far as is known; inf: when somebody ends."""
        wait_s = self._wait_s
        if math.isfinite(wait_s) and self.rule.rate > 0 and wait_s > 0:
            wait_s += (units - self._units) / self.rule.rate
        return self._told_at + wait_s - time.monotonic()

    def pause_s(self, units: float) -> float:
        """Until the store is worth asking."""
        pause_s = self.free_in(units)
        if self.rule.leased:
            pause_s = min(pause_s, self._told_at + LOOK_S - time.monotonic())
        return max(pause_s, self._told_at + LEAST_S - time.monotonic())

    def behind_all_s(self, units: float) -> float:
        """When one more would be granted: behind all who wait already."""
        ahead = sum(one.units(self.rule) for one in self.turns)
        rate = self.rule.rate
        wait_s = max(LEAST_S, self.free_in(units))
        return wait_s + (ahead / rate if rate > 0 else 0.0)


class Rooms:
    """All of one process. desk: the one in force."""

    def __init__(self, desk: Callable[[], Desk], metrics: Metrics) -> None:
        self._desk = desk
        self._metrics = metrics
        self._open: dict[str, _Room] = {}  # by the limit's key; only those with somebody in them

    def busy(self, rules: Sequence[Rule]) -> bool:
        """Whether somebody waits for one of these limits."""
        return bool(self._open) and self._of(rules) is not None

    def freed(self, rules: Sequence[Rule]) -> None:
        """An exchange that held something of these has given it back."""
        if self._open:
            for rule in rules:
                room = self._open.get(rule.key)
                if room is not None:
                    room.changed()

    async def wait(self, wanted: Wanted, refused: Verdict | None = None) -> Asked:
        """Until it is granted, or waiting is no use. refused: what the store has said already;
        None: others wait, and it must not be asked yet.
        """
        room = self._of(wanted.rules) if refused is None else self._full(wanted, refused)
        if room is None:
            return Asked((), refused or NOBODY_SAYS)
        if not self._fits(room, wanted.place):
            return self._no(room, wanted)
        waiter = _Waiter(wanted, asyncio.get_running_loop().create_future(), room)
        self._enter(waiter, room)
        return await self._seated(waiter)

    # ---- those who wait

    async def _seated(self, waiter: _Waiter) -> Asked:
        began, wanted = time.monotonic(), waiter.wanted
        rank = CLASSES[wanted.place.rank]
        number = self._metrics.number("gateway_limit_waiting", rank)
        number.value += 1
        wait_s = min(waiter.room.rule.max_wait_s, wanted.deadline_at - began)
        timer = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._expired, waiter)
        result = "left"
        try:
            asked = await waiter.asked
            result = "granted" if asked.verdict.granted else "refused"
            return asked
        except asyncio.CancelledError:
            if waiter.asked.done() and not waiter.asked.cancelled():  # granted as it left
                self._give_back(wanted, waiter.asked.result())
            raise
        finally:
            timer.cancel()
            number.value -= 1
            self._leave(waiter)
            self._metrics.number("gateway_limit_waits_total", rank, result).value += 1
            self._metrics.histogram("gateway_limit_wait_seconds", rank).observe(
                time.monotonic() - began
            )

    def _expired(self, waiter: _Waiter) -> None:
        self._leave(waiter)
        _answer(waiter, self._no(waiter.room, waiter.wanted))

    def _no(self, room: _Room, wanted: Wanted) -> Asked:
        units = wanted.amounts.of(room.rule.unit)
        return Asked((), NOBODY_SAYS, Refusal(room.rule, room.behind_all_s(units)))

    def _fits(self, room: _Room, place: Place) -> bool:
        """Whether one more may wait there; somebody else may have to go for it."""
        if len(room.turns) < room.rule.max_waiting:
            return True
        other = room.turns.yielding(place)
        if other is None:
            return False
        self._leave(other)
        _answer(other, self._no(room, other.wanted))
        return True

    def _enter(self, waiter: _Waiter, room: _Room) -> None:
        waiter.room = room
        room.turns.add(waiter, waiter.wanted.place, waiter.units(room.rule))
        if room.serving is None:
            room.serving = asyncio.get_running_loop().create_task(self._serve(room))
        elif room.turns.first() is waiter:
            room.news.set()

    def _leave(self, waiter: _Waiter) -> None:
        room = waiter.room
        if waiter in room.turns:
            first = room.turns.first() is waiter
            room.turns.left(waiter)
            if first:
                room.news.set()

    def _give_back(self, wanted: Wanted, asked: Asked) -> None:
        """All of what was granted and is not used, the request itself included."""
        if not asked.verdict.granted:
            return
        desk = self._desk()
        claims = [msgspec.structs.replace(claim, leased=True) for claim in asked.claims]
        kept = 0.0 if desk.degraded else 1.0  # away, the store has not taken anything
        spent = [
            0.0 if claim.leased or claim.shadow else -claim.cost * kept for claim in asked.claims
        ]
        desk.settle(asked.lease, claims, spent)
        self.freed(wanted.rules)

    # ---- rooms

    def _of(self, rules: Sequence[Rule], passed: Sequence[str] | set[str] = ()) -> _Room | None:
        for rule in rules:
            room = self._open.get(rule.key)
            if room is not None and rule.key not in passed and len(room.turns):
                return room
        return None

    def _full(self, wanted: Wanted, verdict: Verdict) -> _Room | None:
        """Where one waits who has been refused so; None if waiting is no use."""
        rule, wait_s = quotas.waited_for(wanted.rules, verdict, time.time())
        if rule is None:
            return None
        if not rule.leased and wait_s > min(rule.max_wait_s, wanted.deadline_at - time.monotonic()):
            return None
        room = self._open.get(rule.key)
        if room is None:
            room = self._open[rule.key] = _Room(rule)
        room.told(wanted.amounts.of(rule.unit), wait_s)
        return room

    async def _serve(self, room: _Room) -> None:
        """For as long as somebody waits in it."""
        try:
            while (waiter := room.turns.first()) is not None:
                pause_s = room.pause_s(waiter.units(room.rule))
                room.news.clear()
                if pause_s > 0:
                    await _news(room, pause_s)
                else:
                    await self._turn(room, waiter)
        except Exception as error:  # noqa: BLE001 - a background loop: told to those who wait
            for waiter in list(room.turns):
                room.turns.left(waiter)
                if not waiter.asked.done():
                    waiter.asked.set_exception(error)
        finally:
            self._open.pop(room.rule.key, None)

    async def _turn(self, room: _Room, waiter: _Waiter) -> None:
        """One claim of whose turn it is."""
        wanted = waiter.wanted
        waiter.passed.add(room.rule.key)
        other = self._of(wanted.rules, waiter.passed)
        if other is not None:
            self._move(waiter, other)
            return
        claims = wanted.claims()
        waiter.turns += 1
        lease = f"{wanted.lease}~{waiter.turns}"  # what it had before may have been given back
        verdict = await self._desk().claim(lease, claims)
        asked = Asked(claims, verdict, lease=lease)
        if waiter.asked.done():  # it has left meanwhile
            self._give_back(wanted, asked)
        elif verdict.granted:
            room.turns.served(waiter)
            waiter.asked.set_result(asked)
        else:
            full = self._full(wanted, verdict)
            if full is None:
                room.turns.left(waiter)
                waiter.asked.set_result(asked)
            elif full is not room:
                self._move(waiter, full)

    def _move(self, waiter: _Waiter, room: _Room) -> None:
        waiter.room.turns.left(waiter)
        self._enter(waiter, room)


def _answer(waiter: _Waiter, asked: Asked) -> None:
    if not waiter.asked.done():
        waiter.asked.set_result(asked)


async def _news(room: _Room, pause_s: float) -> None:
    try:
        async with asyncio.timeout(pause_s):
            await room.news.wait()
    except TimeoutError:
        pass
