"""Which reads are one whole request, and which heads are known again."""

import pytest

from gateway.server.heads import MAX_HEAD, Heads, Request, whole
from gateway.wire.http import RequestHead
from tests.unit.server import overheard

HEAD = (
    b"POST /v1/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer k\r\n"
    b"Content-Length: %d\r\nA: b\r\n\r\n"
)


def request(body: bytes = b"hello", head: bytes = HEAD) -> bytes:
    return head % len(body) + body


class Made(overheard.Request):
    def __init__(self, *, current: bool = True, max_body_bytes: int = 1 << 20) -> None:
        super().__init__(buffered=True)
        self.current = current
        self.max_body_bytes = max_body_bytes


def split(data: bytes) -> Request:
    found = whole(data)
    assert found is not None
    return found


def test_a_read_that_is_one_request_is_known_for_it() -> None:
    found = split(request())
    assert (found.length, request()[found.body_at :]) == (5, b"hello")


def test_only_the_length_may_differ() -> None:
    assert split(request(b"x")).digest == split(request(b"y" * 999)).digest
    for other in (b"b\r\n\r\n", b"Host: h", b"Bearer k", b"/v1/x"):
        head = HEAD.replace(
            other, other.replace(b"h", b"H").replace(b"b", b"c").replace(b"/", b"//")
        )
        if head != HEAD:
            assert split(request(head=head)).digest != split(request()).digest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"POST",
        request()[:-1],
        request() + b"x",
        request() + request(),
        request().replace(b"Content-Length", b"X-Wavelength"),
        request().replace(b"A: b", b"Content-Length: 5"),
        request().replace(b"Host: h", b"X-Strength: 3"),
        request().replace(b": 5", b":5"),
        request().replace(b": 5", b": +5"),
        request().replace(b": 5", b": 5 "),
        request().replace(b": 5", b": \xb2"),
        request().replace(b": 5", b": " + b"0" * 30 + b"5"),
        request().replace(b"Content-Length", b"cONTENT-LENGTH"),
        request().replace(b"POST", b"PUT"),
        request().replace(b"A: b", b"A: " + b"b" * MAX_HEAD),
        request().replace(b"\r\n", b"\n"),
    ],
)
def test_whatever_else_goes_the_strict_way(data: bytes) -> None:
    found = whole(data)
    # One may be whole all the same, as when a header stands there twice: then it is another head.
    assert found is None or found.digest != split(request()).digest


def head(**headers: bytes) -> RequestHead:
    fields = {name.encode().replace(b"_", b"-"): value for name, value in headers.items()}
    return RequestHead(b"POST", b"/v1/x", b"", fields, 5)


def test_a_head_is_known_while_the_door_says_so() -> None:
    heads, found, made = Heads(), split(request()), Made()
    assert heads.known(found) is None
    heads.keep(found, head(), made)
    known = heads.known(found)
    assert known is not None
    assert known.admitted is made
    made.current = False
    assert heads.known(found) is None


def test_a_body_that_is_too_large_is_refused_the_strict_way() -> None:
    heads = Heads()
    heads.keep(split(request()), head(), Made(max_body_bytes=5))
    assert heads.known(split(request(b"12345"))) is not None
    assert heads.known(split(request(b"123456"))) is None


def test_what_is_another_each_time_is_not_kept() -> None:
    heads = Heads()
    heads.keep(split(request()), head(x_request_id=b"1"), Made())
    assert heads.known(split(request())) is None


def test_there_are_never_more_than_so_many() -> None:
    heads = Heads()
    for number in range(3000):
        one = split(request(head=HEAD.replace(b"A: b", b"A: %d" % number).replace(b"%%", b"%")))
        heads.keep(one, head(), Made())
    assert len(heads._known) <= 1024
