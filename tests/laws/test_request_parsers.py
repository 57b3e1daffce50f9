"""Two readers of one request, ours and aiohttp's: where they differ, we refuse, and know why.

A proxy in front of us may read as either does. So whatever both take for requests must be the same
requests, byte for byte; ours may stop earlier, for a reason in WHY, and never goes further.
aiohttp's reader is its C parser, with the limits that its server sets.
"""

import asyncio
from dataclasses import dataclass

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import example, given

from gateway.errors import Code
from tests.journeys.hostile import BODY, ROWS, SMUGGLED, Row, ask, sized
from tests.journeys.spoilt import GOOD, spoilt
from tests.unit.server.overheard import Reading, read

# What we refuse and aiohttp's reader takes. It leaves to others what a head means.
WHY = {
    Code.BAD_FRAMING: "chunked is the only transfer-encoding, and what frames a body stands once",
    Code.BAD_HEADER: "an upgrade is refused, not ignored",
    Code.BAD_HOST: "one host, and a proper one (RFC 9112 3.2); aiohttp looks when asked for it",
    Code.BAD_TARGET: "a path and nothing else: we are no proxy of the open kind",
    Code.BAD_VERSION: "a request line without a version is HTTP/0.9",
    Code.METHOD_NOT_ALLOWED: "no tunnel, no echo",
    Code.HEADERS_TOO_LARGE: "100 lines and 32 kB in all; aiohttp takes 128 lines of 8 kB",
    Code.URL_TOO_LONG: "8192 bytes; aiohttp draws the line at 8190",
    Code.INVALID_API_KEY: "two credentials are none",
    Code.EXPECTATION: "only 100-continue; aiohttp answers that later",
    Code.BODY_TOO_LARGE: "the door knows the limit before the body comes; aiohttp's handler does",
}


@dataclass(frozen=True, slots=True)
class Understood:
    requests: list[tuple[bytes, bytes, bytes]]  # method, target, body: whole ones
    refused: object = None  # why it went no further, where that was refused


def ours(data: bytes) -> Understood:
    reading: Reading = read(data)
    found: list[tuple[bytes, bytes, bytes]] = []
    for turn in reading.turns:
        if turn.error is not None:
            assert turn is reading.turns[-1], "something was understood behind a refusal"
            return Understood(found, turn.error.code)
        head = turn.head
        if head is None or not turn.whole:
            break
        target = head.path + (b"?" + head.query if head.query else b"")
        found.append((head.method, target, bytes(turn.held)))
    return Understood(found)


def theirs(data: bytes) -> Understood:
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(
            BaseProtocol(loop), loop, 1 << 24, max_line_size=8190, max_field_size=8190
        )
        found: list[tuple[bytes, bytes, bytes]] = []
        try:
            messages, _, _ = parser.feed_data(data)
        except (HttpProcessingError, ValueError) as error:
            # All at once or nothing: what stood before the fault is lost, so it is asked for alone.
            return Understood([], error)
        for message, payload in messages:
            if payload.exception() is not None or not payload.is_eof():
                return Understood(found, payload.exception())
            target = message.path.encode("utf-8", "surrogateescape").removesuffix(b"?")
            found.append((message.method.encode(), target, payload.read_nowait()))
        return Understood(found)
    finally:
        loop.close()


def agreed(data: bytes) -> None:
    here, there = ours(data), theirs(data)
    if there.refused is not None:
        # They say what is wrong first; whatever we took has to be right when it stands alone.
        _each_alone(here)
        return
    assert here.requests == there.requests[: len(here.requests)]
    if len(here.requests) < len(there.requests):
        assert here.refused in WHY, (here, there)


def _each_alone(here: Understood) -> None:
    for method, target, body in here.requests:
        line = b"%b %b HTTP/1.1" % (method, target)
        assert theirs(sized(body, line=line, auth=b"")).requests == [(method, target, body)]


@pytest.mark.parametrize("stream", GOOD)
def test_both_understand_what_is_right(stream: bytes) -> None:
    assert ours(stream).requests == theirs(stream).requests != []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_hostile_is_the_same_to_both_or_refused_here(row: Row) -> None:
    if b"content-encoding" not in row.data:  # aiohttp inflates; ours leaves that to the door
        agreed(row.data)


@given(spoilt())
@example(ask(b"transfer-encoding: gzip, chunked\r\n", b"0\r\n\r\n" + SMUGGLED))
@example(ask(b"transfer-encoding: ,chunked\r\n", b"0\r\n\r\n" + SMUGGLED))
@example(ask(b"x: y\r\n" * 99 + b"content-length: 62\r\n", BODY + SMUGGLED))
@example(sized(BODY, line=b"POST http://elsewhere/ HTTP/1.1") + SMUGGLED)
def test_what_is_spoilt_is_the_same_to_both_or_refused_here(data: bytes) -> None:
    agreed(data)
