"""The load client: keeps connections busy, or a pace, and notes what came back and when.

A process of its own: a Job comes on stdin, an Outcome goes to stdout. It knows the targets only as
an address and some process ids, whose CPU time it reads where the measured window opens and closes.
"""

import asyncio
import gc
import os
import re
import signal
import sys
import time
from array import array
from collections import deque
from typing import Final, Literal, cast

import httptools
import msgspec
import uvloop

from bench import proc
from bench.provider import ANSWER
from bench.scenarios import CHUNKS, CLIENT_KEY, GAP_S, Scenario

DRAIN_S: Final = 5.0  # for what is under way when the window has closed
DRAIN_STEP_S: Final = 0.01
STREAM_S: Final = CHUNKS * GAP_S
LIFE_S: Final = 60.0  # beyond warm-up and window; then it has hung

STAMPS: Final = re.compile(rb"t(\d{19}) ")
DONE: Final = b"data: [DONE]\n\n"
SPOKEN: Final = ANSWER.encode()


class Job(msgspec.Struct, frozen=True):
    scenario: Scenario
    host: str
    port: int
    path: str
    warm_up_s: float
    seconds: float
    target: list[int]  # process ids
    helpers: list[int]  # the benchmark's own, besides this one
    cores: list[int]  # on which it takes place


class Quantiles(msgspec.Struct, frozen=True):
    p50: float
    p99: float


class Outcome(msgspec.Struct, frozen=True):
    """What stands before `seconds` is of the whole run, the rest of its window."""

    sent: int
    answered: int  # whole and as they should be
    errors: int
    first_error: str
    connections: int  # that were opened
    seconds: float
    requests: int
    chunks: int
    latency_us: Quantiles | None  # from sent, or due in an open loop, to the last byte
    first_us: Quantiles | None  # the same to the first content of a stream
    transit_us: Quantiles | None  # of a chunk, from the provider's write to our read
    target_cpu_s: float
    bystander_cpu_s: float  # used on our cores by nobody of ours
    stolen_s: float  # the same, by the hypervisor
    load_core: float  # how busy this core was, 0 to 1
    rss_bytes: int


class Edge(msgspec.Struct, frozen=True):
    """Of the measured window: what the clocks said."""

    at: float
    target: proc.Cpu
    ours: proc.Cpu
    cores: proc.Cores

    @classmethod
    def now(cls, job: Job) -> "Edge":
        target, ours = proc.Cpu.of(job.target), proc.Cpu.of([os.getpid(), *job.helpers])
        return cls(time.monotonic(), target, ours, proc.Cores.now())


