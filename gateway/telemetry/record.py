"""The facts of one exchange, gathered on the way, told once at its end."""

import time
from collections.abc import Iterator
from enum import StrEnum
from itertools import count
from os import urandom
from typing import Final

import msgspec
from msgspec import field

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.config.schema import Price
from gateway.errors import Code

OTHER: Final = "other"  # the label of every model name that is not configured


class Outcome(StrEnum):
    COMPLETE = "complete"
    ERROR = "error"
    CANCELLED = "cancelled"


def _ids() -> Iterator[str]:
    """Ours alone, whatever a client sends: a random start per process, then a count."""
    start = urandom(8).hex()
    return (f"req_{start}{number:08x}" for number in count(1))


_new_ids: Final = _ids()


class Attempt(msgspec.Struct, eq=False):
    """One try at one target."""

    backend: str
    provider: str
    model: str  # the backend's name for it
    started_at: float = field(default_factory=time.monotonic)
    first_at: float | None = None  # first content
    ended_at: float = 0.0
    chunks: int = 0  # events of a stream
    failure: Code | None = None
    status: int | None = None  # the backend's
    lost: bool = False  # another one, asked beside it, answered first
    price: Price | None = None  # of the target; None if not known
    asked_bytes: int | None = None  # the request's body; None: it was never sent
    usage: Usage | None = None  # what the backend says it took
    tokens: int = 0  # counted in its answer, for when the backend does not say
    images: int = 0  # that were asked for, where the answer is not read


class Record(msgspec.Struct, eq=False):
    """All times are monotonic seconds."""

    operation: Operation | None  # None: nothing that we know
    tenant: str = ""
    key: str = ""
    client_id: str | None = None  # the client's label for it
    config: str = ""
    id: str = field(default_factory=_new_ids.__next__)
    started_at: float = field(default_factory=time.monotonic)  # the request has been read
    model: str = OTHER  # a configured name, or OTHER
    stream: bool = False
    attempts: list[Attempt] = []
    status: int = 0
    code: Code | None = None
    outcome: Outcome = Outcome.ERROR
    cache: str = ""  # hit, miss, shared, bypass; nothing where no memory is asked for
    cache_reason: str = ""  # of a bypass
    cache_key: str = ""  # under which the answer is remembered, or was looked for
    dropped: list[str] = []  # fields of the request that the target could not be told
    usage: Usage | None = None
    waited_s: float = 0.0  # for upstream sockets, and for room in limits
    sent_bytes: int = 0
    ended_at: float = 0.0
    limit_wait_s: float = 0.0  # for room in limits; part of waited_s
    limits: bytes = b""  # header lines that say how the caller's limits stand

    @property
    def asked_for(self) -> str:
        """The operation's name in metrics, log and ledger."""
        return "other" if self.operation is None else self.operation.value

    def failed(self, code: Code, status: int) -> None:
        self.code, self.status, self.outcome = code, status, Outcome.ERROR
