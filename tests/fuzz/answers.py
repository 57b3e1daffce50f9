"""A backend's bytes through the way out: one answer, alike in any cutting, and never a second one.

The transport is a stand-in for asyncio's: it notes what the connection asks of it.
"""

import asyncio
import math
import socket
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from gateway.errors import Code
from gateway.upstream.connection import MAX_BARE, Connection
from gateway.upstream.reply import Reply
from gateway.wire.http import Headers, lines, status_line
from tests.fuzz.cutting import cuttings
from tests.fuzz.parser import Parser

_FAULTS: Final = (Code.PROTOCOL_ERROR, Code.BAD_RESPONSE, Code.UPSTREAM_RESET)
_NEXT: Final = b"HTTP/1.1 201 Created\r\ncontent-length: 4\r\n\r\nnext"
_FRAMES: Final = (b"content-length", b"transfer-encoding", b"connection")


class _Socket(asyncio.Transport):
    _quiet = socket.socketpair()  # for the poll that a connection makes of its socket; never used

    def __init__(self) -> None:
        super().__init__({"socket": self._quiet[0]})
        self.open = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def write(self, data: object) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool:
        return not self.open

    def close(self) -> None:
        self.open = False

    def abort(self) -> None:
        self.open = False


class _Home:
    """Counts, so that no connection is told of twice."""

    def __init__(self) -> None:
        self.there = 0

    def opened(self, connection: Connection) -> None:
        self.there += 1

    def idle(self, connection: Connection) -> None:
        assert connection.alive

    def gone(self, connection: Connection) -> None:
        self.there -= 1


class _Taken:
    """A body that is pushed."""

    def __init__(self) -> None:
        self.body = b""
        self.ends: list[Code | None] = []

    def received(self, data: bytes) -> None:
        assert not self.ends, "something came behind the end"
        self.body += data

    def ended(self, failure: Code | None) -> None:
        self.ends.append(failure)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    complete: bool
    failure: Code | None
    reusable: bool


def _answer(pieces: Sequence[bytes], *, ends: bool) -> Answer:
    """ends: the backend hangs up behind the last piece."""
    home, line = _Home(), _Socket()
    connection = Connection(home)
    connection.connection_made(line)
    reply, taken = Reply(math.inf), _Taken()
    connection.send(reply, b"", math.inf)
    reply.push_to(taken)
    for piece in pieces:
        if piece and line.open:
            connection.data_received(piece)
    reusable = connection.alive and reply.complete
    if reusable:
        _check_next(connection)
    connection.connection_lost(None) if ends or not line.open else connection.abort()
    assert home.there == 0
    assert len(taken.ends) == (reply.complete or reply.failure is not None)
    assert reply.failure in (None, *_FAULTS)
    body = taken.body if reply.status else b""  # before there is a head nobody would take it
    return Answer(reply.status, tuple(reply.headers), body, reply.complete, reply.failure, reusable)


def _check_next(connection: Connection) -> None:
    """The next answer on the connection is read as if nothing had been before it."""
    reply, taken = Reply(math.inf), _Taken()
    connection.send(reply, b"", math.inf)
    reply.push_to(taken)
    connection.data_received(_NEXT)
    assert (reply.status, taken.body, reply.complete) == (201, b"next", True)
    assert reply.headers == [(b"content-length", b"4")]


def check(data: bytes, dice: Random) -> Hashable:
    ends = dice.random() < 0.5
    whole = _answer([data], ends=ends)
    assert len(whole.body) <= len(data)
    if whole.status:
        assert 200 <= whole.status <= 599
    if len(data) <= MAX_BARE:  # past that a limit is looked at once a read
        for pieces in cuttings(data, dice):
            again = _answer(pieces, ends=ends)
            assert _alike(data, again, whole), f"cut as {pieces!r}: {again!r}, whole {whole!r}"
    if whole.complete and whole.status not in (204, 304):
        _check_reread(whole)
    return whole.status // 100, whole.complete, whole.failure, whole.reusable, bool(whole.body)


def _alike(data: bytes, cut: Answer, whole: Answer) -> bool:
    """The same but for two harmless things that a read's end decides.

    Of two faults that come in one read the second is told, of two reads the first. llhttp reads
    past line ends behind an answer; in a read of their own they cost the connection.
    """
    if {cut.failure, whole.failure} == {Code.PROTOCOL_ERROR, Code.BAD_RESPONSE}:
        cut = replace(cut, failure=whole.failure)
    if data.endswith((b"\r", b"\n")) and whole.reusable:
        cut = replace(cut, reusable=True)
    return cut == whole


def _check_reread(answer: Answer) -> None:
    """Written plainly, it is the same answer."""
    headers: Headers = [pair for pair in answer.headers if pair[0] not in _FRAMES]
    headers.append((b"content-length", b"%d" % len(answer.body)))
    plain = b"%b%b\r\n%b" % (status_line(answer.status), lines(headers), answer.body)
    again = _answer([plain], ends=False)
    assert again.complete
    assert (again.status, again.body) == (answer.status, answer.body)


ANSWERS: Final = Parser(
    "answer",
    check,
    (
        b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b",", b";",
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n", b"HTTP/2 200\r\n",
        b"HTTP/1.1 999 X\r\n", b"HTTP/1.1 000 X\r\n", b"HTTP/1.1 1000 X\r\n", b"ICY 200 OK\r\n",
        b"content-length: 5\r\n", b"content-length: 0\r\n", b"content-length: -1\r\n",
        b"transfer-encoding: chunked\r\n", b"transfer-encoding: gzip\r\n",
        b"content-encoding: gzip\r\n", b"content-encoding: identity\r\n",
        b"connection: close\r\n", b"connection: keep-alive\r\n", b"connection: upgrade\r\n",
        b"upgrade: websocket\r\n", b"trailer: x\r\n", b" folded\r\n", b"x: \x80\r\n",
        b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"5;a=b\r\n", b'5;a="\r\n',
        b"ffffffffffffffff\r\n", b"1\r\nx\r\n", b"data: {}\n\n",
    ),
)  # fmt: skip
