"""Remembered answers given again at once: to the very bytes that they answered before.

The memory decides, once, and this repeats it for as long as nothing has changed: the same caller,
the same config, the same body, and the value that was found is still what is kept near. No task is
made, no document read. Anything else goes the whole way.
"""

import hashlib
import time
from collections import OrderedDict
from typing import Final

import msgspec

from gateway.chat.operation import Operation
from gateway.exchange import answer
from gateway.exchange.ask import previews
from gateway.exchange.caller import Caller
from gateway.exchange.taps import Outlet
from gateway.policy import caching
from gateway.policy.access import VirtualKey
from gateway.runtime.snapshot import Snapshot
from gateway.runtime.state import Runtime
from gateway.telemetry.metrics import Number
from gateway.telemetry.record import Outcome, Record

MAX_BODY: Final = 64 * 1024  # bytes; hashing more costs as much as it saves
ENTRY_BYTES: Final = 1020  # what one costs beside its answer: 980 measured, then two fields more
_Key = tuple[str, str, Operation, bytes]  # tenant, key, operation, SHA-256 of the body


class Gain(msgspec.Struct, frozen=True, gc=False):
    """What a hit adds to a counter."""

    number: Number
    by: float


class Recalled(msgspec.Struct, frozen=True, gc=False):
    """An answer in the words in which it was given."""

    key: VirtualKey  # whose it was: what it may do may be another's under the same name
    place: bytes  # where the memory keeps it
    number: int  # which value it was that was found there
    model: str  # as configured
    named: bytes  # the header line that says who gave it
    made_at: float  # unix seconds
    until: float  # when it is too old
    body: bytes
    stream: bool
    gains: tuple[Gain, ...]


class Recalls:
    """Those of one process; the least used go first."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._near = runtime.near
        self._sink = runtime.sink
        self._snapshot: Snapshot | None = None
        self._kept: OrderedDict[_Key, Recalled] = OrderedDict()
        self._bytes = 0

    def answered(self, caller: Caller, operation: Operation, body: bytes, outlet: Outlet) -> bool:
        """Whether outlet has been finished, with what the same request was answered before."""
        if not self._kept or self._snapshot is not caller.snapshot or len(body) > MAX_BODY:
            return False
        key = _key(caller, operation, body)
        found = self._kept.get(key)
        if found is None or found.key != caller.key:
            return False
        if b"cache-control" in caller.head.headers or previews(caller.passed):
            return False
        if self._near.number(found.place) != found.number or time.time() > found.until:
            self._forget(key)
            return False
        self._kept.move_to_end(key)
        self._give(found, caller, operation, outlet)
        return True

    def _give(self, found: Recalled, caller: Caller, operation: Operation, outlet: Outlet) -> None:
        who = caller.key
        record = Record(operation, who.tenant, who.name, caller.label, caller.snapshot.hash)
        record.model, record.stream, record.cache = found.model, found.stream, "hit"
        record.status, record.outcome = 200, Outcome.COMPLETE
        record.cache_key = caching.of_place(found.place)
        head = answer.own(record, found.named) + answer.age(found.made_at)
        if found.stream:
            outlet.begin(200, answer.EVENTS + head)
            outlet.end(found.body)
        else:
            outlet.whole(200, answer.JSON + head, found.body)
        for gain in found.gains:
            gain.number.value += gain.by
        record.sent_bytes = outlet.bytes_sent
        record.ended_at = time.monotonic()
        self._sink.told(record)

    def keep(self, caller: Caller, operation: Operation, body: bytes, found: Recalled) -> None:
        """The memory has answered this body so, and would again."""
        if self._snapshot is not caller.snapshot:
            self._kept.clear()
            self._bytes = 0
            self._snapshot = caller.snapshot
        most = self._runtime.recalled_bytes
        if len(body) > MAX_BODY or _size(found) > most:
            return
        key = _key(caller, operation, body)
        if key in self._kept:
            self._forget(key)
        self._kept[key] = found
        self._bytes += _size(found)
        while self._bytes > most:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: _Key) -> None:
        self._bytes -= _size(self._kept.pop(key))


def _key(caller: Caller, operation: Operation, body: bytes) -> _Key:
    who = caller.key
    return who.tenant, who.name, operation, hashlib.sha256(body).digest()


def _size(found: Recalled) -> int:
    return len(found.body) + ENTRY_BYTES
