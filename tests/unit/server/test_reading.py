"""Bytes in, turns out: in any cutting, within bounds, and nothing after what cannot be read."""

import gc
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Code, GatewayError
from gateway.server import framing
from gateway.server.heads import Heads
from gateway.server.reading import MAX_PIPELINED, MAX_SKIPPED, Reader
from tests.unit.server.overheard import Reading, read
from tests.unit.server.speaking import chunked, get, post

STREAMS = [
    post("/echo", b"one") + get("/b") + chunked("/c", b"tw", b"o"),
    get("/a") + post("/no", b"skipped") + get("/b"),
    chunked("/a", b"x", end=b"0\r\nauthorization: no\r\nx: y\r\n\r\n") + get("/b"),
    get("/a") + b"POST /b HTTP/1.1\r\nhost: x\r\ncontent-length: +1\r\n\r\n1" + get("/c"),
    get("/a") + chunked("/b", b"1", end=b"-1\r\n\r\n") + get("/c"),
    get("/a", b"connection: close\r\n") + get("/b"),
    get("/a", b"upgrade: h2c\r\nconnection: upgrade\r\n") + get("/b"),
    b"\r\n\r\n" + get("/a") + b"\r\nget /b",
    get("/a", version="0.9") + get("/b"),
]


@given(st.sampled_from(STREAMS), st.data())
def test_any_cutting_of_the_bytes_gives_the_same_turns(stream: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    edges = sorted({0, *cuts, len(stream)})
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    assert read(*pieces).told() == read(stream).told()


@given(st.binary(max_size=400))
def test_garbage_is_refused_or_waited_with(garbage: bytes) -> None:
    turns = read(garbage).turns
    assert all(turn.error is not None for turn in turns if turn.ready)


def test_a_turn_is_its_head_and_its_body() -> None:
    (turn,) = read(post("/echo", b"hello")).turns
    assert turn.head is not None
    assert (turn.head.path, turn.held, turn.size) == (b"/echo", b"hello", 5)
    assert turn.ready
    assert turn.modern
    assert turn.keep


def test_a_body_in_one_read_is_not_copied() -> None:
    (turn,) = read(post("/echo", b"hello")).turns
    assert isinstance(turn.held, bytes)


def test_a_turn_is_not_ready_before_its_body_is_whole() -> None:
    reading = read(post("/echo", b"hello")[:-1])
    assert [turn.ready for turn in reading.turns] == [False]
    assert reading.calls == []
    reading.reader.feed(b"o")
    assert [turn.ready for turn in reading.turns] == [True]
    assert reading.calls == ["proceed"]


def test_an_upload_is_ready_with_its_head() -> None:
    (turn,) = read(post("/upload", b"hello")[:-5]).turns
    assert turn.ready
    assert not turn.whole


def test_names_are_lower_case_and_values_bare() -> None:
    (head,) = read(b"GET / HTTP/1.1\r\nHoSt:  x \t\r\nX-A: a  b \r\n\r\n").heads
    assert (head.header(b"host"), head.header(b"x-a")) == (b"x", b"a  b")


def test_trailers_say_nothing() -> None:
    trailers = b"0\r\nauthorization: Bearer x\r\nhost: y\r\nx-request-id: z\r\n\r\n"
    (turn,) = read(chunked("/echo", b"a", end=trailers)).turns
    assert turn.ready
    assert turn.head is not None
    assert turn.head.headers.keys() == {b"host"}


@pytest.mark.parametrize("name", [b"content-length", b"transfer-encoding"])
def test_trailers_do_not_frame(name: bytes) -> None:
    reading = read(chunked("/echo", b"a", end=b"0\r\n%b: 5\r\n\r\n" % name) + b"hello" + get("/b"))
    assert reading.told() == [(b"", b"", Code.BAD_FRAMING)]


# ---- refusals


def test_a_short_body_of_a_refused_request_is_read_past() -> None:
    reading = read(post("/no", b"x" * MAX_SKIPPED) + get("/a"))
    assert [code for _, _, code in reading.told()] == [Code.NOT_FOUND, None]
    assert all(turn.keep for turn in reading.turns)


@pytest.mark.parametrize(
    "asked",
    [
        post("/no", b"x" * (MAX_SKIPPED + 1)),
        chunked("/no", b"x"),
        post("/no", b"x", b"expect: 100-continue\r\n"),
        post("/echo", b"x", b"expect: the unexpected\r\n"),
    ],
    ids=["long", "chunks", "expecting", "expecting otherwise"],
)
def test_any_other_is_refused_with_its_head(asked: bytes) -> None:
    (turn,) = read(asked[: asked.index(b"\r\n\r\n") + 4]).turns
    assert turn.error is not None
    assert turn.ready
    assert not turn.keep


def test_a_fault_of_ours_is_told_as_one() -> None:
    (turn,) = read(get("/surprise") + get("/a")).turns
    assert turn.error is not None
    assert turn.error.code is Code.INTERNAL
    assert isinstance(turn.error.__cause__, ZeroDivisionError)


def test_a_body_too_long_in_chunks_ends_what_is_held() -> None:
    reading = read(chunked("/echo", *[b"x" * 65536] * 16, end=b""))
    assert reading.told() == []
    reading.reader.feed(b"1\r\nx\r\n")
    assert reading.told() == [(b"/echo", b"", Code.BODY_TOO_LARGE)]


def test_a_refusal_takes_the_place_of_the_request_that_was_being_read() -> None:
    reading = read(get("/a") + post("/b", b"12345")[:-2])
    reading.reader.refuse(GatewayError(Code.REQUEST_TIMEOUT, "too slow"))
    reading.reader.refuse(GatewayError(Code.INTERNAL, "only the first counts"))
    assert reading.told() == [(b"/a", b"", None), (b"", b"", Code.REQUEST_TIMEOUT)]


def test_after_a_stop_nothing_is_owed_and_nothing_understood() -> None:
    reading = read(get("/a") + get("/b"))
    reading.reader.stop()
    reading.reader.refuse(GatewayError(Code.INTERNAL, "too late"))
    assert reading.turns == []


# ---- bounds


def test_requests_sent_ahead_are_bounded() -> None:
    reading = read(get("/a") * MAX_PIPELINED)
    assert "pause" in reading.calls
    assert not reading.reader.deaf
    reading = read(get("/a") * 5000)
    assert len(reading.heads) < 200
    assert reading.told()[-1] == (b"", b"", Code.BAD_FRAMING)


@pytest.mark.parametrize(
    ("piece", "code"),
    [
        (b"\r\n", Code.HEADERS_TOO_LARGE),
        (b"GET /" + b"a" * 999, Code.URL_TOO_LONG),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 999, Code.HEADERS_TOO_LARGE),
        (b"GET / HTTP/1.1\r\n" + b"x" * 999, Code.HEADERS_TOO_LARGE),
    ],
    ids=["empty lines", "target", "value", "name"],
)
def test_a_head_that_never_ends_is_refused(piece: bytes, code: Code) -> None:
    reading = read(piece, *[piece[-1:] * 999 if len(piece) > 2 else piece * 500] * 60)
    assert reading.told() == [(b"", b"", code)]


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"1;", b"a" * 4000),
        (b"1;a=", b"a" * 4000),
        (b'1;a="', b"a" * 4000),
        (b"", b"1;" + b"a" * 400 + b"\r\nx\r\n"),
        (b"0\r\nx: ", b"a" * 4000),
        (b"0\r\n", b"x: y\r\n" * 600),
    ],
    ids=["extension name", "value", "quoted", "each", "trailer", "trailers"],
)
@pytest.mark.parametrize("path", ["/echo", "/upload"])
def test_framing_without_a_body_is_refused(path: str, begin: bytes, more: bytes) -> None:
    reading = read(chunked(path, end=begin), *[more] * 500)
    assert reading.reader.deaf
    assert reading.told()[-1][2] is Code.BAD_FRAMING


