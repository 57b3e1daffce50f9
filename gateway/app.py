"""Composition root: the only file that knows every part. Start, serve, drain, stop."""

import asyncio
import gc
import platform
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import gateway
from gateway.config import prices
from gateway.config.schema import Address, Config, Simulated
from gateway.exchange.pipeline import Gateway
from gateway.policy import caching
from gateway.providers import discover
from gateway.runtime.checks import Checks
from gateway.runtime.jwkswatch import JwksWatch
from gateway.runtime.keywatch import KeyWatch
from gateway.runtime.measures import measure
from gateway.runtime.reload import Reloader
from gateway.runtime.state import Runtime
from gateway.runtime.tokenwatch import TokenWatch
from gateway.server.app import ClientDoor
from gateway.server.connection import Listening, Settings
from gateway.simulated import server as simulated
from gateway.stores import base as stores
from gateway.stores.address import parsed
from gateway.stores.desk import Away, Desk, SharedDesk
from gateway.stores.packed import Packed
from gateway.stores.redis import OLDEST, RedisStore
from gateway.stores.shared import SharedStore
from gateway.stores.tiered import Tiered
from gateway.telemetry.ledger import Ledger
from gateway.telemetry.link import Beat, Link, Numbers, Started
from gateway.telemetry.logs import Log
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.sink import Sink
from gateway.telemetry.witness import Witness
from gateway.upstream.connection import Connection
from gateway.upstream.pool import Dial

BACKLOG: Final = 4096
BEAT_S: Final = 1.0  # how often a worker says that it lives
FILES_KEPT: Final = 96  # for the admin port, the log and the like, however many clients come
STREAMS_END_S: Final = 0.5  # for connections to close behind their last answer


@dataclass(frozen=True, slots=True)
class Ready:
    server: str  # base addresses, http://HOST:PORT
    admin: str


def dial_simulated(settings: Simulated) -> Dial:
    """A connection to the model in the house: a socket pair, no port."""
    factory = simulated.factory(settings)

    async def dial(protocol: Callable[[], Connection]) -> object:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        await loop.connect_accepted_socket(factory, theirs)
        return await loop.create_connection(protocol, sock=ours)

    return dial


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker's place under a supervisor."""

    link: socket.socket
    port: int  # of the shared address
    store: Path  # the socket of the store that all workers share


