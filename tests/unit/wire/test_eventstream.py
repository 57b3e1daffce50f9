"""AWS's event stream: botocore reads what we write, and we read all that it reads."""

import struct
from typing import Protocol, cast
from zlib import crc32

import pytest
from botocore import eventstream as theirs
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import eventstream
from gateway.wire.eventstream import EventStreamError, EventStreamReader, Message

_names = st.binary(min_size=1, max_size=20).map(lambda raw: raw.hex().encode())
_messages = st.builds(
    Message,
    st.dictionaries(_names, st.text(max_size=20).map(str.encode), max_size=4),
    st.binary(max_size=200),
)
HELLO = Message({b":event-type": b"messageStart"}, b'{"role":"assistant"}')


class _TheirMessage(Protocol):
    headers: dict[str, str]
    payload: bytes


@given(st.lists(_messages, max_size=4), st.integers(1, 60))
def test_any_cutting_gives_the_same_messages(messages: list[Message], size: int) -> None:
    data = b"".join(map(eventstream.encode, messages))
    reader = EventStreamReader()
    read = [
        message for at in range(0, len(data), size) for message in reader.feed(data[at : at + size])
    ]
    assert read == messages
    assert reader.between


@given(_messages)
def test_botocore_reads_what_we_write(message: Message) -> None:
    buffer = theirs.EventStreamBuffer()
    buffer.add_data(eventstream.encode(message))
    (read,) = cast(list[_TheirMessage], list(buffer))
    assert {k.encode(): v.encode() for k, v in read.headers.items()} == message.headers
    assert read.payload == message.payload


@given(st.binary(max_size=200), st.integers(0, 200))
def test_garbage_is_refused_or_waited_for(garbage: bytes, at: int) -> None:
    whole = eventstream.encode(HELLO)
    data = whole[:at] + garbage + whole[at:]
    reader = EventStreamReader()
    try:
        read = list(reader.feed(data))
    except EventStreamError:
        return
    assert all(message == HELLO for message in read)


@pytest.mark.parametrize("at", range(len(eventstream.encode(HELLO))))
def test_a_byte_that_changed_on_the_way_is_noticed(at: int) -> None:
    whole = bytearray(eventstream.encode(HELLO))
    whole[at] ^= 0x40
    with pytest.raises(EventStreamError):
        list(EventStreamReader().feed(bytes(whole)))


def test_a_message_that_would_be_too_large_is_refused_by_its_prelude() -> None:
    lengths = struct.pack("!II", eventstream.MAX_MESSAGE + 1, 0)
    with pytest.raises(EventStreamError) as caught:
        list(EventStreamReader().feed(lengths + struct.pack("!I", crc32(lengths))))
    assert caught.value.too_large


def _with_headers(raw: bytes) -> bytes:
    lengths = struct.pack("!II", 16 + len(raw), len(raw))
    whole = lengths + struct.pack("!I", crc32(lengths)) + raw
    return whole + struct.pack("!I", crc32(whole))


def test_other_kinds_of_headers_are_stepped_over() -> None:
    kinds = [
        (0, b""),
        (1, b""),
        (2, b"1"),
        (3, b"12"),
        (4, b"1234"),
        (5, b"12345678"),
        (6, b"\0\3abc"),
        (7, b"\0\2ok"),
        (8, b"12345678"),
        (9, b"1234567890123456"),
    ]
    raw = b"".join(b"\1%c%c%b" % (97 + kind, kind, value) for kind, value in kinds)
    (message,) = EventStreamReader().feed(_with_headers(raw))
    assert message == Message({b"h": b"ok"}, b"")
    buffer = theirs.EventStreamBuffer()
    buffer.add_data(_with_headers(raw))
    (read,) = cast(list[_TheirMessage], list(buffer))
    assert len(read.headers) == len(kinds)


@pytest.mark.parametrize("raw", [b"\1", b"\1a", b"\1a\x0a", b"\1a\7\0", b"\1a\7\0\5abc", b"\5ab"])
def test_headers_that_are_none_are_refused(raw: bytes) -> None:
    with pytest.raises(EventStreamError, match="headers"):
        list(EventStreamReader().feed(_with_headers(raw)))


def test_a_message_shorter_than_its_headers_is_refused() -> None:
    lengths = struct.pack("!II", 12, 0)
    with pytest.raises(EventStreamError, match="shorter"):
        list(EventStreamReader().feed(lengths + struct.pack("!I", crc32(lengths))))
