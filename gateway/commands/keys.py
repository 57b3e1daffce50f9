"""gateway keys: create, list, revoke, rotate. A new key is printed once, and kept nowhere.

They change the keys file; a running gateway sees it within a second.
"""

import argparse
import os
import re
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.config import load
from gateway.config.schema import Caps
from gateway.policy import minting
from gateway.policy.minting import Entries, Refused, Wanted
from gateway.policy.turns import CLASSES
from gateway.providers import discover
from gateway.runtime import keysfile
from gateway.runtime.keysfile import KeysFileError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

SECRET_VARIABLE: Final = "GATEWAY_KEYS_SECRET"  # noqa: S105 - the name of a variable
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


class NotDone(Exception):
    """Why a command could not do what was asked; for whoever typed it."""


def add(commands: "Commands") -> None:
    keys = commands.add_parser("keys", help="make, list, rotate and revoke keys")
    verbs = keys.add_subparsers(required=True, metavar="VERB")

    create = _verb(verbs, "create", _create, "make a key, and print it: once")
    create.add_argument("--name", required=True, help="how logs and metrics call it")
    create.add_argument("--tenant", required=True, help="who is charged and limited")
    create.add_argument("--models", type=_words, default=["*"], metavar="A,B*", help="default: all")
    create.add_argument("--operations", type=_words, metavar="A,B", help="default: all")
    create.add_argument("--expires", type=_span, metavar="90d", help="s, m, h or d; default: never")
    create.add_argument(
        "--limit", type=_limit, action="append", default=[], metavar="requests_per_minute=60",
        help="any of the limits that a config's key may have; can be said several times",
    )  # fmt: skip
    create.add_argument(
        "--budget", type=_budget, metavar="50/month", help="dollars a day, week, month, year, total"
    )
    create.add_argument(
        "--priority", choices=CLASSES, help="of its requests that wait; default: its tenant's"
    )
    for name in Caps.__struct_fields__:
        create.add_argument(f"--max-{_dashed(name)}", type=int, metavar="N", dest=f"cap_{name}")

    _verb(verbs, "list", _list, "say which keys there are; never the keys themselves")

    rotate = _verb(verbs, "rotate", _rotate, "replace a key; print the new one: once")
    rotate.add_argument("name")
    rotate.add_argument(
        "--overlap", type=_span, default=86_400.0, metavar="24h",
        help="how long the old one is still good; default: 24h",
    )  # fmt: skip

    revoke = _verb(verbs, "revoke", _revoke, "end a key now")
    revoke.add_argument("which", help="its name, or its beginning as `list` shows it")


def _verb(
    verbs: "Commands", name: str, command: Callable[[argparse.Namespace], int], help: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=help)
    where = verb.add_mutually_exclusive_group(required=True)
    where.add_argument("--config", type=Path, metavar="FILE", help="whose keys_file it is")
    where.add_argument(
        "--file", type=Path, metavar="KEYS", help=f"the keys file; its secret: ${SECRET_VARIABLE}"
    )
    verb.set_defaults(command=command)
    return verb


# ---- the verbs


def _create(args: argparse.Namespace) -> int:
    caps = {name: getattr(args, f"cap_{name}") for name in Caps.__struct_fields__}
    try:
        wanted = msgspec.convert(
            {
                "name": args.name,
                "tenant": args.tenant,
                "models": args.models,
                "operations": args.operations,
                "expires_in_s": args.expires,
                "limits": dict(args.limit),
                "budget": args.budget,
                "priority": args.priority,
                "caps": {name: most for name, most in caps.items() if most is not None},
            },
            Wanted,
        )
    except msgspec.ValidationError as error:
        raise NotDone(str(error)) from None
    clear = new_key()
    path, secret = _place(args)
    _change(path, lambda entries: minting.create(entries, wanted, clear, secret, time.time()))
    return _show(clear)


def _rotate(args: argparse.Namespace) -> int:
    clear = new_key()
    path, secret = _place(args)
    _change(
        path,
        lambda entries: minting.rotate(
            entries, args.name, clear, secret, args.overlap, time.time()
        ),
    )
    return _show(clear)


def _revoke(args: argparse.Namespace) -> int:
    path, _ = _place(args)
    _change(path, lambda entries: minting.revoke(entries, args.which, time.time()))
    return 0


def _list(args: argparse.Namespace) -> int:
    path, _ = _place(args)
    now = time.time()
    try:
        entries = keysfile.read(path)
    except KeysFileError as error:
        raise NotDone(str(error)) from None
    for one in entries:
        words = [one.prefix + "…", one.name, one.tenant, ",".join(one.models), _state(one, now)]
        print("\t".join(words))
    return 0


def _state(one: minting.Minted, now: float) -> str:
    if one.revoked_at is not None:
        return f"revoked {_day(one.revoked_at)}"
    if one.expires_at is None:
        return "good"
    return f"{'expired' if one.expires_at <= now else 'good until'} {_day(one.expires_at)}"


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def new_key() -> str:
    return minting.clear_key(secrets.token_bytes(minting.RANDOM_BYTES))


def _show(clear: str) -> int:
    print(clear)
    print("This is the only time that the key is shown.", file=sys.stderr)
    return 0


def _change(path: Path, changed: Callable[[Entries], Entries]) -> None:
    try:
        keysfile.change(path, changed)
    except (Refused, KeysFileError) as error:
        raise NotDone(str(error)) from None


def _place(args: argparse.Namespace) -> tuple[Path, str]:
    """The keys file, and its secret."""
    if args.file is not None:
        return args.file, os.environ.get(SECRET_VARIABLE, "")
    config = load.load(args.config, env=os.environ, known_providers=discover().keys())
    if not config.keys_file.path:
        raise NotDone(f"{args.config} has no keys_file.path")
    return Path(config.keys_file.path), config.keys_file.secret.reveal()


# ---- words of the command line


def _words(text: str) -> list[str]:
    return text.split(",")


def _limit(text: str) -> tuple[str, int | float | str]:
    name, _, amount = text.partition("=")
    if name == "mode":
        return name, amount
    try:
        return name, int(amount) if amount.isdecimal() else float(amount)
    except ValueError:
        raise argparse.ArgumentTypeError("it has the form requests_per_minute=60") from None


def _budget(text: str) -> dict[str, object]:
    usd, _, per = text.partition("/")
    try:
        return {"usd": float(usd), "per": per}
    except ValueError:
        raise argparse.ArgumentTypeError("it has the form 50/month") from None


def _dashed(name: str) -> str:
    return name.removeprefix("max_").replace("_", "-")


def _span(text: str) -> float:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("it has the form 90d: a number and s, m, h or d")
    return float(found[1]) * _UNITS[found[2]]
