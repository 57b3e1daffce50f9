"""How fast a target is, as its answers have shown: what `fastest` and hedging go by.

Peaks count at once and fade by time (peak EWMA): a target that has just become slow is believed,
one that was slow is tried again after a while. Pure.
"""

import bisect
import math
from typing import Final

FAILED_S: Final = 1.0  # the least that is expected of what has failed
FADE_S: Final = 10.0  # until two thirds of a peak are forgotten
FORGET_S: Final = 60.0  # the same for what nobody asks any more
MIN_SAMPLES: Final = 20  # before a quantile is worth the name
_BOUNDS: Final = tuple(0.005 * 1.25**step for step in range(44))  # seconds, 5 ms to 73 s
_HALVE_AT: Final = 500  # samples: then the older ones count half


class Pulse:
    """Times are seconds, `now` is monotonic."""

    __slots__ = ("_at", "_counts", "_expected_s", "_samples")

    def __init__(self) -> None:
        self._expected_s = 0.0  # to first content; 0.0: never tried
        self._at = 0.0
        self._counts: list[float] = []  # of first contents, by _BOUNDS
        self._samples = 0

    def first_content(self, now: float, seconds: float) -> None:
        """An answer's first content came after so long."""
        self._note(now, seconds)
        if not self._counts:
            self._counts = [0.0] * (len(_BOUNDS) + 1)
        self._counts[bisect.bisect_left(_BOUNDS, seconds)] += 1
        self._samples += 1
        if self._samples >= _HALVE_AT:
            self._samples //= 2
            self._counts = [count / 2 for count in self._counts]

    def failed(self, now: float, seconds: float) -> None:
        """An attempt failed after so long: as bad as slow, however quick it was about it."""
        self._note(now, max(seconds, 2.0 * self._expected_s, FAILED_S))

    def _note(self, now: float, seconds: float) -> None:
        if not self._expected_s or seconds > self._expected_s:
            self._expected_s = seconds
        else:
            kept = math.exp(-max(0.0, now - self._at) / FADE_S)
            self._expected_s = kept * self._expected_s + (1.0 - kept) * seconds
        self._at = now

    def score(self, now: float, in_flight: int) -> float:
        """What the next request has to expect, in seconds; 0.0 for one that was never tried.

        What was seen long ago counts less: a target that nobody asks any more gets another chance.
        """
        faded = math.exp(min(0.0, self._at - now) / FORGET_S)
        return self._expected_s * faded * (in_flight + 1)

    def quantile(self, share: float) -> float | None:
        """Within how many seconds that share of the first contents came; None: too few to say."""
        if self._samples < MIN_SAMPLES:
            return None
        wanted, seen = share * sum(self._counts), 0.0
        for count, bound in zip(self._counts, _BOUNDS, strict=False):
            seen += count
            if seen >= wanted:
                return bound
        return _BOUNDS[-1]
