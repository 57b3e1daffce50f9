"""gateway usage: what the ledger's entries come to."""

import argparse
import calendar
import math
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from gateway.commands.keys import NotDone
from gateway.config import load
from gateway.providers import discover
from gateway.telemetry import ledger, sums
from gateway.telemetry.sums import By
from gateway.wire import json

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_BY: Final[tuple[By, ...]] = get_args(By)


def add(commands: "Commands") -> None:
    usage = commands.add_parser("usage", help="sum up who used what, and what it cost")
    where = usage.add_mutually_exclusive_group(required=True)
    where.add_argument("--config", type=Path, metavar="FILE", help="whose ledger it is")
    where.add_argument("--ledger", type=Path, metavar="LEDGER")
    usage.add_argument(
        "--by", type=_by, default=("tenant", "key", "model", "day"), metavar="A,B",
        help=f"any of {', '.join(_BY)}; default: tenant,key,model,day",
    )  # fmt: skip
    usage.add_argument("--since", type=_day, default=0.0, metavar="YYYY-MM-DD", help="UTC")
    usage.add_argument(
        "--until", type=_day, default=math.inf, metavar="YYYY-MM-DD", help="UTC; that day no more"
    )
    usage.add_argument("--json", action="store_true", help="a JSON object a line")
    usage.set_defaults(command=_usage)


def _usage(args: argparse.Namespace) -> int:
    path = args.ledger
    if path is None:
        config = load.load(args.config, env=os.environ, known_providers=discover().keys())
        if not config.ledger.path:
            raise NotDone(f"{args.config} has no ledger.path")
        path = Path(config.ledger.path)
    try:
        found = sums.summed(ledger.read(path), args.by, args.since, args.until)
    except sqlite3.Error as error:
        raise NotDone(f"{path}: {error}") from None
    rows = sums.rows(found, args.by)
    if args.json:
        for row in rows:
            print(json.write(row).decode())
    else:
        _table([*args.by, *sums.Sum.__struct_fields__], rows)
    return 0


def _table(names: Sequence[str], rows: Sequence[dict[str, object]]) -> None:
    cells = [list(names), *([str(row[name]) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


def _by(text: str) -> tuple[By, ...]:
    names = text.split(",")
    found = tuple(name for name in _BY if name in names)
    if len(found) < len(names):
        raise argparse.ArgumentTypeError(f"it is any of {', '.join(_BY)}")
    return tuple(sorted(found, key=names.index))


def _day(text: str) -> float:
    try:
        return calendar.timegm(time.strptime(text, sums.DAY))
    except ValueError:
        raise argparse.ArgumentTypeError("it has the form 2026-11-30") from None