def test_chunks_of_one_byte_are_a_body_like_any_other() -> None:
    stream = chunked("/echo", *[b"x"] * 20_000)
    pieces = [stream[at : at + 1000] for at in range(0, len(stream), 1000)]
    assert read(*pieces).told() == [(b"/echo", b"x" * 20_000, None)]


def test_chunks_of_two_bytes_weigh_what_they_hold() -> None:
    stream = chunked("/echo", *[b"xy"] * 200_000)
    pieces = [stream[at : at + 65536] for at in range(0, len(stream), 65536)]
    tracemalloc.start()
    try:
        reading = read(*pieces)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(reading.turns[0].held) == 400_000
    assert grown < 1_000_000


def test_a_head_may_follow_a_long_body_in_one_read() -> None:
    """What is counted for one head is not held against the next."""
    stream = post("/echo", b"x" * (framing.MAX_HEAD * 3))
    reading = read(stream[:100], stream[100:] + get("/a")[:-2], b"\r\n")
    assert [path for path, _, _ in reading.told()] == [b"/echo", b"/a"]


@pytest.mark.parametrize("known", [None, Heads()])
def test_a_request_that_has_been_taken_is_let_go_of(known: Heads | None) -> None:
    """Its body would outlive its answer, on each idle connection."""
    reading = Reading()
    reader = Reader(reading, reading, known)
    reader.feed(post("/echo", b"a body"))
    turn = reader.turns.popleft()
    assert turn.whole
    assert [one for one in gc.get_referrers(turn) if one is reader or one is vars(reader)] == []
