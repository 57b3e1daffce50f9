"""When a failed attempt may be repeated: after which pause, and how often in all.

Repeats never amplify: whatever fails, a backend sees its requests, a share of them again, and a few
a second. Pure. Source of the jitter: "Exponential Backoff And Jitter", AWS architecture blog, 2015.
"""

from typing import Final

MEMORY_S: Final = 10.0  # unused budget is kept for so long
STEP_S: Final = 0.25


def backoff_s(number: int, base_s: float, cap_s: float, draw: float, floor_s: float = 0.0) -> float:
    """Seconds before retry number `number`, from 1: evenly drawn below a ceiling that doubles.

    floor_s: what the backend asks for; those whom it told the same do not come back as one.
    """
    ceiling_s: float = min(cap_s, base_s * 2.0 ** min(number - 1, 32))
    return floor_s + draw * (min(ceiling_s, base_s) if floor_s else ceiling_s)


def bearable(retry_after_s: float, left_s: float, max_s: float) -> bool:
    """Whether what a backend asks for may be waited out within the exchange's time."""
    return retry_after_s <= max_s and retry_after_s < left_s


class Budget:
    """A backend's: each request earns a share of a retry, each second a few; unused they expire."""

    __slots__ = ("_at", "_earned", "_left", "per_s", "ratio")

    def __init__(self, ratio: float, per_s: float) -> None:
        self.ratio = ratio
        self.per_s = per_s
        self._left = per_s * MEMORY_S  # whole retries that may be taken; at first as after a rest
        self._earned = 0.0  # of them by requests, kept for MEMORY_S
        self._at = 0.0

    def requested(self, now: float) -> None:
        """A request that is no retry goes to the backend."""
        if now - self._at > STEP_S:  # a moment more or less does not matter here
            self._pass(now)
        self._left += self.ratio
        self._earned += self.ratio

    def take(self, now: float) -> bool:
        """Takes one retry, if one is left."""
        self._pass(now)
        # What a share lacks to a whole by rounding is not what a retry fails for.
        if self._left < 1.0 - 1e-9:
            return False
        self._left -= 1.0
        self._earned = max(0.0, self._earned - 1.0)
        return True

    def _pass(self, now: float) -> None:
        """What time brings, and takes again."""
        past_s = now - self._at if self._at else 0.0
        self._at = now
        if past_s > 0.0:
            forgotten = self._earned * min(1.0, past_s / MEMORY_S)
            self._earned -= forgotten
            most = self._earned + self.per_s * MEMORY_S
            self._left = min(self._left - forgotten + self.per_s * past_s, most)
