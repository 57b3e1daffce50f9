"""A simulated mixed fleet, event by event: what `fastest` and `sticky` are worth against turns.

Seeded, no clock: four backends of different speed, the best of which degrades half-way; sessions
whose prompts a backend answers faster when it has seen them lately. Every strategy meets the same
requests, at the same times, with the same luck.
"""

import heapq
import random
from collections import OrderedDict
from statistics import fmean, quantiles

from gateway.policy import routing
from gateway.policy.pulse import Pulse
from gateway.policy.routing import Candidate

REQUESTS = 6_000
PER_S = 40.0
FIRST_S = (0.2, 0.25, 0.4, 0.8)  # with nobody else there
PLACES = 16  # answered side by side before they slow each other down
KEPT = 40  # prompts that a backend remembers


class Backend:
    def __init__(self, number: int) -> None:
        self.number = number
        self.pulse = Pulse()
        self.in_flight = 0
        self.prompts: OrderedDict[int, None] = OrderedDict()
        self.hits = 0

    def takes_s(self, now: float, session: int) -> float:
        base_s = FIRST_S[self.number]
        if self.number == 0 and now > REQUESTS / PER_S / 2:
            base_s *= 8  # it degrades
        if session in self.prompts:
            self.hits += 1
            base_s *= 0.5
        self.prompts[session] = None
        self.prompts.move_to_end(session)
        if len(self.prompts) > KEPT:
            self.prompts.popitem(last=False)
        return base_s * max(1.0, self.in_flight / PLACES)


def run(strategy: str, seed: int = 7) -> tuple[float, float, float]:
    """Mean and 95th percentile of the seconds to first content, and the share of prompt hits."""
    dice, draws = random.Random(seed), random.Random(seed + 1)
    fleet = [Backend(number) for number in range(len(FIRST_S))]
    ending: list[tuple[float, int, int, float]] = []
    times: list[float] = []
    now = 0.0
    for number in range(REQUESTS):
        now += dice.expovariate(PER_S)
        while ending and ending[0][0] <= now:
            at, _, which, took_s = heapq.heappop(ending)
            fleet[which].in_flight -= 1
            fleet[which].pulse.first_content(at, took_s)
        session, luck = dice.randrange(120), dice.uniform(0.8, 1.3)
        if strategy == "turns":
            chosen = fleet[number % len(fleet)]
        else:
            candidates = [
                Candidate(
                    one,
                    1,
                    1,
                    b"backend/%d" % one.number,
                    in_flight=one.in_flight,
                    score=one.pulse.score(now, one.in_flight),
                )
                for one in fleet
            ]
            key = b"%d" % session
            chosen = routing.order(strategy, candidates, draws.random(), key)[0].target
        chosen.in_flight += 1
        took_s = chosen.takes_s(now, session) * luck
        heapq.heappush(ending, (now + took_s, number, chosen.number, took_s))
        times.append(took_s)
    hits = sum(one.hits for one in fleet) / REQUESTS
    return fmean(times), quantiles(times, n=20)[-1], hits


def test_the_fastest_beats_turns_on_a_mixed_fleet() -> None:
    turns, fastest = run("turns"), run("fastest")
    figures = f"mean {turns[0]:.3f} -> {fastest[0]:.3f} s, p95 {turns[1]:.3f} -> {fastest[1]:.3f} s"
    assert fastest[0] < 0.7 * turns[0], figures
    assert fastest[1] < 0.7 * turns[1], figures


def test_sessions_that_stay_find_their_prompts_warm() -> None:
    turns, sticky = run("turns"), run("sticky")
    figures = (
        f"prompt hits {turns[2]:.0%} -> {sticky[2]:.0%}, mean {turns[0]:.3f} -> {sticky[0]:.3f} s"
    )
    assert sticky[2] > 2 * turns[2], figures
    assert sticky[0] < 0.7 * turns[0], figures
