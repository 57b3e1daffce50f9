"""Several workers on one address: started, watched, restarted, asked for their numbers.

Each worker is a process of its own that listens on the shared address (SO_REUSEPORT: the kernel
deals connections out). The supervisor answers no client; it holds the admin port, so that a scrape
costs no worker's loop more than handing its numbers over.
"""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gateway.app import Ready, bind, url
from gateway.config.load import ConfigError
from gateway.config.schema import Config
from gateway.stores.address import parsed
from gateway.stores.base import Store
from gateway.stores.memory import MemoryStore
from gateway.stores.owner import Owner
from gateway.stores.redis import RedisStore
from gateway.stores.shared import SharedStore
from gateway.stores.tiered import forget
from gateway.telemetry.link import Beat, Link, Numbers, Started
from gateway.telemetry.logs import Log
from gateway.telemetry.metrics import Metrics

START_S: Final = 30.0  # for all workers to be ready
SILENT_S: Final = 15.0  # a worker that has not been heard of for so long is killed
BACKOFF_S: Final = (0.1, 0.5, 2.0, 8.0, 30.0)  # before a worker that died is started again
STEADY_S: Final = 30.0  # a worker that lived so long had a good start
REREAD_S: Final = 1.0  # how old what it knows of the config may be
ANSWER_S: Final = 2.0  # for a worker's numbers
_BOOT: Final = Path(__file__).resolve().parent / "_boot.py"


