"""./dev bench: what the gateway costs, beside nginx. docs/performance.md tells how to read it."""

import argparse
import contextlib
import os
import re
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench import machine, report, targets
from bench.rounds import Times, Turn, turns
from bench.scenarios import ALL, BY_NAME, QUICK, Scenario
from bench.targets import BenchError, Cores, Plan, Provider, Target

FULL_TIMES: Final = Times(warm_up_s=0.5, seconds=3.0, rounds=3)
QUICK_TIMES: Final = Times(warm_up_s=0.3, seconds=1.2, rounds=2)


def main(argv: Sequence[str]) -> int:
    args = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped, too
    try:
        results = _results(args)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if args.json:
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    print(report.text(results))
    return 0


def _parser() -> argparse.ArgumentParser:
    scenarios = "\n".join(f"  {scenario.name:<10}{scenario.says}" for scenario in ALL)
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Measures what the gateway costs, side by side with a plain proxy.",
        epilog=f"scenarios:\n{scenarios}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--vs", action="append", metavar="WHAT",
        help="nginx (what it is if nginx is there), direct, none, limited or limited=redis://HOST "
        "(ours, with limits in memory or in that store), or 'NAME=URL START COMMAND…', "
        "where {provider} in the command is the provider's base URL; may be repeated",
    )  # fmt: skip
    parser.add_argument("--scenarios", type=_scenarios, metavar="NAME,NAME…")
    parser.add_argument("--quick", action="store_true", help="fewer, shorter: under a minute")
    parser.add_argument("--rounds", type=_count, metavar="N")
    parser.add_argument("--seconds", type=_seconds, help="measured, in each turn")
    parser.add_argument("--warm-up", type=_seconds, metavar="SECONDS")
    parser.add_argument("--workers", type=_count, default=1, metavar="N")
    parser.add_argument(
        "--provider-port", type=int, default=0, metavar="PORT",
        help="for a target that is configured beforehand; any free one if not given",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything, for another program")
    return parser


def _scenarios(text: str) -> list[Scenario]:
    unknown = [name for name in text.split(",") if name not in BY_NAME]
    if unknown:
        raise argparse.ArgumentTypeError(f"no scenario {', '.join(unknown)}")
    return [BY_NAME[name] for name in text.split(",")]


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("it is at least 1")
    return value


def _seconds(text: str) -> float:
    if not 0 < (value := float(text)) < 3600:
        raise argparse.ArgumentTypeError("it is more than 0, and less than an hour")
    return value


def _times(args: argparse.Namespace) -> Times:
    usual = QUICK_TIMES if args.quick else FULL_TIMES
    return Times(
        warm_up_s=usual.warm_up_s if args.warm_up is None else args.warm_up,
        seconds=args.seconds or usual.seconds,
        rounds=args.rounds or usual.rounds,
    )


def _results(args: argparse.Namespace) -> report.Results:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cores = Cores.for_workers(args.workers)
    times = _times(args)
    chosen = args.scenarios or (ALL if not args.quick else [BY_NAME[name] for name in QUICK])
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        provider = stack.enter_context(Provider(cores.load, args.provider_port))
        plans = _plans(args, folder, provider.url)
        up = []
        for plan in plans:
            target = Target(plan, folder, cores)
            stack.callback(target.stop)
            up.append(target)
        os.sched_setaffinity(0, [cores.load])  # away from what is measured
        done = []
        for turn in turns(chosen, up, provider, cores, times):
            _tell(turn, times.rounds)
            done.append(turn)
        return report.Results(
            when=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            machine=machine.described(cores, plans),
            target_cores=len(cores.target),
            times=times,
            targets=[
                report.Started(
                    name=target.plan.name,
                    command=target.plan.command,
                    sets_key=target.plan.sets_key,
                    rewrites=target.plan.rewrites,
                    start_s=target.start_s,
                    rest_rss_bytes=target.rest_rss_bytes,
                )
                for target in up
            ],
            turns=done,
        )


def _plans(args: argparse.Namespace, folder: Path, provider_url: str) -> list[Plan]:
    found = [targets.gateway(folder, provider_url, args.workers)]
    for said in args.vs or [_usual_peer()]:
        match said:
            case "none":
                continue
            case "nginx":
                found.append(targets.nginx(folder, provider_url, args.workers))
            case "direct":
                found.append(targets.direct(provider_url))
            case _ if limits := re.fullmatch(r"limited(?:=(rediss?(?:\+cluster)?://\S+))?", said):
                store = limits[1] or "memory"
                found.append(targets.limited(folder, provider_url, args.workers, store))
            case _:
                found.append(targets.other(said, provider_url))
    names = [plan.name for plan in found]
    if len(set(names)) < len(names):
        raise BenchError(f"each target needs a name of its own: {', '.join(names)}")
    return found


def _usual_peer() -> str:
    if targets.nginx_command():
        return "nginx"
    print("bench: no nginx here; compared with no proxy at all (direct)", file=sys.stderr)
    return "direct"


def _tell(turn: Turn, rounds: int) -> None:
    outcome = turn.outcome
    came = f"{outcome.chunks:,} chunks" if outcome.chunks else f"{outcome.requests:,} requests"
    errors = f", {outcome.errors} errors: {outcome.first_error[:160]}" if outcome.errors else ""
    print(
        f"{turn.scenario} {turn.round}/{rounds} {turn.target}: {came} in {outcome.seconds:.1f} s,"
        f" {outcome.target_cpu_s:.2f} s of CPU{errors}",
        file=sys.stderr,
        flush=True,
    )
