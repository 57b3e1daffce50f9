"""Lines, events and their limits. Cuttings are in tests/laws/test_stream.py."""

import pytest

from gateway.wire import sse


def _events(*chunks: bytes, limit: int = sse.MAX_EVENT) -> list[bytes]:
    reader = sse.SseReader(limit)
    return [event for chunk in chunks for event in reader.feed(chunk)]


@pytest.mark.parametrize(
    ("chunk", "events"),
    [
        (b"data: x\n\n", [b"x"]),
        (b"data: x\n\ndata: y\n\n", [b"x", b"y"]),
        (sse.DONE, [b"[DONE]"]),
        (b"data:  x \n\n", [b" x "]),
        (b"data: a\\nb\n\n", [b"a\\nb"]),
        (b"data: \n\n", [b""]),
    ],
)
def test_the_plain_form_is_taken_apart_at_once(chunk: bytes, events: list[bytes]) -> None:
    assert sse.plain(chunk) == events
    assert _events(chunk) == events


@pytest.mark.parametrize(
    "chunk",
    [
        b"",
        b"\n\n",
        b"data: x",
        b"data: x\n",
        b"data:x\n\n",
        b"data: x\r\n\r\n",
        b"data: x\n\ndata:y\n\n",
        b"data: x\n\n\ndata: y\n\n",
        b"data: x\n\ndata: y",
        b"data: {\n}\n\n",
        b"data: {\n\n}\n\n",
        b"data: x\ndata: y\n\n",
        b": ping\n\n",
        b"data: x\n\n: ping\n\n",
        b"data: x\nid: 1\n\n",
        b"event: error\ndata: x\n\n",
        b" data: x\n\n",
        b"\xef\xbb\xbfdata: x\n\n",
        b"data: %b\n\n" % (b"x" * sse.MAX_EVENT),
    ],
)
def test_whatever_else_is_not_plain(chunk: bytes) -> None:
    assert sse.plain(chunk) is None


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data:a\n\n", [b"a"]),
        (b"data\n\n", [b""]),
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\r\n", [b"a", b"b", b"c"]),
        (b"data: a\r\n\n", [b"a"]),
        (b": comment\ndata: a\n: more\n\n", [b"a"]),
        (b"id: 7\nevent: delta\nretry: 100\ndata: a\n\n", [b"a"]),
        (b"dat: a\ndatax: b\n data: c\n\n", []),
        (b"\n\n\n\ndata: a\n\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"\n\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
        (b"data: a\n\ndata: lost\n", [b"a"]),
        (b"data: \xff\x00\n\n", [b"\xff\x00"]),
    ],
)
def test_an_event_stream_is_read_as_the_standard_says(stream: bytes, events: list[bytes]) -> None:
    assert _events(stream) == events
    assert _events(*(stream[at : at + 1] for at in range(len(stream)))) == events


def test_the_kind_of_an_event_is_there_while_it_passes() -> None:
    reader = sse.SseReader()
    stream = b"event: error\ndata: a\n\ndata: b\n\nevent: x\n\ndata: c\n\nevent:ping\ndata\n\n"
    kinds = [(event, reader.name) for event in reader.feed(stream)]
    assert kinds == [(b"a", b"error"), (b"b", b""), (b"c", b""), (b"", b"ping")]


def test_what_is_left_of_an_event_can_be_seen() -> None:
    reader = sse.SseReader()
    assert list(reader.feed(b"data: a\n\n")) == [b"a"]
    for piece, left in ((b"da", b"da"), (b"ta:a\n", b"data: a\n"), (b"b", b"data: a\nb")):
        assert list(reader.feed(piece)) == []
        assert not reader.between
        assert reader.unfinished == left


@pytest.mark.parametrize("before", [b"", b"\n", b"data: a\n\n", b"id: 1\n", b": ping\n"])
def test_between_two_events_any_may_follow(before: bytes) -> None:
    reader = sse.SseReader()
    assert len(list(reader.feed(before))) <= 1
    assert reader.between


@pytest.mark.parametrize("before", [b"d", b"data\n", b"event: error\n", b": pin", b"data: a\n\ni"])
def test_within_an_event_only_its_rest_may_follow(before: bytes) -> None:
    reader = sse.SseReader()
    assert len(list(reader.feed(before))) <= 1
    assert not reader.between


def test_the_beginning_of_a_byte_order_mark_is_not_between_events() -> None:
    reader = sse.SseReader()
    assert list(reader.feed(b"\xef")) == []
    assert not reader.between
    assert list(reader.feed(b"\xbb\xbfdata: a\n\n")) == [b"a"]


def test_a_reader_that_begins_later_knows_no_byte_order_mark() -> None:
    assert list(sse.SseReader(begun=True).feed(b"\xef\xbb\xbfdata: a\n\n")) == []


@pytest.mark.parametrize(
    "stream",
    [
        b"data: %b\n\n" % (b"x" * 95),
        b"data: %b" % (b"x" * 95),
        b": %b\n" % (b"x" * 99),
        b"%b\n" % (b"x" * 101),
        b"data: xxxxx\n" * 17 + b"\n",
    ],
)
def test_what_is_larger_than_the_limit_is_refused_in_any_cutting(stream: bytes) -> None:
    whole, pieces = [stream], [stream[at : at + 1] for at in range(len(stream))]
    for chunks in (whole, pieces):
        with pytest.raises(sse.SseError):
            _events(*chunks, limit=100)


def test_up_to_the_limit_nothing_is_refused() -> None:
    assert _events(b"data: %b\n\n" % (b"x" * 94), limit=100) == [b"x" * 94]
    assert (
        _events(b"data: xxxx\n" * 20 + b"\n" + b"data: xxxx\n" * 20 + b"\n", limit=100)
        == [b"\n".join([b"xxxx"] * 20)] * 2
    )


def test_what_came_before_the_limit_was_passed_is_given() -> None:
    events = sse.SseReader(limit=100).feed(b"data: a\n\ndata: %b\n\n" % (b"x" * 200))
    assert next(events) == b"a"
    with pytest.raises(sse.SseError):
        next(events)


@pytest.mark.parametrize("data", [b"", b"x", b"a\nb", b"\n", b" a"])
def test_what_is_encoded_is_read_again(data: bytes) -> None:
    assert _events(sse.encode(data)) == [data]
