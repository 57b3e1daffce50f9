"""The heads of our answers: what a backend's may carry over, what the gateway says of itself."""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.chat.operation import Operation
from gateway.errors import GatewayError, Origin
from gateway.telemetry.record import Record
from gateway.wire.http import Headers, printable

JSON: Final = b"content-type: application/json\r\n"
EVENTS: Final = (
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\n"
    b"x-accel-buffering: no\r\n"  # nginx in front of us must not gather chunks
)
_CARRIED: Final = frozenset({b"openai-processing-ms", b"openai-version", b"openai-model"})
_LIMITS: Final = frozenset(
    {
        b"x-ratelimit-limit-requests",
        b"x-ratelimit-limit-tokens",
        b"x-ratelimit-remaining-requests",
        b"x-ratelimit-remaining-tokens",
        b"x-ratelimit-reset-requests",
        b"x-ratelimit-reset-tokens",
    }
)
# Whose SDK looks for the id of a request under `request-id` (docs.anthropic.com/en/api/errors).
_ANTHROPIC: Final = (Operation.MESSAGES, Operation.COUNT_TOKENS)
MAX_DROPPED: Final = 1024  # bytes
_KIND: Final = frozenset({b"content-type", b"content-disposition"})
# By whether the answer says how limits of ours stand: a backend's are no use beside them.
_ALLOWED: Final = {False: _CARRIED | _LIMITS, True: _CARRIED}
_RELAYED: Final = {ours: names | _KIND for ours, names in _ALLOWED.items()}


def carried(
    headers: Headers, record: Record, table: Mapping[bool, frozenset[bytes]] = _ALLOWED
) -> bytes:
    """The backend's header lines that clients may see."""
    allowed = table[bool(record.limits)]
    return b"".join(
        [
            b"%b: %b\r\n" % (name, value)
            for name, value in headers
            if name in allowed and printable(value)
        ]
    )


def relayed(headers: Headers, record: Record) -> bytes:
    return carried(headers, record, _RELAYED)


def own(record: Record, model_header: bytes, waiting_s: float = 0.0) -> bytes:
    """What the gateway says of an answer: its id, who gave it, after how many tries, and how long
    the gateway itself took. waiting_s: for the backend, in an attempt that is still going on.
    """
    spent_s = time.monotonic() - record.started_at - record.waited_s - waiting_s
    if record.operation in _ANTHROPIC:
        model_header += b"request-id: %b\r\n" % record.id.encode()
    if record.dropped:
        model_header += dropped(record.dropped)
    if record.cache:
        model_header += b"x-gateway-cache: %b\r\n" % record.cache.encode()
        if record.cache_key:
            model_header += b"x-gateway-cache-key: %b\r\n" % record.cache_key.encode()
        if record.cache_reason:
            model_header += b"x-gateway-cache-reason: %b\r\n" % record.cache_reason.encode()
    return (
        b"x-request-id: %b\r\n%b%bx-gateway-attempts: %d\r\nserver-timing: gateway;dur=%.3f\r\n"
        % (
            record.id.encode(),
            record.limits,
            model_header,
            len(record.attempts),
            spent_s * 1e3,
        )
    )


def age(made_at: float) -> bytes:
    """How long ago a remembered answer was made (RFC 9111 5.1). made_at: unix seconds."""
    return b"age: %d\r\n" % max(0, int(time.time() - made_at))


def identity(record: Record) -> bytes:
    """The exchange's id, under the name by which the client's SDK looks for it."""
    line = b"x-request-id: %b\r\n" % record.id.encode()
    return line + line[2:] if record.operation in _ANTHROPIC else line


def dropped(fields: Iterable[str]) -> bytes:
    """The fields that could not be carried, by name."""
    names = ", ".join(fields).encode("ascii", "backslashreplace")[:MAX_DROPPED]
    return b"x-gateway-dropped: %b\r\n" % names if printable(names) else b""


def promised(record: Record) -> bytes:
    """The head of a stream of which nothing more is known yet."""
    return EVENTS + identity(record) + record.limits


def error_head(error: GatewayError, record: Record) -> bytes:
    head = b"%b%b%b%b" % (JSON, identity(record), record.limits, error.headers)
    if record.attempts:
        head += b"x-gateway-attempts: %d\r\n" % len(record.attempts)
    if error.retry_after_s is not None:
        wait_s = error.retry_after_s
        head += b"retry-after: %d\r\n" % max(1, math.ceil(wait_s))
        if error.origin is Origin.POLICY:  # a limit of ours: we know it to the millisecond
            head += b"retry-after-ms: %d\r\n" % math.ceil(wait_s * 1000)
    if error.final:
        head += b"x-should-retry: false\r\n"
    return head
