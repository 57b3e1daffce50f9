"""The order of things: every scenario in rounds, the targets taking turns, A B then B A.

What disturbs the machine for a while so meets both; a ratio is taken within a round.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence

import msgspec

from bench.load import Job, Outcome
from bench.provider import Counts, Play
from bench.scenarios import Scenario
from bench.targets import ROOT, BenchError, Cores, Provider, Target, pinned


class Turn(msgspec.Struct, frozen=True):
    """One target in one scenario in one round."""

    target: str
    scenario: str
    round: int
    outcome: Outcome
    seen: Counts  # by the provider


class Times(msgspec.Struct, frozen=True):
    warm_up_s: float
    seconds: float
    rounds: int


def turns(
    scenarios: Sequence[Scenario],
    targets: Sequence[Target],
    provider: Provider,
    cores: Cores,
    times: Times,
) -> Iterator[Turn]:
    for scenario in scenarios:
        for number in range(times.rounds):
            for target in targets if number % 2 == 0 else reversed(targets):
                target.go_on()
                try:
                    yield _turn(scenario, number, target, provider, cores, times)
                finally:
                    target.pause()


def _turn(
    scenario: Scenario,
    number: int,
    target: Target,
    provider: Provider,
    cores: Cores,
    times: Times,
) -> Turn:
    host, port = target.plan.address
    job = Job(
        scenario=scenario,
        host=host,
        port=port,
        path=target.plan.path,
        warm_up_s=times.warm_up_s,
        seconds=times.seconds,
        target=target.pids(),
        helpers=[provider.pid],
        cores=cores.all,
    )
    play = Play(stream=scenario.stream, gap_s=scenario.gap_s)
    provider.play(play)
    outcome = _loaded(job, cores)
    return Turn(target.plan.name, scenario.name, number + 1, outcome, provider.play(play))


def _loaded(job: Job, cores: Cores) -> Outcome:
    command = [sys.executable, "-I", str(ROOT / "bench"), "load"]
    with pinned([cores.load]):
        ended = subprocess.run(  # noqa: S603 - ourselves
            command, input=msgspec.json.encode(job), capture_output=True, check=False
        )
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise BenchError(f"the load client failed: {said[-1] if said else ended.returncode}")
    return msgspec.json.decode(ended.stdout, type=Outcome)
