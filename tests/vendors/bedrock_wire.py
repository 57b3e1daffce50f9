"""Bedrock's bytes: streams of events, as ConverseStream frames them."""

from collections.abc import Iterable

from gateway.wire import eventstream, json
from gateway.wire.eventstream import Message

STREAM_HEAD = b"content-type: application/vnd.amazon.eventstream\r\n"


def event(kind: str, document: object) -> bytes:
    headers = {
        b":event-type": kind.encode(),
        b":content-type": b"application/json",
        b":message-type": b"event",
    }
    return eventstream.encode(Message(headers, json.write(document)))


def exception(kind: str, message: str) -> bytes:
    headers = {
        b":exception-type": kind.encode(),
        b":content-type": b"application/json",
        b":message-type": b"exception",
    }
    return eventstream.encode(Message(headers, json.write({"message": message})))


def stream(events: Iterable[tuple[str, object]]) -> bytes:
    return b"".join(event(kind, document) for kind, document in events)
