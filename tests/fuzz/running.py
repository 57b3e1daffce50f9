"""The runner: mutates, reads, keeps what is of a new kind, and notes whatever goes wrong.

Wrong is an exception, more CPU time than one input may take, or memory that stays or swells.
"""

import resource
import signal
import time
import traceback
import zlib
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, NoReturn

from tests.fuzz.mutating import mutated
from tests.fuzz.parser import Parser

CORPUS: Final = Path(__file__).resolve().parent / "corpus"
MAX_CPU_S: Final = 10.0  # for one input in all its cuttings; the worst good one takes a tenth
MAX_SWELL_BYTES: Final = 48 << 20  # that one input may make the process larger
_MAX_POOL: Final = 600  # inputs that are mutated further


class Hang(Exception):
    """An input took too long."""


class Swelling(Exception):
    """An input took too much memory."""


@dataclass(frozen=True, slots=True)
class Finding:
    parser: str
    data: bytes
    error: str  # a traceback

    @property
    def place(self) -> tuple[str, ...]:
        """The same for findings that look alike: where it was raised, and what."""
        lines = self.error.splitlines()
        at = [line.strip() for line in lines if line.startswith("  File ")]
        return (self.parser, at[-1] if at else "", lines[-1].partition(":")[0])


@dataclass(slots=True)
class Fuzzing:
    """One parser's run."""

    parser: Parser
    dice: Random
    pool: list[bytes]
    kinds: set[Hashable] = field(default_factory=set)
    findings: dict[tuple[str, ...], Finding] = field(default_factory=dict)
    runs: int = 0

    @classmethod
    def of(cls, parser: Parser, seed: int) -> "Fuzzing":
        return cls(parser, Random(f"{parser.name} {seed}"), corpus(parser))

    def warm_up(self) -> None:
        """The corpus as it is."""
        for data in list(self.pool):
            self.try_out(data)

    def step(self) -> None:
        data = mutated(self.dice.choice(self.pool), self.pool, self.parser.tokens, self.dice)
        if self.try_out(data):
            if len(self.pool) >= _MAX_POOL:
                self.pool.pop(self.dice.randrange(len(self.pool) // 2, len(self.pool)))
            self.pool.append(data)

    def try_out(self, data: bytes) -> bool:
        """Whether its outcome is of a new kind."""
        self.runs += 1
        try:
            kind = checked(self.parser, data)
        except Exception:  # noqa: BLE001 - to find whatever is raised is what this is for
            finding = Finding(self.parser.name, data, traceback.format_exc())
            self.findings.setdefault(finding.place, finding)
            return False
        if kind in self.kinds:
            return False
        self.kinds.add(kind)
        return True


def corpus(parser: Parser) -> list[bytes]:
    return [file.read_bytes() for file in sorted((CORPUS / parser.name).iterdir())]


def checked(parser: Parser, data: bytes) -> Hashable:
    """The kind of outcome. Raises whatever is wrong; an input is read the same each time."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with _limited():
        kind = parser.check(data, Random(zlib.crc32(data)))
    swell = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if swell > MAX_SWELL_BYTES:
        raise Swelling(f"{len(data)} bytes of input took {swell >> 20} MiB")
    return kind


def _hangs(*_: object) -> NoReturn:
    raise Hang


@contextmanager
def _limited() -> Iterator[None]:
    """The process's own time counts, so that a busy machine makes no finding."""
    signal.setitimer(signal.ITIMER_VIRTUAL, MAX_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


@contextmanager
def watched() -> Iterator[None]:
    """Within it hangs and swellings are noticed. Of the main thread only."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten (proc(5))
    before = signal.signal(signal.SIGVTALRM, _hangs)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, before)


def run_for(fuzzing: Fuzzing, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fuzzing.step()
