"""A streamed answer as a play: what opens it, a beat for each token, what closes it.

Pure. The parts of an event around its token are written once; the pace is the server's affair.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import msgspec

encoded: Final = msgspec.json.Encoder().encode
HOLE: Final = "\0"  # stands for the token in an event that is written once for all of them
_HOLE: Final = encoded(HOLE)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one answer from the next."""

    id: str
    created: int  # unix seconds


@dataclass(frozen=True, slots=True)
class Whole:
    body: bytes
    tokens: int  # how long saying it takes


@dataclass(frozen=True, slots=True)
class Play:
    opening: bytes
    beats: Iterator[bytes]  # one a token; all choices speak at once
    length: int  # how many beats there are
    closing: bytes  # says that all is well; a broken stream never gets here


def event(document: object, name: bytes = b"") -> bytes:
    """One server-sent event; name only where the language names its events."""
    line = b"event: %b\n" % name if name else b""
    return b"%bdata: %b\n\n" % (line, encoded(document))


def around(frame: bytes) -> tuple[bytes, bytes]:
    """A frame's bytes before and after its hole: the last one, callers' words come before it."""
    before, _, after = frame.rpartition(_HOLE)
    return before, after


def beats(tokens: Iterable[str], before: bytes, after: bytes) -> Iterator[bytes]:
    for token in tokens:
        yield b"%b%b%b" % (before, encoded(token), after)


def together(lanes: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    """Several choices told at once, a token of each in every beat."""
    if len(lanes) == 1:  # nearly always, and cheaper
        return lanes[0]
    return map(b"".join, zip_longest(*lanes, fillvalue=b""))