class Run:
    """One run: the connections' work, and the notes on it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.stream = job.scenario.stream
        self.request = _request(job)
        self.going = True  # new requests are sent
        self.sent = self.answered = self.errors = self.connections = 0
        self.first_error = ""
        self.begin(measuring=False)
        self._idle: list[Connection] = []
        self._overdue: deque[int] = deque()  # ns; due while no connection was free
        self._connecting: set[asyncio.Task[None]] = set()
        self._next_due = 0

    def begin(self, *, measuring: bool) -> None:
        """Takes a new sheet for the notes."""
        self.measuring = measuring
        self.latencies, self.firsts, self.transits = array("q"), array("q"), array("q")
        self.chunks = 0

    async def measured(self) -> Outcome:
        job = self.job
        await self._connect_all()
        spread_s = STREAM_S if job.scenario.gap_s else 0.0
        await asyncio.sleep(job.warm_up_s + spread_s)
        before = Edge.now(job)
        self.begin(measuring=True)
        await asyncio.sleep(job.seconds)
        self.measuring = False
        after = Edge.now(job)
        rss = proc.rss_bytes(job.target)
        await self._drain()
        return self._outcome(before, after, rss)

    # ---- connections

    async def _connect_all(self) -> None:
        scenario = self.job.scenario
        for at in range(scenario.connections):
            connection = await self._connected()
            if scenario.rate:
                self._idle.append(connection)
            else:  # paced streams begin evenly spread over a stream's length
                wait_s = STREAM_S * at / scenario.connections if scenario.gap_s else 0.0
                asyncio.get_running_loop().call_later(wait_s, self.free, connection)
        if scenario.rate:
            self._keep_pace(scenario.rate)

    async def _connected(self) -> "Connection":
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self), self.job.host, self.job.port
        )
        self.connections += 1
        return connection

    def free(self, connection: "Connection") -> None:
        """A connection has nothing to do."""
        if not self.going:
            return
        if self._overdue:
            connection.ask(self._overdue.popleft())
        elif self.job.scenario.rate:
            self._idle.append(connection)
        else:
            connection.ask(time.monotonic_ns())

    def lost(self, connection: "Connection") -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        if self.going:
            task = asyncio.get_running_loop().create_task(self._again())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _again(self) -> None:
        try:
            self.free(await self._connected())
        except OSError as error:
            self.failed(f"no connection: {error}")

    # ---- the open loop

    def _keep_pace(self, rate: float) -> None:
        """A signal timer, since the loop's own would be late by up to a millisecond."""
        gap_ns = round(1e9 / rate)
        self._next_due = time.monotonic_ns() + gap_ns

        def tick() -> None:
            while self.going and self._next_due <= time.monotonic_ns():
                due, self._next_due = self._next_due, self._next_due + gap_ns
                if self._idle:
                    self._idle.pop().ask(due)
                else:
                    self._overdue.append(due)

        asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, tick)
        signal.setitimer(signal.ITIMER_REAL, 1 / rate, 1 / rate)

    # ---- notes

    def failed(self, why: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or why

    async def _drain(self) -> None:
        self.going = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        for _ in range(round(DRAIN_S / DRAIN_STEP_S)):
            if self.sent == self.answered + self.errors:
                return
            await asyncio.sleep(DRAIN_STEP_S)
        for _ in range(self.sent - self.answered - self.errors):
            self.failed(f"no answer within {DRAIN_S:g} s")

    def _outcome(self, before: Edge, after: Edge, rss: int) -> Outcome:
        cores = self.job.cores
        busy, stolen = (
            {core: now.get(core, 0.0) - then.get(core, 0.0) for core in cores}
            for now, then in (
                (after.cores.busy_s, before.cores.busy_s),
                (after.cores.stolen_s, before.cores.stolen_s),
            )
        )
        seconds = after.at - before.at
        target_s = after.target.since(before.target)
        ours_s = after.ours.since(before.ours)
        return Outcome(
            sent=self.sent,
            answered=self.answered,
            errors=self.errors,
            first_error=self.first_error,
            connections=self.connections,
            seconds=seconds,
            requests=len(self.latencies),
            chunks=self.chunks,
            latency_us=_quantiles(self.latencies),
            first_us=_quantiles(self.firsts),
            transit_us=_quantiles(self.transits),
            target_cpu_s=target_s,
            bystander_cpu_s=max(0.0, sum(busy.values()) - target_s - ours_s),
            stolen_s=sum(stolen.values()),
            load_core=busy[cores[-1]] / seconds,
            rss_bytes=rss,
        )


def _quantiles(values_ns: "array[int]") -> Quantiles | None:
    if not values_ns:
        return None
    ordered = sorted(values_ns)
    last = len(ordered) - 1
    return Quantiles(ordered[last // 2] / 1e3, ordered[last * 99 // 100] / 1e3)


def _request(job: Job) -> bytes:
    body = job.scenario.body()
    head = (
        f"POST {job.path} HTTP/1.1\r\nhost: {job.host}:{job.port}\r\n"
        f"authorization: Bearer {CLIENT_KEY}\r\ncontent-type: application/json\r\n"
        f"accept: application/json\r\nuser-agent: bench\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._state: Literal["idle", "asked", "answered"] = "idle"
        self._parser = httptools.HttpResponseParser(self)
        self._keep = False
        self._body: list[bytes] = []  # that the parser has found in the last read, or since asked
        self._from_ns = 0
        self._content_chunks = 0
        self._tail = b""  # of a stream: what no stamp was found in yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's own, which does not descend from asyncio's
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, from_ns: int) -> None:
        self._state = "asked"
        self._from_ns = from_ns
        self._run.sent += 1
        self._transport.write(self._run.request)

    # ---- what comes back

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._broken(f"not HTTP: {error}")
            return
        if self._run.stream and self._body:
            self._read_chunks(now_ns)
        if self._state == "answered":
            self._finish(now_ns)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._state = "answered"
        self._keep = self._parser.should_keep_alive()  # which it knows only here

    def _read_chunks(self, now_ns: int) -> None:
        run = self._run
        text = self._tail + b"".join(self._body)
        self._body.clear()
        stamps = STAMPS.findall(text)
        if not stamps:
            self._tail = text[-1024:]  # enough to quote an error from
            return
        self._tail = text[text.rindex(stamps[-1]) + len(stamps[-1]) :]
        if run.measuring:
            run.chunks += len(stamps)
            if not self._content_chunks:
                run.firsts.append(now_ns - self._from_ns)
            run.transits.extend([now_ns - int(stamp) for stamp in stamps])
        self._content_chunks += len(stamps)

    def _finish(self, now_ns: int) -> None:
        run = self._run
        fault = self._fault()
        if fault:
            run.failed(fault)
        else:
            run.answered += 1
            if run.measuring:
                run.latencies.append(now_ns - self._from_ns)
        self._state = "idle"
        self._body.clear()
        self._content_chunks = 0
        self._tail = b""
        if self._keep:
            run.free(self)
        else:
            self._transport.close()

    def _fault(self) -> str:
        """What is wrong with the answer that has just ended, if anything."""
        said = self._tail if self._run.stream else b"".join(self._body)
        if (status := self._parser.get_status_code()) != 200:
            return f"status {status}: {said[:300].decode(errors='replace')}"
        if not self._run.stream:
            return "" if SPOKEN in said else f"another answer: {said[:300]!r}"
        if self._content_chunks != CHUNKS:
            return f"{self._content_chunks} chunks of {CHUNKS}"
        return "" if said.endswith(DONE) else f"no [DONE]: {said[-300:]!r}"

    def _broken(self, why: str) -> None:
        if self._state != "idle":
            self._state = "idle"
            self._run.failed(why)
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._state != "idle":
            self._state = "idle"
            self._run.failed(f"connection lost: {exc or 'closed'}")
        self._run.lost(self)


# ---- the part that is started


def main() -> int:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    gc.disable()  # a run is short, and must not pause
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(_measured(job))))
    return 0


async def _measured(job: Job) -> Outcome:
    async with asyncio.timeout(job.warm_up_s + job.seconds + LIFE_S):
        return await Run(job).measured()
