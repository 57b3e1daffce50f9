"""The facts of one exchange, gathered on the way, told once at its end."""

import time
from collections.abc import Iterator
from enum import StrEnum
from itertools import count
from os import urandom
from typing import Final

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
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


class Attempt:
    """One try at one target."""

    __slots__ = (
        "backend",
        "chunks",
        "ended_at",
        "failure",
        "first_at",
        "model",
        "provider",
        "started_at",
        "status",
    )

    def __init__(self, backend: str, provider: str, model: str) -> None:
        self.backend = backend
        self.provider = provider
        self.model = model  # the backend's name for it
        self.started_at = time.monotonic()
        self.first_at: float | None = None  # first content
        self.ended_at = 0.0
        self.chunks = 0  # events of a stream
        self.failure: Code | None = None
        self.status: int | None = None  # the backend's


class Record:
    __slots__ = (
        "attempts",
        "client_id",
        "code",
        "config",
        "ended_at",
        "id",
        "key",
        "model",
        "operation",
        "outcome",
        "sent_bytes",
        "started_at",
        "status",
        "stream",
        "tenant",
        "usage",
        "waited_s",
    )

    def __init__(self, operation: Operation | None) -> None:
        self.id = next(_new_ids)
        self.operation = operation  # None: nothing that we know
        self.started_at = time.monotonic()  # as all times here; the request has been read
        self.client_id: str | None = None  # the client's label for it
        self.model = OTHER  # a configured name, or OTHER
        self.tenant = ""
        self.key = ""
        self.config = ""
        self.stream = False
        self.attempts: list[Attempt] = []
        self.status = 0
        self.code: Code | None = None
        self.outcome = Outcome.ERROR
        self.usage: Usage | None = None
        self.waited_s = 0.0  # for upstream sockets
        self.sent_bytes = 0
        self.ended_at = 0.0

    def failed(self, code: Code, status: int) -> None:
        self.code, self.status, self.outcome = code, status, Outcome.ERROR
