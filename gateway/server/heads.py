"""Heads that have come before: a client sends the same one again and again, but for the length.

A head that has gone the whole strict way (llhttp, `framing`, the door) means the same when the same
bytes come again, as long as the door says so. Its digest is kept and what was read from it, without
the key; only whole requests are looked at, so llhttp misses nothing but whole requests.
"""

import hashlib
from collections.abc import Coroutine
from typing import Final, Protocol

import msgspec

from gateway.server.body import Body
from gateway.server.framing import MAX_DIGITS
from gateway.server.outlet import Outlet
from gateway.wire.http import RequestHead

MAX_KEPT: Final = 1024  # heads; then it begins anew
MAX_HEAD: Final = 4096  # bytes
_LENGTH: Final = b"ength: "  # whatever case the rest of the name is in
_NAMES: Final = (b"\r\ncontent-length: ", b"\r\nContent-Length: ")
# What is another with each request is not worth keeping.
_VOLATILE: Final = frozenset({b"x-request-id", b"traceparent", b"tracestate", b"expect"})


class Admitted(Protocol):
    """What the door made of a head: how the body is to be read, and what then answers."""

    @property
    def buffered(self) -> bool: ...  # False: the body is handed on as it comes
    @property
    def max_body_bytes(self) -> int: ...
    @property
    def current(self) -> bool:
        """Whether the door would make the same of the same head now, and this may answer the
        next body under it.
        """

    def answer(self, body: bytes | Body, outlet: Outlet) -> Coroutine[object, object, None] | None:
        """Finishes outlet in every case but cancellation: then the client has left. Never raises.
        None: it is finished already.

        body is bytes if buffered, else a Body.
        """


class Request(msgspec.Struct, frozen=True, gc=False):
    """A read that holds one whole request and nothing else."""

    digest: bytes  # of the head without the digits of its length
    length: int
    body_at: int


class Known(msgspec.Struct, frozen=True, eq=False):
    head: RequestHead  # its length is that of the first body that came under it
    admitted: Admitted


def whole(data: bytes) -> Request | None:
    """data as one request, if it is exactly that and has the usual content-length."""
    at = data.find(_LENGTH, 0, MAX_HEAD) + len(_LENGTH)
    end = data.find(b"\r\n", at, at + MAX_DIGITS + 2)
    if end < 0 or at < len(_LENGTH) or not data[at:end].isdigit():
        return None
    body_at = data.find(b"\r\n\r\n", 0, MAX_HEAD) + 4
    length = int(data[at:end])
    if body_at < end or len(data) != body_at + length or not data.startswith(b"POST "):
        return None
    if not data.endswith(_NAMES, 0, at):
        return None
    digest = hashlib.sha256(data[:at] + data[end:body_at]).digest()
    return Request(digest, length, body_at)


class Heads:
    """Those of one process."""

    def __init__(self) -> None:
        self._known: dict[bytes, Known] = {}

    def known(self, request: Request) -> Known | None:
        known = self._known.get(request.digest)
        if known is None or request.length > known.admitted.max_body_bytes:
            return None
        return known if known.admitted.current else None

    def keep(self, request: Request, head: RequestHead, admitted: Admitted) -> None:
        """A head that has gone the strict way, and what came of it."""
        if not _VOLATILE.isdisjoint(head.headers):
            return
        if len(self._known) >= MAX_KEPT:
            self._known.clear()
        self._known[request.digest] = Known(head, admitted)
