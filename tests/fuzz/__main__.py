"""python -m tests.fuzz [--seconds N] [--parser NAME]: throws spoilt bytes at every parser.

Findings are written to .dev/fuzz; --replay reads one again, and raises what is wrong with it.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.fuzz.parsers import ALL
from tests.fuzz.running import Finding, Fuzzing, checked, run_for, watched

_ROOT: Final = Path(__file__).resolve().parents[2]
_SLICE_S: Final = 10.0  # of one parser, before the next has its turn


def main(argv: Sequence[str]) -> int:
    args = _parser().parse_args(argv)
    chosen = [ALL[name] for name in args.parser or ALL]
    with watched():
        if args.replay:
            for parser in chosen:
                print(f"{parser.name}: {checked(parser, args.replay.read_bytes())}")
            return 0
        fuzzings = [Fuzzing.of(parser, args.seed) for parser in chosen]
        try:
            _run(fuzzings, args.seconds)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
    findings = [finding for one in fuzzings for finding in one.findings.values()]
    for one in fuzzings:
        told = f"{one.runs:,} inputs, {len(one.kinds)} kinds of outcome"
        print(f"{one.parser.name:<12}{told}, {len(one.findings)} findings")
    total = sum(one.runs for one in fuzzings)
    print(f"{total:,} inputs in {time.process_time():,.0f} s of CPU time, seed {args.seed}")
    return 1 if findings else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all parsers together")
    parser.add_argument("--parser", action="append", choices=list(ALL))
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--replay", type=Path, metavar="FILE")
    return parser


def _run(fuzzings: Sequence[Fuzzing], seconds: float) -> None:
    """Parsers take turns, so that a run that is stopped has looked at each."""
    end = time.monotonic() + seconds
    told: set[tuple[str, ...]] = set()
    for one in fuzzings:
        one.warm_up()
    while (left_s := end - time.monotonic()) > 0:
        for one in fuzzings:
            run_for(one, min(_SLICE_S, left_s / len(fuzzings)))
            for place in one.findings.keys() - told:
                told.add(place)
                _tell(one.findings[place])


def _tell(finding: Finding) -> None:
    folder = _ROOT / ".dev/fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(finding.data).hexdigest()[:12]
    file = folder / f"{finding.parser}-{digest}"
    file.write_bytes(finding.data)
    print(f"{finding.error}\n{file}: --parser {finding.parser} --replay {file}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
