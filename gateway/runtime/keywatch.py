"""Keeps the keys in force that the keys file holds, as they come, end and go.

A key that ends is taken out of what is in force, so that nobody need ask what time it is when a
request comes. A file that cannot be taken changes nothing.
"""

import asyncio
import math
import time
from pathlib import Path
from typing import Final

from gateway.config.load import ConfigError, Fault
from gateway.policy import minting
from gateway.runtime import keysfile
from gateway.runtime.keysfile import KeysFileError
from gateway.runtime.state import Runtime

LOOK_S: Final = 0.2


class KeyWatch:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._path = ""
        self._seen: keysfile.Signature | None = None
        self._entries: minting.Entries = ()
        self._ends_at = math.inf  # when the next key ends

    def first(self, path: str) -> None:
        """At start, before the config is in force. Raises ConfigError."""
        if not path:
            return
        self._path, self._seen = path, keysfile.signature(Path(path))
        try:
            self._entries = keysfile.read(Path(path))
        except (OSError, KeysFileError) as error:
            raise ConfigError([Fault(path, 0, 0, "", f"cannot be read: {error}")]) from None
        self._force()

    async def watch(self) -> None:
        """Looks for changes until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - a background loop: the watch must go on
                self._runtime.sink.log.surprise("keys_failed", error)
                self._seen = None  # to be looked at again

    async def look(self) -> None:
        """Once: takes up what is new, lets go what has ended."""
        path = self._runtime.snapshot.config.keys_file.path
        if path != self._path:
            self._path, self._seen, self._entries, self._ends_at = path, None, (), 0.0
        seen = await asyncio.to_thread(keysfile.signature, Path(path)) if path else None
        if seen != self._seen:
            self._seen = seen
            await self._take(Path(path), gone=seen is None)
        if time.time() >= self._ends_at:
            self._force()

    async def _take(self, path: Path, *, gone: bool) -> None:
        sink = self._runtime.sink
        try:
            if gone:
                raise FileNotFoundError("it is gone; the keys stay as they were")
            self._entries = await asyncio.to_thread(keysfile.read, path)
        except (OSError, KeysFileError) as error:
            sink.metrics.number("gateway_keys_reloads_total", "rejected").value += 1
            sink.log.say("error", "keys_rejected", reason=str(error))
            return
        sink.metrics.number("gateway_keys_reloads_total", "applied").value += 1
        self._force()
        sink.log.say("info", "keys_applied", keys=int(sink.metrics.number("gateway_keys").value))

    def _force(self) -> None:
        now = time.time()
        keys = minting.good(self._entries, now)
        self._ends_at = minting.next_end(self._entries, now)
        self._runtime.mint(keys)
        self._runtime.sink.metrics.number("gateway_keys").value = len(keys)