class Worker:
    """One place among the workers: the process in it now, and what it has said."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.process: asyncio.subprocess.Process | None = None
        self.link: Link | None = None
        self.ready = asyncio.Event()
        self.last = Beat()
        self.heard_at = 0.0
        self.metrics = Metrics()
        self.told = asyncio.Event()  # its numbers have come

    @property
    def alive(self) -> bool:
        return self.ready.is_set() and self.process is not None and self.process.returncode is None

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


class Supervisor:
    """The parent of all workers. `arguments`: what each is started with."""

    def __init__(self, read: Callable[[], Config], arguments: Sequence[str], log: Log) -> None:
        """read: the config as the file has it. Raises ConfigError."""
        self._read = read
        self._read_at = time.monotonic()
        self._config = config = read()
        self._arguments = arguments
        self._log = log
        self._workers = [Worker(index) for index in range(config.server.workers)]
        self._retired = Metrics()  # what workers counted that are no more
        self._own = Metrics()
        self._stopping = asyncio.Event()
        # Of what all workers remember and hold callers to, unless the config has a store.
        self._owner = Owner(MemoryStore(max_bytes=config.cache.max_bytes))

    async def run(self, ready: Callable[[Ready], None]) -> None:
        """Until told to stop. Raises OSError when an address is taken or no worker starts."""
        from gateway.admin import api  # not above: workers import this, too

        loop = asyncio.get_running_loop()
        keeping: list[asyncio.Task[None]] = []
        with bind(self._config.server.listen, shared=True) as place:
            admin = bind(self._config.admin.listen)
            async with api.opened(self, admin):
                try:
                    self._owner.start()
                    self._signals(loop)
                    port = place.getsockname()[1]
                    keeping = [loop.create_task(self._keep(one, port)) for one in self._workers]
                    await self._all_ready()
                    ready(Ready(url(place), url(admin)))
                    watch = loop.create_task(self._watch())
                    await self._stopping.wait()
                    watch.cancel()
                    await asyncio.gather(*keeping)
                finally:
                    for worker in self._workers:
                        worker.signal(signal.SIGKILL)
                    for task in keeping:
                        task.cancel()
                    self._owner.stop()
        self._log.say("info", "supervisor_stopped")

    async def _all_ready(self) -> None:
        try:
            async with asyncio.timeout(START_S):
                for worker in self._workers:
                    await worker.ready.wait()
        except TimeoutError:
            raise OSError(f"{len(self._workers)} workers did not start in {START_S} s") from None

    # ---- one worker

    async def _keep(self, worker: Worker, port: int) -> None:
        """Starts a worker, and again whenever it dies, until the supervisor stops."""
        failures = 0
        while not self._stopping.is_set():
            started_at = time.monotonic()
            code = await self._live(worker, port)
            self._retire(worker)
            if self._stopping.is_set():
                return
            if time.monotonic() - started_at > STEADY_S:
                failures = 0
            pause_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            failures += 1
            self._own.number("gateway_worker_restarts_total").value += 1
            self._log.say(
                "error", "worker_died", worker=worker.index, exit_code=code, again_in_s=pause_s
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _live(self, worker: Worker, port: int) -> int:
        """One life of a worker; its exit code."""
        ours, theirs = socket.socketpair()
        with theirs:
            where = f"{theirs.fileno()},{port},{self._owner.path}"
            worker.process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(_BOOT), *self._arguments, "--worker", where,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )  # fmt: skip
        worker.heard_at = time.monotonic()
        worker.link = await Link.on(ours)
        listening = asyncio.get_running_loop().create_task(self._listen(worker, worker.link))
        try:
            return await worker.process.wait()
        finally:
            worker.ready.clear()
            worker.told.set()
            listening.cancel()
            worker.link.close()

    async def _listen(self, worker: Worker, link: Link) -> None:
        async for message in link:
            worker.heard_at = time.monotonic()
            match message:
                case Started():
                    worker.ready.set()
                case Beat():
                    worker.last = message
                case Numbers():
                    worker.metrics = message.metrics()
                    worker.told.set()

    def _retire(self, worker: Worker) -> None:
        """Its last known counts stay in the sums: a counter never goes back."""
        self._retired.add_counts(worker.metrics)
        worker.metrics = Metrics()

    async def _watch(self) -> None:
        """Kills what no longer answers; `_keep` starts it anew."""
        while True:
            await asyncio.sleep(1)
            for worker in self._workers:
                if worker.alive and time.monotonic() - worker.heard_at > SILENT_S:
                    self._log.say("error", "worker_silent", worker=worker.index)
                    worker.signal(signal.SIGKILL)

    # ---- signals

    def _signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)

    def _stop(self) -> None:
        self._stopping.set()
        self._pass_on(signal.SIGTERM)  # the second time they hurry

    def _pass_on(self, number: int) -> None:
        for worker in self._workers:
            worker.signal(number)

    # ---- what the admin port asks

    @property
    def log(self) -> Log:
        return self._log

    def config(self) -> Config:
        """What the file says, as long as it says it well: the workers follow the same file."""
        if time.monotonic() - self._read_at > REREAD_S:
            self._read_at = time.monotonic()
            with contextlib.suppress(ConfigError):
                self._config = self._read()
            self._owner.store.max_bytes = self._config.cache.max_bytes
        return self._config

    def hashes(self) -> list[str]:
        return [worker.last.config for worker in self._workers if worker.alive]

    async def purge(self, pattern: bytes) -> int:
        address = self._config.store
        far = address != "memory"
        store: Store = RedisStore(parsed(address)) if far else SharedStore(self._owner.path)
        try:
            return await forget(store, pattern)
        finally:
            await store.aclose()

    def drain(self) -> None:
        if not self._stopping.is_set():
            self._stop()

    def ready(self) -> tuple[bool, dict[str, object]]:
        """Ready while at least half of the workers are."""
        live = sum(worker.alive for worker in self._workers)
        facts: dict[str, object] = {
            "workers": len(self._workers),
            "live": live,
            "configs": sorted({worker.last.config for worker in self._workers if worker.alive}),
        }
        away = {worker.last.store for worker in self._workers if worker.alive} - {""}
        if away:
            facts["store"] = ", ".join(sorted(away))
        forgets = {worker.last.forgets for worker in self._workers if worker.alive} - {""}
        if forgets:
            facts["store_may_forget"] = ", ".join(sorted(forgets))
        if self._stopping.is_set():
            return False, {"status": "draining", **facts}
        good = live * 2 >= len(self._workers) and live > 0
        return good, {"status": "ready" if good and not away else "degraded", **facts}

    async def metrics(self) -> list[Metrics]:
        """Everybody's numbers; of a worker that does not answer, the last ones known."""
        asked = []
        for worker in self._workers:
            if worker.alive and worker.link is not None:
                worker.told.clear()
                worker.link.ask()
                asked.append(worker.told.wait())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*asked), ANSWER_S)
        self._own.number("gateway_workers_live").value = sum(w.alive for w in self._workers)
        return [self._own, self._retired, *(worker.metrics for worker in self._workers)]
