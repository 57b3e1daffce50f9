"""The command line: serve, check, explain, keys, usage, schema, simulate."""

import argparse
import asyncio
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

import gateway
from gateway import app, supervisor
from gateway.commands import keys, usage
from gateway.commands.keys import NotDone
from gateway.config import describe, load
from gateway.config.load import ConfigError
from gateway.config.schema import Config, Simulated
from gateway.errors import GatewayError
from gateway.exchange.caller import Caller
from gateway.exchange.explain import explained
from gateway.policy.access import ANONYMOUS
from gateway.providers import discover
from gateway.runtime.state import Runtime
from gateway.simulated import server as simulated
from gateway.telemetry.logs import Log
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.sink import Sink
from gateway.wire import json
from gateway.wire.http import RequestHead

EX_CONFIG: Final = 78  # sysexits.h: the config is wrong
STDOUT, STDERR = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = args.command
    try:
        return command(args)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except (OSError, NotDone) as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway", description="A gateway for language models.")
    parser.add_argument("--version", action="version", version=gateway.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="answer requests until told to stop")
    serve.add_argument("--config", type=Path, required=True, metavar="FILE")
    serve.add_argument(
        "--set", type=_override, action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="override one value of the file by its dotted key; may be repeated",
    )  # fmt: skip
    serve.add_argument("--greet", action="store_true", help="print a request to try, too")
    serve.add_argument("--worker", type=_seat, default=None, help=argparse.SUPPRESS)
    serve.set_defaults(command=_serve)

    check = commands.add_parser("check", help="say all that is wrong with a config file")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(command=_check)

    explain = commands.add_parser("explain", help="say where a request would go, and why")
    explain.add_argument("file", type=Path, metavar="FILE")
    explain.add_argument("request", type=Path, metavar="REQUEST.json")
    explain.add_argument("--draw", type=float, default=0.5, help="the dice, from 0 up to 1")
    explain.add_argument("--header", action="append", default=[], metavar="NAME: VALUE")
    explain.set_defaults(command=_explain)

    keys.add(commands)
    usage.add(commands)

    schema = commands.add_parser("schema", help="print the config file's JSON Schema")
    schema.set_defaults(command=_schema)

    simulate = commands.add_parser("simulate", help="serve the simulated model by itself")
    simulate.add_argument("--listen", type=_address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    for field, kind in _SIMULATED.items():
        simulate.add_argument("--" + field.replace("_", "-"), type=kind, default=None)
    simulate.set_defaults(command=_simulate)
    return parser


_SIMULATED: Final = {
    "first_content_s": float,
    "tokens_per_second": float,
    "tokens": int,
    "fail_ratio": float,
    "fail_status": int,
    "cut_after_tokens": int,
    "stall_after_tokens": int,
    "retry_after_s": float,
    "seed": int,
}


def _override(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError("it has the form KEY=VALUE")
    return key, value


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError("it has the form HOST:PORT")
    return host.strip("[]"), int(port)


# ---- serve


def _serve(args: argparse.Namespace) -> int:
    parse = partial(
        load.parse,
        path=str(args.config),
        env=os.environ,
        overrides=args.overrides,
        known_providers=discover().keys(),
    )
    _occupy_standard_files()
    log = Log(STDERR)
    try:
        uvloop.run(_run(args, parse, log))
    finally:
        log.close()
    return 0


def _occupy_standard_files() -> None:
    """One that is closed would be handed out again, to a socket, and the log go there."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(fd)


async def _run(args: argparse.Namespace, parse: Callable[[bytes], Config], log: Log) -> None:
    def ready(addresses: app.Ready) -> None:
        if args.worker is None:
            _say(f"ready {addresses.server} admin {addresses.admin}")
            if args.greet:
                _greet(addresses)

    read = partial(
        load.load, args.config, env=os.environ, overrides=args.overrides,
        known_providers=discover().keys(),
    )  # fmt: skip
    if read().server.workers > 1 and args.worker is None:
        given = [f"--set={key}={value}" for key, value in args.overrides]
        again = ["serve", f"--config={args.config}", *given]
        await supervisor.Supervisor(read, again, log).run(ready)
    else:
        await app.App(args.config, parse, log, args.worker).run(ready)


def _seat(text: str) -> app.Seat:
    """What a supervisor says to a worker: the link's file descriptor, port, the store's path."""
    fd, port, store = text.split(",", 2)
    return app.Seat(socket.socket(fileno=int(fd)), int(port), Path(store))


def _say(line: str) -> None:
    """To whoever started us; it is no fault if nobody listens."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends


def _greet(addresses: app.Ready) -> None:
    key = os.environ.get("GATEWAY_DEMO_KEY", "none-needed")
    base = f"{addresses.server}/v1"
    _say(
        f"""
  base URL   {base}
  demo key   {key}
  metrics    {addresses.admin}/metrics

Try it:

  curl -N {base}/chat/completions \\
    -H 'authorization: Bearer {key}' -H 'content-type: application/json' \\
    -d '{{"model": "demo", "stream": true, "messages": [{{"role": "user", "content": "Hello!"}}]}}'

Stop with Ctrl-C."""
    )


# ---- the others


def _check(args: argparse.Namespace) -> int:
    config = load.load(args.file, env=os.environ, known_providers=discover().keys())
    for sentence in config.waiting:
        print(f"note: {sentence}")
    print(f"{args.file}: good (hash {config.hash})")
    return 0


def _explain(args: argparse.Namespace) -> int:
    """As anybody may ask it: whose key it would be is another question."""
    config = load.load(args.file, env=os.environ, known_providers=discover().keys())
    log = Log(STDERR)
    try:
        runtime = Runtime(discover(), Sink(Metrics(), log), app.dial_simulated)
        lines = (header.partition(":") for header in args.header)
        headers = {name.strip().lower().encode(): text.strip().encode() for name, _, text in lines}
        head = RequestHead(b"POST", b"/v1/", b"", headers, None)
        caller = Caller(runtime.swap(config), ANONYMOUS, None, math.inf, b"", head)
        body = args.request.read_bytes()
        draw = min(max(args.draw, 0.0), 1.0 - 2**-53)
        for line in explained(caller, body, draw, time.monotonic()):
            print(line)
    except GatewayError as error:
        print(f"{error.status} {error.code}: {error.message}", file=sys.stderr)
        return 1
    finally:
        log.close()
    return 0


def _schema(args: argparse.Namespace) -> int:
    print(json.write(describe.json_schema()).decode())
    return 0


def _simulate(args: argparse.Namespace) -> int:
    given = {name: value for name in _SIMULATED if (value := getattr(args, name)) is not None}

    async def run() -> None:
        host, port = args.listen
        server = await simulated.serve(host, port, Simulated(**given))
        stopping, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        host, port = server.sockets[0].getsockname()[:2]
        _say(f"ready http://{host}:{port}")
        await stopping.wait()

    uvloop.run(run())
    return 0
