"""The ledger: an entry for each charge, made on the loop, added to a file by a thread.

An entry's id is ours alone, whatever a client sends, and no two are the same: adding one twice
counts once. What a crash can lose is what was made in the last FLUSH_S; what a full disk can,
nothing until MAX_WAITING entries wait for it: then the newest are dropped, and counted.
"""

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from gateway.config import schema
from gateway.telemetry.charges import Charge
from gateway.telemetry.logs import Log, shown
from gateway.telemetry.record import Record

FLUSH_S: Final = 0.2
BUSY_S: Final = 0.01
CLOSE_S: Final = 5.0  # for the last entries to be written
MAX_WAITING: Final = 50_000  # about 20 MB
_MODE: Final = 0o600


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    id: str  # the exchange's, and which of its attempts
    at: float  # unix seconds: when the exchange had ended
    tenant: str
    key: str
    operation: str
    model: str
    provider: str
    backend: str
    target: str
    outcome: str  # the exchange's
    input: int | None = None  # tokens; None: not counted
    output: int | None = None
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = False  # counted here, since the backend did not say
    usd: float | None = None  # None: the price is not known


_FIELDS: Final = Entry.__struct_fields__
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Entry).decode
_INSERT: Final = f"INSERT OR IGNORE INTO ledger VALUES ({', '.join('?' * len(_FIELDS))})"  # noqa: S608 - our own field names
_SELECT: Final = f"SELECT {', '.join(_FIELDS)} FROM ledger ORDER BY at"  # noqa: S608 - as above
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS ledger (
  id TEXT PRIMARY KEY, at REAL NOT NULL, tenant TEXT, key TEXT, operation TEXT, model TEXT,
  provider TEXT, backend TEXT, target TEXT, outcome TEXT, input INTEGER, output INTEGER,
  cached INTEGER, cache_write INTEGER, reasoning INTEGER, estimated INTEGER, usd REAL
) WITHOUT ROWID
"""


def entry(record: Record, charge: Charge, now: float) -> Entry:
    attempt, usage = charge.attempt, charge.usage
    return Entry(
        id=f"{record.id}.{charge.number}",
        at=now,
        tenant=record.tenant,
        key=record.key,
        operation=record.asked_for,
        model=record.model,
        provider=attempt.provider,
        backend=attempt.backend,
        target=shown(attempt.model),
        outcome=record.outcome.value,
        input=None if usage is None else usage.input,
        output=None if usage is None else usage.output,
        cached=0 if usage is None else usage.cached,
        cache_write=0 if usage is None else usage.cache_write,
        reasoning=0 if usage is None else usage.reasoning,
        estimated=charge.estimated,
        usd=charge.usd,
    )


class Ledger:
    """Entries to the file that the config names, while it names one."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: deque[Entry] = deque()  # the loop appends, the thread takes
        self._taken: list[Entry] = []  # by the thread; they stay until they are in the file
        self._said = schema.Ledger()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False
        self.dropped = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting) + len(self._taken)

    def follow(self, said: schema.Ledger) -> None:
        self._said = said
        if said.path and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
            self._thread.start()

    def enter(self, record: Record, charge: Charge) -> None:
        if not self._said.path:
            return
        if self.waiting >= MAX_WAITING:
            self.dropped += 1
        else:
            self._waiting.append(entry(record, charge, time.time()))

    def close(self) -> None:
        """Writes what is left, for as long as it may."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while not self._closing.wait(FLUSH_S):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        """An entry goes when it is in the file; one that may be there already does no harm."""
        self._taken += [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not self._taken:
            return
        try:
            add(Path(self._said.path), self._said.format, self._taken)
        except (OSError, sqlite3.Error) as error:
            if not self._failing:
                reason = f"{type(error).__name__}: {error}"
                self._log.say("error", "ledger_failing", reason=reason, waiting=self.waiting)
            self._failing = True
            return
        self._taken = []
        if self._failing:
            self._log.say("info", "ledger_recovered")
        self._failing = False


# ---- the file


def add(path: Path, form: str, entries: Sequence[Entry]) -> None:
    """Returns when they are on the disk. Raises OSError, sqlite3.Error: some may be."""
    if form == "sqlite":
        _insert(path, [msgspec.structs.astuple(one) for one in entries])
    else:
        _append(path, b"".join([_encode(one) + b"\n" for one in entries]))


def _append(path: Path, text: bytes) -> None:
    """Opened each time: a file that was moved away is followed by a new one."""
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            text = b"\n" + text  # behind a line that somebody could not end
        view = memoryview(text)
        while view:
            view = view[os.write(fd, view) :]
        os.fdatasync(fd)
    finally:
        os.close(fd)


def _insert(path: Path, rows: Sequence[tuple[object, ...]]) -> None:
    until = time.monotonic() + CLOSE_S
    while True:
        try:
            with closing(_opened(path)) as base, base:
                base.executemany(_INSERT, rows)
            return
        except sqlite3.OperationalError as error:
            # Another process opens the file, or closes it as the last: its timeout does not count.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(BUSY_S)


def _opened(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, _MODE))
    base = sqlite3.connect(path, timeout=CLOSE_S)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute(_TABLE)
    return base


def read(path: Path) -> Iterator[Entry]:
    """Each entry once. A line that was torn is passed over. Raises OSError, sqlite3.Error."""
    with path.open("rb") as file:
        if file.read(16) == b"SQLite format 3\0":
            yield from _rows(path)
            return
        file.seek(0)
        seen: set[int] = set()
        for line in file:
            try:
                one = _decode(line)
            except msgspec.DecodeError:
                continue
            known = len(seen)
            seen.add(hash(one.id))
            if len(seen) > known:
                yield one


def _rows(path: Path) -> Iterator[Entry]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as base:
        for row in base.execute(_SELECT):
            yield msgspec.convert(dict(zip(_FIELDS, row, strict=True)), Entry, strict=False)
