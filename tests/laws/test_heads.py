"""A head that is known again is read as the strict way reads it: same requests, same refusals."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Code
from gateway.server.heads import Heads
from gateway.server.reading import Reader
from gateway.wire.http import RequestHead
from tests.unit.server import overheard

Told = tuple[bytes, int | None, bytes, dict[bytes, bytes], int, bool, Code | None]


class Made(overheard.Request):
    current = True


class Reading(overheard.Reading):
    """Answers each request at once, as far as its reader can tell."""

    def __init__(self, known: Heads | None) -> None:
        super().__init__()
        self.reader = Reader(self, self, known)
        self.all: list[Told] = []

    def admit(self, head: RequestHead) -> Made:
        super().admit(head)
        return Made(buffered=head.path != b"/upload")

    def proceed(self) -> None:
        turns = self.reader.turns
        while turns and turns[0].ready:
            turn = turns.popleft()
            head = turn.head
            self.all.append(
                (
                    b"" if head is None else head.method + head.path + head.query,
                    None if head is None else head.length,
                    bytes(turn.held),
                    {} if head is None else head.headers,
                    turn.size,
                    turn.keep,
                    None if turn.error is None else turn.error.code,
                )
            )


NAMES = st.sampled_from(["Content-Length", "content-length", "CONTENT-LENGTH", "X-Wavelength"])
HEADERS = st.lists(
    st.sampled_from(
        [
            "Host: h",
            "Authorization: Bearer k",
            "authorization: Bearer l",
            "Content-Type: application/json",
            "X-Length: 3",
            "content-length: 2",
            "Transfer-Encoding: chunked",
            "Connection: close",
            "Connection: keep-alive",
            "Expect: 100-continue",
            "X-Request-Id: 7",
            "Upgrade: h2c",
        ]
    ),
    max_size=5,
)
PATHS = st.sampled_from(["/v1/chat/completions", "/v1/x?y", "/no", "/upload"])


CHUNKED = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
PLAIN = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    body = draw(st.binary(max_size=12))
    if draw(st.booleans()):  # the plainest, of any length: what is most often known again
        return b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    length = draw(st.sampled_from(["", "0"])) + str(len(body) + draw(st.sampled_from([0, 0, 0, 1])))
    lines = [f"POST {draw(PATHS)} HTTP/1.{draw(st.sampled_from('111110'))}", "Host: h"]
    lines += draw(HEADERS)
    lines.insert(draw(st.integers(1, len(lines))), f"{draw(NAMES)}: {length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@st.composite
def reads(draw: st.DrawFn) -> list[bytes]:
    """What comes over one connection: few kinds of requests, again and again; some cut or bent."""
    kinds = draw(st.lists(requests(), min_size=1, max_size=3))
    pieces: list[bytes] = []
    for data in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=8)):
        match draw(st.sampled_from(["whole", "whole", "whole", "cut", "bent", "two", "behind"])):
            case "cut":
                at = draw(st.integers(0, len(data)))
                pieces += [data[:at], data[at:]]
            case "bent":
                at = draw(st.integers(0, len(data) - 1))
                pieces.append(data[:at] + draw(st.binary(min_size=1, max_size=2)) + data[at + 1 :])
            case "two":
                pieces.append(data + data)
            case "behind":
                pieces.append(draw(st.sampled_from([CHUNKED, *kinds])) + data)
            case _:
                pieces.append(data)
    return [piece for piece in pieces if piece]


def told(pieces: list[bytes], known: Heads | None) -> tuple[list[Told], bool]:
    reading = Reading(known)
    for data in pieces:
        if not reading.reader.deaf:
            reading.reader.feed(data)
    return reading.all, reading.reader.deaf


@settings(max_examples=600)
@given(st.lists(reads(), min_size=1, max_size=3))
def test_known_heads_change_nothing(connections: list[list[bytes]]) -> None:
    """Several connections of one process: what one has taught, the next one knows."""
    known = Heads()
    for pieces in connections:
        assert told(pieces, known) == told(pieces, None)


def test_a_known_head_has_the_length_of_the_body_at_hand() -> None:
    known = Heads()
    reading = Reading(known)
    for body in (b"", b"a", b"bcd"):
        reading.reader.feed(
            b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
    assert [(length, held, headers) for _, length, held, headers, *_ in reading.all] == [
        (0, b"", {b"host": b"h"}),
        (1, b"a", {b"host": b"h"}),
        (3, b"bcd", {b"host": b"h"}),
    ]
    assert len(reading.heads) == 1


def test_nothing_is_known_behind_a_request_that_was_to_be_the_last() -> None:
    again, last = (
        b"POST /v1/x HTTP/1.%d\r\nHost: h\r\nContent-Length: 1\r\n\r\na" % minor for minor in (1, 0)
    )
    reading = Reading(Heads())
    for data in (again, again, last, again):
        reading.reader.feed(data)
    assert [error for *_, error in reading.all] == [None, None, None, Code.BAD_FRAMING]
    assert reading.reader.deaf


@pytest.mark.parametrize("first", [CHUNKED, b"GET /v1/x HTTP/1.1\r\nHost: h\r\n\r\n", PLAIN])
def test_two_requests_of_one_read_are_two_each_time(first: bytes) -> None:
    reading = Reading(Heads())
    for _ in range(3):
        reading.reader.feed(first + PLAIN)
    assert len(reading.all) == 6


def test_heads_that_come_again_are_known() -> None:
    reading = Reading(Heads())
    for _ in range(5):
        reading.reader.feed(PLAIN)
    assert len(reading.all) == 5
    assert len(reading.heads) == 1  # the door was asked once