class App:
    """One process's gateway, from config to the last stream's end."""

    def __init__(
        self, path: Path, parse: Callable[[bytes], Config], log: Log, seat: Seat | None = None
    ) -> None:
        self._log = log
        self._seat = seat
        self._metrics = Metrics()
        self._runtime = Runtime(discover(), Sink(self._metrics, log), dial_simulated)
        self._reloader = Reloader(self._runtime, path, parse)
        self._ledger = Ledger(log)
        self._runtime.sink.ledger = self._ledger
        self._keys = KeyWatch(self._runtime)
        self._tokens = TokenWatch(self._runtime)
        self._listening = Listening(ClientDoor(self._runtime, Gateway(self._runtime)))
        self._forgets = ""  # how the store makes room when it is full, if limits may go for it
        self._values: Tiered | None = None  # where others remember in the same place
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self, ready: Callable[[Ready], None]) -> None:
        """Serves until told to stop. Raises ConfigError, OSError before it is ready."""
        config = self._reloader.first()
        self._keys.first(config.keys_file.path)
        self._runtime.desk = desk = await self._desk(config)
        _follow(self._listening, config)
        self._ledger.follow(config.ledger)
        self._runtime.followers.append(lambda config: self._ledger.follow(config.ledger))
        self._runtime.followers.append(partial(_follow, self._listening))
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            if self._seat is None:
                place = bind(config.server.listen)
                admin = await self._admin(config, stack)
            else:
                address = Address(config.server.listen.host, self._seat.port)
                place, admin = bind(address, shared=True), ""
            server = await loop.create_server(self._listening, sock=place, backlog=BACKLOG)
            self._signals(loop)
            watching = [
                loop.create_task(self._tokens.watch()),
                loop.create_task(self._reloader.watch()),
                loop.create_task(self._keys.watch()),
                loop.create_task(JwksWatch(self._runtime).watch()),
                loop.create_task(self._runtime.strain.watch()),
                loop.create_task(Checks(self._runtime).watch()),
                loop.create_task(desk.watch()),
            ]
            if self._values is not None:
                watching.append(loop.create_task(self._values.watch()))
            await self._tokens.first()
            if self._seat is not None:
                link = await Link.on(self._seat.link)
                link.tell(Started(url(place)))
                watching += [loop.create_task(self._beat(link)), loop.create_task(self._tell(link))]
            _settle_memory()
            addresses = Ready(url(place), admin)
            self._log.say(
                "info", "ready", server=addresses.server, admin=admin or None, config=config.hash
            )
            ready(addresses)
            await self._stopping.wait()
            await self._drain(server, self._listening)
            for task in watching:
                task.cancel()
            await desk.aclose()
        self._runtime.close()
        self._ledger.close()

    async def _desk(self, config: Config) -> Desk:
        """Where limits are kept. Raises OSError for a store that will never let us in."""
        store: stores.Store
        if config.store != "memory":
            try:
                address = parsed(config.store)
            except ValueError as error:
                raise OSError(f"store {error}") from None
            where = str(address)
            store = RedisStore(address)
        elif self._seat is not None:
            where, store = "shared", SharedStore(self._seat.store)
        else:
            return self._runtime.desk
        witness = Witness(self._metrics, self._log, where)
        desk = SharedDesk(store, self._away, witness, config.server.workers)
        far = Packed(store)
        _packs(far, config)
        self._runtime.followers.append(partial(_packs, far))
        values = self._values = Tiered(self._runtime.near, far, caching.owner_of)
        self._runtime.values, self._runtime.shares = values, True
        if await desk.greet() == "auth":
            raise OSError(f"store {where} refuses our user or password")
        if isinstance(store, RedisStore):
            await self._check(store, where)
        return desk

    async def _check(self, store: RedisStore, where: str) -> None:
        """Raises OSError for a server that cannot do what is needed."""
        if version := await store.too_old():
            raise OSError(f"store {where} is version {version}; {OLDEST}.0 or later is needed")
        self._forgets = await store.forgets()
        if self._forgets:
            self._log.say("warning", "store_may_forget", store=where, policy=self._forgets)

    def _away(self) -> Away:
        policy = self._runtime.snapshot.config.on_store_error
        return Away(policy.limits, policy.budgets)

    async def _admin(self, config: Config, stack: AsyncExitStack) -> str:
        """Opens the admin port; its base address."""
        from gateway.admin import api  # and aiohttp: 20 MiB that no worker of several needs

        sock = bind(config.admin.listen)
        await stack.enter_async_context(api.opened(self, sock))
        return url(sock)

    # ---- what the admin port asks

    @property
    def log(self) -> Log:
        return self._log

    def config(self) -> Config:
        return self._runtime.snapshot.config

    def hashes(self) -> list[str]:
        return [self._runtime.snapshot.hash]

    def drain(self) -> None:
        self._stopping.set()

    def ready(self) -> tuple[bool, dict[str, object]]:
        draining = self._runtime.draining
        away = self._runtime.desk.degraded
        status = "draining" if draining else "degraded" if away else "ready"
        facts: dict[str, object] = {"status": status}
        if away:
            facts["store"] = away
        if self._forgets:
            facts["store_may_forget"] = self._forgets
        return not draining, {**facts, "config": self._runtime.snapshot.hash}

    async def metrics(self) -> Sequence[Metrics]:
        self._measure(self._listening)
        return [self._metrics]

    async def purge(self, pattern: bytes) -> int:
        return await self._runtime.values.purge(pattern)

    # ---- what the supervisor asks

    async def _beat(self, link: Link) -> None:
        while True:
            hash, sink = self._runtime.snapshot.hash, self._runtime.sink
            away = self._runtime.desk.degraded
            link.tell(
                Beat(hash, self._runtime.strain.lag_s, sink.open_exchanges, away, self._forgets)
            )
            await asyncio.sleep(BEAT_S)

    async def _tell(self, link: Link) -> None:
        """Numbers on demand; without a supervisor there is nothing left to work for."""
        while await link.asked():
            self._measure(self._listening)
            link.tell(Numbers.of(self._metrics))
        self._stop()

    # ---- stopping

    def _signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)

    def _stop(self) -> None:
        (self._hurry if self._stopping.is_set() else self._stopping).set()

    def _reload_soon(self) -> None:
        self._reloading = asyncio.get_running_loop().create_task(self._reloader.reload(again=True))

    async def _drain(self, server: asyncio.Server, listening: Listening) -> None:
        """Not ready, no new connections; what is under way may end."""
        runtime = self._runtime
        runtime.draining = True
        self._metrics.number("gateway_draining").value = 1
        self._log.say("info", "draining", open=runtime.sink.open_exchanges)
        server.close()
        listening.drain()
        until = time.monotonic() + runtime.snapshot.config.server.drain_timeout_s
        await self._until(lambda: not listening.connections or self._hurry.is_set(), until)
        cut = runtime.sink.open_exchanges
        listening.end_answers()
        await self._until(lambda: not listening.connections, time.monotonic() + STREAMS_END_S)
        self._log.say("info", "stopped", cut=cut)

    async def _until(self, done: Callable[[], bool], until: float) -> None:
        """Returns when done, or when the time is up."""
        while not done() and time.monotonic() < until:  # noqa: ASYNC110 - counts, no event
            await asyncio.sleep(0.02)

    # ---- watching itself

    def _measure(self, listening: Listening) -> None:
        """Gauges that are read off when somebody scrapes."""
        metrics = self._metrics
        metrics.number("gateway_open_connections").value = len(listening.connections)
        metrics.number("gateway_event_loop_lag_seconds").value = self._runtime.strain.lag_s
        metrics.number("gateway_cache_bytes").value = self._runtime.near.bytes
        metrics.number("gateway_log_dropped_total").value = self._log.dropped
        metrics.number(
            "gateway_build_info", gateway.__version__, platform.python_version()
        ).value = 1
        metrics.number("gateway_ledger_dropped_total").value = self._ledger.dropped
        metrics.number("gateway_ledger_waiting").value = self._ledger.waiting
        age_s = time.time() - prices.builtin().made_at
        metrics.number("gateway_price_table_age_seconds").value = age_s
        metrics.number("gateway_shed_total", "connections").value = listening.crowded_out
        measure(self._runtime.snapshot, metrics, time.monotonic())


def _packs(far: Packed, config: Config) -> None:
    far.packs = config.cache.compress


def _follow(listening: Listening, config: Config) -> None:
    server = config.server
    listening.max_connections = min(server.max_connections, _room())
    listening.settings = Settings(
        server.header_timeout_s,
        server.body_timeout_s,
        server.keep_alive_s,
        server.write_timeout_s,
        server.heartbeat_s,
    )


def _room() -> int:
    """Client connections that there are file descriptors for, each with one to a backend."""
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != hard:
        with suppress(OSError, ValueError):  # what may not be raised stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            most = hard
    return sys.maxsize if most == resource.RLIM_INFINITY else max(1, (most - FILES_KEPT) // 2)


def bind(address: Address, *, shared: bool = False) -> socket.socket:
    """shared: several processes may listen there. Raises OSError, naming the address."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((address.host, address.port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {address}: {error.strerror}") from None
    sock.setblocking(False)
    return sock


def url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _settle_memory() -> None:
    """What has been made at start lives to the end: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 1000)
