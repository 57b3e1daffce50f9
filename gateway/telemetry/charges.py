"""What an exchange took, attempt by attempt: as the backend says, else as counted. And its price.

An attempt that reached a backend is charged, also one that was cut, cancelled or followed by
another; one that the backend refused, or that never got there, is not. Who wants to be told of a
backend's silence reads `estimated`.
"""

import math
from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.chat.operation import UNDERSTOOD, Operation
from gateway.chat.usage import Usage
from gateway.errors import Code
from gateway.policy import pricing
from gateway.telemetry.record import Attempt, Record

BYTES_PER_TOKEN: Final = 4  # of a request; English prose in JSON has about as many
# Ended before a backend had the request, or by the backend before it answered anything.
_FREE: Final = frozenset(
    {
        Code.CONNECT_FAILED,
        Code.CONNECT_TIMEOUT,
        Code.TLS_ERROR,
        Code.UPSTREAM_RESET,
        Code.PROTOCOL_ERROR,
        Code.NO_UPSTREAM,
    }
)


class Charge(msgspec.Struct, frozen=True, gc=False):
    attempt: Attempt
    number: int  # among the exchange's attempts, from 1
    usage: Usage | None  # None: nothing was counted
    estimated: bool
    usd: float | None  # None: the price is not known


def charges(record: Record) -> Iterator[Charge]:
    """One for each attempt that a backend will want money for."""
    last = len(record.attempts)
    for number, attempt in enumerate(record.attempts, 1):
        usage = attempt.usage
        if usage is None and number == last:
            usage = record.usage
        if usage is not None:
            if attempt.failure is not None and attempt.tokens > usage.output:  # said too early
                usage = msgspec.structs.replace(usage, output=attempt.tokens)
            yield Charge(attempt, number, usage, False, usd(attempt, usage))
        elif _charged(attempt):
            counted = _counted(attempt, record)
            yield Charge(attempt, number, counted, counted is not None, usd(attempt, counted))


def usd(attempt: Attempt, usage: Usage | None) -> float | None:
    """Dollars. Where nothing is counted, only an answer's own price is known."""
    price = attempt.price
    if price is None or (usage is None and not (price.request_usd or price.image_usd)):
        return None
    cost = pricing.cost(price, usage or Usage(), attempt.images)
    return cost if math.isfinite(cost) else None


def _charged(attempt: Attempt) -> bool:
    if attempt.asked_bytes is None:
        return False
    if attempt.status is None:
        return attempt.failure not in _FREE
    return 200 <= attempt.status < 300


def _counted(attempt: Attempt, record: Record) -> Usage | None:
    """What can be told from the bytes; of what is not understood, nothing."""
    if record.operation not in UNDERSTOOD:
        return None
    output = attempt.tokens  # also of a stream that came for others, too, where one reads it whole
    whole = attempt.first_at is not None and not record.stream and not output
    if whole and record.operation is not Operation.EMBEDDINGS:
        answers = sum(one.first_at is not None for one in record.attempts)  # one for each part
        output = record.sent_bytes // (BYTES_PER_TOKEN * answers)
    return Usage(-(-(attempt.asked_bytes or 0) // BYTES_PER_TOKEN), output)
