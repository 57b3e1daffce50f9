"""The one door for change: read the file, parse, compile, swap. A fault leaves all as it was.

The file is looked at, not subscribed to: an edit, an atomic rename and a ConfigMap's symlink swap
all show as another inode, time or size, on any file system. What is being written is left alone
until it has kept still for a moment, and read again if it has moved meanwhile.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.config.load import ConfigError, Fault
from gateway.config.nodes import MAX_BYTES
from gateway.config.schema import Config
from gateway.runtime.state import Runtime

LOOK_S: Final = 0.2
STILL_S: Final = 0.1  # a file younger than this may be half written
MAX_READS: Final = 20  # of a file that is written again and again
MAX_TOLD: Final = 50  # faults of one file in the log

Signature = tuple[int, int, int, int, int]


class Reloader:
    """Keeps the config in force that the file holds, as soon as it holds a good one."""

    def __init__(self, runtime: Runtime, path: Path, parse: Callable[[bytes], Config]) -> None:
        self._runtime = runtime
        self._path = path
        self._parse = parse  # raises ConfigError
        self._seen: Signature | None = None
        self._digest = b""  # of the text last judged, good or bad; empty: it could not be read
        self._started: Config | None = None  # what the process began with
        self._lock = asyncio.Lock()

    def first(self) -> Config:
        """At start. Raises ConfigError."""
        self._seen = _signature(self._path)
        text = self._text()
        self._digest = hashlib.sha256(text).digest()
        config = self._started = self._parse(text)
        self._force(config)
        return config

    async def watch(self) -> None:
        """Looks for changes until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            signature = _signature(self._path)
            if signature == self._seen:
                continue
            await asyncio.sleep(STILL_S)
            if _signature(self._path) != signature:
                continue  # still being written
            self._seen = signature
            await self.reload()

    async def reload(self, *, again: bool = False) -> bool:
        """Reads the file now; True if another config is in force after it. again: judge even a
        text that has been judged before.
        """
        async with self._lock:
            try:
                return await self._judge(again)
            except ConfigError as error:
                self._rejected(error)
            except Exception as error:  # noqa: BLE001 - a background loop: the watch must go on
                self._runtime.sink.log.surprise("reload_failed", error)
                self._counted("failed")
            return False

    async def _judge(self, again: bool) -> bool:
        """Raises ConfigError, with nothing changed."""
        judged, self._digest = self._digest, b""
        try:
            text = await asyncio.to_thread(self._text)
        except ConfigError:
            if judged or again:
                raise
            return False
        self._digest = hashlib.sha256(text).digest()
        if self._digest == judged and not again:
            return False
        config = await asyncio.to_thread(self._parse, text)
        before = self._runtime.snapshot
        log = self._runtime.sink.log
        if config.hash == before.hash:
            self._succeeded()
            log.say("info", "config_unchanged", hash=config.hash)
            return False
        self._force(config)
        self._counted("applied")
        log.say(
            "info",
            "config_applied",
            hash=config.hash,
            before=before.hash,
            needs_restart=_needs_restart(self._started or config, config) or None,
        )
        return True

    def _text(self) -> bytes:
        """What the file holds, read while nobody wrote. Raises ConfigError."""
        try:
            for _ in range(MAX_READS):
                signature = _signature(self._path)
                with self._path.open("rb") as file:
                    text = file.read(MAX_BYTES + 1)
                if _signature(self._path) == signature:
                    break
                time.sleep(STILL_S)
        except OSError as error:
            raise self._fault(f"cannot be read: {error.strerror}") from None
        return text

    def _force(self, config: Config) -> None:
        """Raises ConfigError, with nothing changed."""
        try:
            self._runtime.swap(config)
        except OSError as error:
            raise self._fault(str(error.strerror or error)) from None
        sink = self._runtime.sink
        sink.log.configure(config.logging.level, config.logging.format)
        sink.metrics.only("gateway_config_info", config.hash).value = 1
        sink.metrics.number("gateway_config_last_reload_timestamp_seconds").value = time.time()
        self._succeeded()
        for sentence in config.waiting:
            sink.log.say("warning", "not_yet_in_effect", what=sentence)

    def _fault(self, message: str) -> ConfigError:
        return ConfigError([Fault(str(self._path), 0, 0, "", message)])

    def _succeeded(self) -> None:
        self._runtime.sink.metrics.number("gateway_config_last_reload_successful").value = 1

    def _rejected(self, error: ConfigError) -> None:
        self._counted("rejected")
        sink = self._runtime.sink
        sink.metrics.number("gateway_config_last_reload_successful").value = 0
        sink.log.say("error", "config_rejected", faults=str(error).splitlines()[:MAX_TOLD])

    def _counted(self, result: str) -> None:
        self._runtime.sink.metrics.number("gateway_config_reloads_total", result).value += 1


def _signature(path: Path) -> Signature | None:
    """Changes whenever the file may have; None where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_dev


def _needs_restart(before: Config, after: Config) -> list[str]:
    """What differs from what the process began with, and takes effect when it starts anew."""
    pairs = {
        "server.listen": (before.server.listen, after.server.listen),
        "server.workers": (before.server.workers, after.server.workers),
        "admin.listen": (before.admin.listen, after.admin.listen),
    }
    return [key for key, (old, new) in pairs.items() if old != new]
