"""The bytes of heads: what we write is always well formed."""

import pytest

from gateway.wire import http


def test_a_status_line_has_our_phrase() -> None:
    assert http.status_line(200) == b"HTTP/1.1 200 OK\r\n"
    assert http.status_line(429) == b"HTTP/1.1 429 Too Many Requests\r\n"
    assert http.status_line(529) == b"HTTP/1.1 529 Overloaded\r\n"


@pytest.mark.parametrize("status", [299, 499, 599])
def test_a_status_without_a_phrase_gets_one(status: int) -> None:
    assert http.status_line(status) == b"HTTP/1.1 %d Unknown\r\n" % status


def test_no_interim_status_is_among_the_lines() -> None:
    assert min(http.STATUS_LINES) == 200


def test_headers_become_lines() -> None:
    assert http.lines([(b"a", b"1"), (b"b", b"")]) == b"a: 1\r\nb: \r\n"
    assert http.lines([]) == b""


@pytest.mark.parametrize("value", [b"", b"a b", b"!~", bytes(range(0x20, 0x7F))])
def test_visible_ascii_may_stand_in_a_head(value: bytes) -> None:
    assert http.printable(value)


@pytest.mark.parametrize("byte", [*range(0x20), *range(0x7F, 0x100)])
def test_no_other_byte_may(byte: int) -> None:
    assert not http.printable(b"a%cb" % byte)


def test_the_first_of_several_headers_is_found() -> None:
    assert http.first([(b"a", b"1"), (b"b", b"2"), (b"b", b"3")], b"b") == b"2"
    assert http.first([], b"b") is None


def test_a_head_knows_its_headers() -> None:
    head = http.RequestHead(b"POST", b"/v1", b"", {b"host": b"h"}, None)
    assert head.header(b"host") == b"h"
    assert head.header(b"expect") is None


def test_a_chunk_says_its_size() -> None:
    assert http.chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert http.LAST_CHUNK == b"0\r\n\r\n"
