"""The same under fire with a Redis Cluster of six: three masters, a replica each; one is killed."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final

from gateway.stores.redis import slot
from tests.campaigns.limits import Row, Stage, head, played, prefer, staged
from tests.stores.valkey import Server, free_port

SHARES: Final = ((0, 5460), (5461, 10922), (10923, 16383))  # slots of each master
LIMITS: Final = slot(b"gw1{limits}:")
FORMS_S: Final = 30.0
CLUSTERED: Final = (
    "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
    "--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0",
)  # fmt: skip


def main() -> int:
    head()
    wrong = [name for name in ("its master killed", "another master killed") if not proven(name)]
    print(f"not as it should be: {', '.join(wrong)}" if wrong else "all as it should be")
    return 1 if wrong else 0


def proven(name: str) -> bool:
    hit = name.startswith("its")
    with six() as nodes:
        owner = next(at for at, (_, last) in enumerate(SHARES) if last >= LIMITS)
        victim = owner if hit else (owner + 1) % len(SHARES)
        row = Row(name, partial(kill, nodes, victim, owner), opens=hit)
        others = [node for node in nodes if node is not nodes[victim]]
        store = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in others[:2])
        with staged(row, store, nodes[owner]) as on:
            return asyncio.run(played(row, on))


def kill(nodes: Sequence[Server], victim: int, owner: int, on: Stage) -> None:
    nodes[victim].kill()
    on.gone_at = time.monotonic()
    until = time.monotonic() + FORMS_S
    while not (now := _owner(nodes)):
        assert time.monotonic() < until, "nobody takes over"
        time.sleep(0.05)
    on.holder = now


def _owner(nodes: Sequence[Server]) -> Server | None:
    """Which node answers for the limits."""
    asked = (node for node in nodes if node.alive)
    return next(
        (node for node in asked if node.asked("ZCARD", "gw1{limits}:leases")[:1] == b":"), None
    )


@contextmanager
def six() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        nodes: list[Server] = []
        buses = [free_port() for _ in range(2 * len(SHARES))]
        for bus in buses:
            nodes.append(Server(None, *CLUSTERED, "--cluster-port", str(bus)))
            stack.callback(nodes[-1].close)
            prefer(nodes[-1].pid)
        for node, (first, last) in zip(nodes, SHARES, strict=False):
            assert node.asked("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))[:1] == b"+"
        for node, bus in list(zip(nodes, buses, strict=True))[1:]:
            nodes[0].asked("CLUSTER", "MEET", "127.0.0.1", str(node.port), str(bus))
        names = [node.asked("CLUSTER", "MYID").split(b"\r\n")[1].decode() for node in nodes]
        for replica, name in zip(nodes[len(SHARES) :], names, strict=False):
            _until(lambda replica=replica, name=name: _follows(replica, name))  # type: ignore[misc]
        _until(lambda: all(_formed(node) for node in nodes))
        yield nodes


def _follows(replica: Server, name: str) -> bool:
    return replica.asked("CLUSTER", "REPLICATE", name)[:1] == b"+"


def _formed(node: Server) -> bool:
    if b"cluster_state:ok" not in node.asked("CLUSTER", "INFO"):
        return False
    told = node.asked("INFO", "replication")
    return b"role:master" in told or b"master_link_status:up" in told


def _until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + FORMS_S
    while not true():
        assert time.monotonic() < until, "the cluster does not form"
        time.sleep(0.1)
