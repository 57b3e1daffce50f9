"""A client's bytes through the way in: framed alike in any cutting, and by others as by us."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from gateway.errors import Code
from gateway.server.body import Body
from gateway.server.framing import MAX_HEAD
from gateway.server.heads import Heads
from gateway.server.reading import MAX_AHEAD, MAX_PIPELINED, Turn
from gateway.wire.http import lines
from tests.fuzz.cutting import cuttings
from tests.fuzz.parser import Parser
from tests.laws.test_heads import told
from tests.laws.test_request_parsers import WHY, theirs
from tests.unit.server.overheard import Reading, read

_OURS: Final = b"/surprise"  # where the door of these tests breaks by itself
_FRAMES: Final = (b"content-length", b"transfer-encoding", b"expect")


@dataclass(frozen=True)
class Request:
    """All that is read of one."""

    head: tuple[object, ...] | None
    body: bytes
    error: Code | None
    whole: bool
    keep: bool


def _request(turn: Turn) -> Request:
    head = turn.head
    return Request(
        None
        if head is None
        else (head.method, head.path, head.query, tuple(head.headers.items()), head.length),
        _body(turn.body) if turn.body is not None else bytes(turn.held),
        None if turn.error is None else turn.error.code,
        turn.whole,
        turn.keep,
    )


def _body(body: Body) -> bytes:
    return b"".join(body._parts)


def _understood(reading: Reading) -> tuple[Request, ...]:
    return tuple(_request(turn) for turn in reading.turns)


def check(data: bytes, dice: Random) -> Hashable:
    whole = read(data)
    found = _understood(whole)
    if _OURS not in data:
        assert Code.INTERNAL not in {request.error for request in found}
    _check_bounds(whole, data)
    # Past these sizes a limit is looked at once a read, and may be met by one cutting first.
    if len(data) <= MAX_HEAD and len(found) < MAX_PIPELINED:
        for pieces in cuttings(data, dice):
            again = _understood(read(*pieces))
            assert again == found, f"cut as {pieces!r}: {again!r}, in one piece {found!r}"
    _check_known(data)
    for turn in whole.turns:
        if turn.whole and turn.error is None:
            _check_reread(turn)
    if b"content-encoding" not in data.lower() and len(data) <= MAX_HEAD:  # aiohttp inflates
        _check_others(data, whole.turns)
    return tuple((r.error, r.whole, r.keep, bool(r.body)) for r in found[:4])


def _check_known(data: bytes) -> None:
    """A head that has come before is read as if it had not, on this connection and on others."""
    known = Heads()
    for _ in range(2):
        assert told([data, data], known) == told([data, data], None)


def _check_bounds(reading: Reading, data: bytes) -> None:
    assert sum(len(request.body) for request in _understood(reading)) <= len(data)
    assert len(reading.turns) <= MAX_AHEAD + 2
    refused = [turn for turn in reading.turns if turn.error is not None and not turn.skips]
    assert refused in ([], reading.turns[-1:]), "something was understood behind a refusal"


def _check_others(data: bytes, turns: Sequence[Turn]) -> None:
    """aiohttp's reader finds the same requests; where we stop before it does, WHY knows why."""
    there = theirs(data)
    if there.refused is not None:  # it keeps nothing of what stood before the fault
        return
    here = [turn for turn in turns if turn.whole]
    for turn, (method, target, body) in zip(here, there.requests, strict=False):
        request, head = _request(turn), turn.head
        assert head is not None
        assert (head.method, head.path + (b"?" + head.query if head.query else b"")) == (
            method, target,
        )  # fmt: skip
        assert turn.size == len(body)
        assert turn.error is not None or request.body == body
    assert len(here) <= len(there.requests)
    if len(here) < len(there.requests):
        assert turns[-1].error is not None
        assert turns[-1].error.code in {*WHY, Code.INTERNAL, Code.NOT_FOUND}


def _check_reread(turn: Turn) -> None:
    """Written plainly, it is the same request."""
    before = _request(turn)
    head = turn.head
    assert head is not None
    assert before.error is None
    target = head.path + (b"?" + head.query if head.query else b"")
    fields = [(name, value) for name, value in head.headers.items() if name not in _FRAMES]
    if b"host" not in head.headers:
        fields.append((b"host", b"nobody"))
    fields.append((b"content-length", b"%d" % len(before.body)))
    plain = b"%b %b HTTP/1.1\r\n%b\r\n%b" % (head.method, target, lines(fields), before.body)
    (again,) = read(plain).turns
    assert again.error is None, again.error
    assert again.head is not None
    assert again.whole
    assert (again.head.method, again.head.path, again.head.query) == (
        head.method, head.path, head.query,
    )  # fmt: skip
    assert _request(again).body == before.body


REQUESTS: Final = Parser(
    "request",
    check,
    (
        b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"=", b"0",
        b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b"TRACE ", b" HTTP/1.1", b" HTTP/1.0",
        b"/v1/models", b"/upload", b"/no", b"http://a/", b"*", b"?", b"#", b"%00",
        b"host: a\r\n", b"content-length: 5\r\n", b"content-length: 0\r\n", b"Content-Length:+5\r\n",
        b"transfer-encoding: chunked\r\n", b"Transfer-Encoding:\tchunked\r\n",
        b"transfer-encoding: gzip, chunked\r\n", b"transfer-encoding: identity\r\n",
        b"connection: close\r\n", b"connection: keep-alive\r\n", b"connection: upgrade\r\n",
        b"upgrade: h2c\r\n", b"expect: 100-continue\r\n", b"trailer: x\r\n", b" folded\r\n",
        b"authorization: Bearer x\r\n", b"x-api-key: y\r\n", b"x: \x80\r\n",
        b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"5;a=b\r\n", b'5;a="\r\n',
        b"ffffffffffffffff\r\n", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n",
    ),
)  # fmt: skip
