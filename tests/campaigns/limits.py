"""Limits under fire: 100 clients, two gateways, one store, and what happens to it meanwhile.

Each row is a table's line: what passed, what may have at most, what callers waited, what is left.
"""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from tests.harness import Gateway, config_for
from tests.journeys.test_workers import workers
from tests.journeys.traffic import Cut, chat, connected
from tests.stores.relay import Relay
from tests.stores.valkey import Server, serving
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Send, Vendor, Wait, response

CLIENTS: Final = 100
PER_MINUTE: Final = 100
RATE: Final = PER_MINUTE / 60
KNOWN_S: Final = 11.0  # until each process knows of all: they say so every 10 s
HARM_S: Final = 6.0
AFTER_S: Final = 8.0
ANSWER: Final = Send(response(200, chat_body(used={"prompt_tokens": 7, "completion_tokens": 3})))


@dataclass
class Stage:
    server: Server
    relay: Relay | None
    vendor: Vendor
    gateways: list[Gateway]
    heirs: ExitStack  # closes servers that a row has started
    asked: list[tuple[float, int, float]] = field(default_factory=list)  # ended, status, seconds
    faults: int = 0  # answers that were cut
    killed_at: float = 0.0
    gone_at: float = 0.0  # monotonic, of a server that another takes over from
    holder: Server | None = None  # of the levels, once it is another

    @property
    def levels(self) -> Server:
        return self.holder or self.server

    def passed(self) -> list[float]:
        """When each request came to the backend."""
        return sorted(request.at for request in self.vendor.journal)


@dataclass(frozen=True)
class Row:
    name: str
    harm: Callable[[Stage], None] | None = None
    heal: Callable[[Stage], None] | None = None
    limits: str = "local"  # on_store_error
    workers: int = 1
    pause_s: float = 0.5  # of a client, between two requests
    lasts_s: float = 0.0  # without a harm
    opens: bool = False  # what holds meanwhile may pass besides
    refuses: bool = True
    answer_s: float = 0.2  # what the backend takes
    more_s: float = 0.0  # for leases to come back


def failed_over(stage: Stage) -> None:
    """The replica takes over; the address leads to it."""
    first = ("--replicaof", "127.0.0.1", str(stage.server.port))
    replica = Server(None, *first, "--repl-diskless-sync-delay", "0")
    stage.heirs.callback(replica.close)
    prefer(replica.pid)
    until = time.monotonic() + 10
    while b"master_link_status:up" not in replica.asked("INFO", "replication"):
        assert time.monotonic() < until, "the replica does not follow"
        time.sleep(0.05)
    stage.server.kill()
    stage.gone_at = time.monotonic()
    time.sleep(1)  # until somebody notices
    replica.asked("REPLICAOF", "NO", "ONE")
    relay(stage).lead(replica.port)
    stage.holder = replica


def relay(stage: Stage) -> Relay:
    assert stage.relay is not None
    return stage.relay


def cut(stage: Stage) -> None:
    relay(stage).cut()


def hang(stage: Stage) -> None:
    stage.server.stop()


def go_on(stage: Stage) -> None:
    stage.server.go_on()


def slow(stage: Stage) -> None:
    relay(stage).slow(0.3)


def heal(stage: Stage) -> None:
    relay(stage).heal()


def flush(stage: Stage) -> None:
    stage.server.asked("SCRIPT", "FLUSH")


def kill_a_worker(stage: Stage) -> None:
    """With what it has under way: that nobody will ever settle."""
    stage.killed_at = time.monotonic()
    os.kill(workers(stage.gateways[0])[0], signal.SIGKILL)


