"""A circuit per target: closed, open, half-open. Pure: time and chance come in, verdicts go out.

It opens when too large a share of its requests fails, or when it cannot be reached several times in
a row. Then nobody asks until its time is up; one probe decides, and behind a good probe the share
of requests grows for a while, so that what has just come back is not run over.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PARTS: Final = 5  # the window slides in so many steps
UNREACHED_MAX_S: Final = 8.0  # the longest that it is open when it cannot even be reached
JITTER: Final = 0.2  # of the time that it stays open, up or down
FIRST_SHARE: Final = 0.1  # of the requests, right behind the probe


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Rule:
    enabled: bool
    failure_ratio: float  # of the requests within the window
    min_requests: int  # within the window, before the share counts
    window_s: float
    open_s: float  # doubled with each probe that fails
    open_max_s: float
    connect_failures: int = 5  # in a row
    slow_start_s: float = 10.0


class Circuit:
    """All times are monotonic seconds. The rule may be replaced; what is known stays."""

    __slots__ = (
        "_bad",
        "_closed_at",
        "_good",
        "_openings",
        "_part",
        "_probing",
        "_state",
        "_unreached",
        "_until",
        "rule",
    )

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._state = State.CLOSED
        self._good = [0] * PARTS
        self._bad = [0] * PARTS
        self._part = 0  # the number of the newest part of the window, counted from time 0
        self._unreached = 0  # connect failures in a row
        self._openings = 0  # in a row, without health between them
        self._until = 0.0  # when an open one may be probed
        self._closed_at = 0.0  # behind a good probe
        self._probing = False

    # ---- may it be asked

    def state(self, now: float) -> State:
        if self._state is State.CLOSED or not self.rule.enabled:
            return State.CLOSED
        if self._state is State.OPEN and now >= self._until:
            self._state = State.HALF_OPEN
        return self._state

    def wait_s(self, now: float) -> float:
        """Seconds until it may be probed; 0.0 if it may be asked, or probed, now."""
        return max(0.0, self._until - now) if self.state(now) is State.OPEN else 0.0

    def admits(self, now: float, draw: float) -> bool:
        """Whether a request may go there now; asking changes nothing."""
        match self.state(now):
            case State.OPEN:
                return False
            case State.HALF_OPEN:
                return not self._probing
            case State.CLOSED:
                return not self._closed_at or draw < self._share(now)

    def calm(self, now: float) -> bool:
        """Whether it is closed, and for so long that all may go there."""
        return self.state(now) is State.CLOSED and (not self._closed_at or self._share(now) == 1.0)

    def _share(self, now: float) -> float:
        age_s, slow_s = now - self._closed_at, self.rule.slow_start_s
        if age_s >= slow_s:
            self._closed_at = 0.0
            return 1.0
        return FIRST_SHARE + (1.0 - FIRST_SHARE) * age_s / slow_s

    # ---- what becomes of it

    def enter(self, now: float) -> bool:
        """A request goes there; True if it is the probe, whose end must be told."""
        if self.state(now) is not State.HALF_OPEN or self._probing:
            return False
        self._probing = True
        return True

    def probe_now(self) -> None:
        """Nothing else is left to be asked: the next request is the probe, though it is early."""
        if self._state is State.OPEN:
            self._state = State.HALF_OPEN

    def released(self) -> None:
        """The probe has ended without a verdict: the next request is one."""
        self._probing = False

    def succeeded(self, now: float) -> None:
        self._unreached = 0
        if self._state is State.CLOSED:
            self._count(self._good, now)
            return
        if self.state(now) is State.OPEN:
            return  # begun before it opened
        self._state = State.CLOSED
        self._probing = False
        self._closed_at = now
        self._good, self._bad = [0] * PARTS, [0] * PARTS

    def failed(self, now: float, *, connect: bool, draw: float) -> None:
        """connect: it could not even be reached. draw: how long it stays open is not the same
        everywhere.
        """
        rule = self.rule
        if not rule.enabled:
            return
        self._unreached = self._unreached + 1 if connect else 0
        match self.state(now):
            case State.CLOSED:
                self._count(self._bad, now)
                good, bad = sum(self._good), sum(self._bad)
                enough = good + bad >= rule.min_requests
                if self._unreached >= rule.connect_failures or (
                    enough and bad >= rule.failure_ratio * (good + bad)
                ):
                    self._open(now, draw, connect=connect)
            case State.HALF_OPEN if self._probing and now < self._until:
                self._state, self._probing = State.OPEN, False  # probed early: nothing new
            case State.HALF_OPEN if self._probing:
                self._open(now, draw, connect=connect)
            case State.HALF_OPEN:
                self._until = now + rule.open_s  # a straggler's, but news: not yet
                self._state = State.OPEN
            case State.OPEN:
                # A request that was begun before it opened: the trouble is still there.
                self._until = max(self._until, now + rule.open_s * (1.0 - JITTER))

    def _open(self, now: float, draw: float, *, connect: bool) -> None:
        rule = self.rule
        if now - self._until > rule.open_max_s:
            self._openings = 0  # it has been well for long
        self._openings += 1
        longest_s = min(rule.open_max_s, UNREACHED_MAX_S) if connect else rule.open_max_s
        open_s = min(longest_s, rule.open_s * 2.0 ** min(self._openings - 1, 16))
        self._until = now + open_s * (1.0 + JITTER * (2.0 * draw - 1.0))
        self._state = State.OPEN
        self._probing = False
        self._closed_at = 0.0
        self._good, self._bad = [0] * PARTS, [0] * PARTS

    def _count(self, counts: list[int], now: float) -> None:
        part = int(now * PARTS / self.rule.window_s)
        if part != self._part:
            for old in range(self._part + 1, min(part, self._part + PARTS) + 1):
                self._good[old % PARTS] = self._bad[old % PARTS] = 0
            self._part = part
        counts[part % PARTS] += 1
