"""The one door for change: read the file, parse, compile, swap. A fault leaves all as it was.

The file is looked at, not subscribed to: an edit, an atomic rename and a ConfigMap's symlink swap
all show as another inode, time or size, on any file system. What is being written is left alone
until it has kept still for a moment.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.config.load import ConfigError
from gateway.config.schema import Config
from gateway.runtime.state import Runtime

LOOK_S: Final = 0.2
STILL_S: Final = 0.1  # a file younger than this may be half written

Signature = tuple[int, int, int, int]


class Reloader:
    """Keeps the config in force that the file holds, as soon as it holds a good one."""

    def __init__(self, runtime: Runtime, path: Path, parse: Callable[[bytes], Config]) -> None:
        self._runtime = runtime
        self._path = path
        self._parse = parse  # raises ConfigError
        self._seen: Signature | None = None
        self._digest = b""  # of the text last judged, good or bad
        self._missing = False
        self._lock = asyncio.Lock()

    def first(self) -> Config:
        """At start. Raises ConfigError, OSError."""
        self._seen = _signature(self._path)
        text = self._path.read_bytes()
        self._digest = hashlib.sha256(text).digest()
        config = self._parse(text)
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
            sink = self._runtime.sink
            try:
                text = await asyncio.to_thread(self._path.read_bytes)
            except OSError as error:
                if not self._missing:
                    self._rejected(f"cannot be read: {error.strerror}")
                self._missing = True
                return False
            self._missing = False
            digest = hashlib.sha256(text).digest()
            if digest == self._digest and not again:
                return False
            self._digest = digest
            try:
                config = await asyncio.to_thread(self._parse, text)
                before = self._runtime.snapshot
                if config.hash == before.hash:
                    sink.metrics.number("gateway_config_last_reload_successful").value = 1
                    return False
                self._force(config)
            except (ConfigError, OSError) as error:
                self._rejected(str(error))
                return False
            self._counted("applied")
            sink.log.say(
                "info",
                "config_applied",
                hash=config.hash,
                before=before.hash,
                needs_restart=_needs_restart(before.config, config) or None,
            )
            return True

    def _force(self, config: Config) -> None:
        self._runtime.swap(config)
        sink = self._runtime.sink
        sink.log.configure(config.logging.level, config.logging.format)
        sink.metrics.only("gateway_config_info", config.hash).value = 1
        sink.metrics.number("gateway_config_last_reload_successful").value = 1
        sink.metrics.number("gateway_config_last_reload_timestamp_seconds").value = time.time()
        for sentence in config.waiting:
            sink.log.say("warning", "not_yet_in_effect", what=sentence)

    def _rejected(self, why: str) -> None:
        self._counted("rejected")
        sink = self._runtime.sink
        sink.metrics.number("gateway_config_last_reload_successful").value = 0
        sink.log.say("error", "config_rejected", faults=why.splitlines()[:50])

    def _counted(self, result: str) -> None:
        self._runtime.sink.metrics.number("gateway_config_reloads_total", result).value += 1


def _signature(path: Path) -> Signature | None:
    """Changes whenever the file may have; None where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size, stat.st_dev


def _needs_restart(before: Config, after: Config) -> list[str]:
    """What has been changed and only takes effect when the process starts anew."""
    pairs = {
        "server.listen": (before.server.listen, after.server.listen),
        "server.workers": (before.server.workers, after.server.workers),
        "admin.listen": (before.admin.listen, after.admin.listen),
    }
    return [key for key, (old, new) in pairs.items() if old != new]