LED: Final = (cut, slow, failed_over)  # what is done to the way, not to the server
ROWS: Final = (
    Row("unharmed", lasts_s=65),
    Row("at 130 %", lasts_s=300, pause_s=CLIENTS / (1.3 * RATE)),
    Row("at 95 %", lasts_s=130, pause_s=CLIENTS / (0.95 * RATE), refuses=False),
    Row("cut", cut, heal, opens=True),
    Row("cut, deny", cut, heal, limits="deny"),
    Row("hung", hang, go_on, opens=True),
    Row("hung, deny", hang, go_on, limits="deny"),
    Row("slow by 300 ms", slow, heal, opens=True),
    Row("slow by 300 ms, deny", slow, heal, limits="deny"),
    Row("scripts flushed", flush),
    Row("failed over", failed_over, opens=True),
    Row("failed over, deny", failed_over, limits="deny"),
    Row("a worker killed", kill_a_worker, workers=2, answer_s=10, more_s=60),
)


def main(names: Sequence[str]) -> int:
    rows = [row for row in ROWS if not names or row.name in names]
    if len(rows) < len(names):
        print("rows:", ", ".join(row.name for row in ROWS), file=sys.stderr)
        return 2
    head()
    wrong = []
    for row in rows:
        with (
            serving() as server,
            Relay(server.port) as way,
            staged(row, way.url, server, way) as on,
        ):
            if not asyncio.run(played(row, on)):
                wrong.append(row.name)
    print(f"not as it should be: {', '.join(wrong)}" if wrong else "all as it should be")
    return 1 if wrong else 0


COLUMNS: Final = (
    "", "asked", "passed", "in the last minute", "at most", "over", "refused", "503", "p50 ms",
    "p99 ms", "slowest ms", "back after s", "left", "store away",
)  # fmt: skip


def head() -> None:
    print("|", " | ".join(COLUMNS), "|")
    print("|---" * len(COLUMNS), "|", sep="")


@contextmanager
def staged(row: Row, store: str, server: Server, way: Relay | None = None) -> Iterator[Stage]:
    with ExitStack() as stack:
        vendor = stack.enter_context(Vendor([Wait(row.answer_s), ANSWER]))
        limits = f"requests_per_minute: {PER_MINUTE}, tokens_per_day: 10000000, concurrent: 1000"
        more = f"""
tenants: {{testers: {{limits: {{{limits}}}}}}}
store: {store}
on_store_error: {{limits: {row.limits}}}
server: {{workers: {row.workers}}}
"""
        text = config_for(vendor.url, more=more)
        gateways = [stack.enter_context(Gateway(text)) for _ in range(2)]
        own = [pid for one in gateways for pid in (one.pid, *workers(one))]
        for pid in (server.pid, *own):
            prefer(pid)
        yield Stage(server, way, vendor, gateways, stack.enter_context(ExitStack()))


def prefer(pid: int) -> None:
    """To whatever else this machine does: a store that waits for a core is a slow one."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, -15)


async def played(row: Row, on: Stage) -> bool:
    """One line of the table; whether it is as it should be."""
    stop = asyncio.Event()
    clients = [asyncio.create_task(client(on, number, row, stop)) for number in range(CLIENTS)]
    began = time.monotonic()
    back_s, told = 0.0, True
    if row.harm is None:
        await asyncio.sleep(row.lasts_s)
    else:
        await asyncio.sleep(KNOWN_S)
        await asyncio.to_thread(row.harm, on)
        healed = on.gone_at or time.monotonic()
        if row.heal is not None:
            await asyncio.sleep(HARM_S)
            told = await asyncio.to_thread(is_told, on)
            healed = time.monotonic()
            await asyncio.to_thread(row.heal, on)
        back_s = await back(on, healed)
        await asyncio.sleep(AFTER_S)
    stop.set()
    lasted_s = time.monotonic() - began
    await asyncio.gather(*clients)
    if on.killed_at and left_over(on, 0)[0] == 0:
        print("nothing was under way where it was killed: this row proves nothing")
    left = await asyncio.to_thread(left_over, on, row.more_s)
    return tell(row, on, lasted_s, back_s, left) and told


async def client(on: Stage, number: int, row: Row, stop: asyncio.Event) -> None:
    """On one connection, until it breaks; then on another."""
    gateway = on.gateways[number % len(on.gateways)]
    request = chat(max_tokens=16)
    await pause(stop, row.pause_s * number / CLIENTS)
    while not stop.is_set():
        async with connected(gateway) as one:
            while not stop.is_set():
                began = time.monotonic()
                try:
                    answer = await one.ask(request)
                except (Cut, TimeoutError, OSError):
                    on.faults += 1
                    break
                now = time.monotonic()
                on.asked.append((now, answer.status, now - began))
                await pause(stop, row.pause_s)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def is_told(on: Stage) -> bool:
    """/readyz, the metric and the log say that the store is not well, in each gateway."""
    told = [
        b"degraded" in gateway.get("/readyz", admin=True)[1]
        and gateway.metric("gateway_store_degraded") >= 1
        and bool(gateway.lines("store_degraded"))
        for gateway in on.gateways
    ]
    return all(told)


async def back(on: Stage, healed: float) -> float:
    """How long after the healing /readyz of each says that all is well again."""
    while time.monotonic() - healed < 30:
        answers = [await asyncio.to_thread(one.get, "/readyz", admin=True) for one in on.gateways]
        if all(b"degraded" not in body for _, body in answers):
            break
        await asyncio.sleep(0.05)
    return time.monotonic() - healed


def left_over(on: Stage, more_s: float) -> tuple[int, int]:
    """Leases and places that are still taken; a killed worker's have their time."""
    until = time.monotonic() + 5 + more_s
    while True:
        if more_s:  # what has run out comes back when somebody asks, be it for too much
            on.gateways[0].raw(chat(max_tokens=10**9, headers=["connection: close"]))
        leases = int(on.levels.asked("ZCARD", "gw1{limits}:leases")[1:])
        said = on.levels.asked("GET", "gw1{limits}:level:tenant/testers/concurrent")
        places = 0 if said == b"$-1\r\n" else round(float(said.split(b"\r\n")[1].split()[0]))
        if not (leases or places) or time.monotonic() > until:
            return leases, places
        time.sleep(0.2)


def over(passed: Sequence[float], extra: float) -> float:
    """By how much any stretch of time has seen more than the amount, what came free, and extra."""
    worst, least = 0.0, float("inf")
    for number, at in enumerate(
        passed
    ):  # the worst stretch begins where number - RATE * at is least
        least = min(least, number - RATE * at)
        worst = max(worst, number + 1 - RATE * at - least - PER_MINUTE - extra)
    return worst


def tell(row: Row, on: Stage, lasted_s: float, back_s: float, left: tuple[int, int]) -> bool:
    passed = on.passed()
    statuses = Counter(status for _, status, _ in on.asked)
    times = sorted(seconds for _, status, seconds in on.asked if status != 200)
    times = times or sorted(seconds - row.answer_s for _, _, seconds in on.asked)
    outage_s = HARM_S + back_s + 2 if row.opens else 0.0
    extra = PER_MINUTE + RATE * outage_s if row.opens else 0.0
    most = PER_MINUTE + RATE * lasted_s + extra
    worst = over(passed, extra)
    ended = max(at for at, _, _ in on.asked)
    last_minute = sum(at > ended - 60 for at in passed) if lasted_s > 120 else "-"
    hiccups = [line["kind"] for one in on.gateways for line in one.lines("store_degraded")]
    after = f" {time.monotonic() - on.killed_at:.0f} s after" if on.killed_at else ""
    cells = (
        row.name, f"{len(on.asked):,}", len(passed), last_minute, f"{most:.0f}", f"{worst:.1f}",
        f"{statuses[429]:,}", f"{statuses[503]:,}", f"{times[len(times) // 2] * 1e3:.1f}",
        f"{times[len(times) * 99 // 100] * 1e3:.0f}", f"{times[-1] * 1e3:.0f}", f"{back_s:.1f}",
        f"{left[0]} leases, {left[1]} places{after}", " ".join(hiccups),
    )  # fmt: skip
    print("|", " | ".join(map(str, cells)), "|", flush=True)
    if statuses[429] and not row.refuses:
        return False
    return worst <= 1 and left == (0, 0) and set(statuses) <= {200, 429, 503}
