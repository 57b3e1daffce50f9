"""An exchange as most are: answered in full by the first target, or by nobody outside. One lookup
finds all the series it feeds and the parts of its log line that never change; the rest is a few
additions and one format.
"""

from typing import Final

import msgspec

from gateway.chat.usage import Usage
from gateway.telemetry.metrics import Histogram, Number
from gateway.telemetry.record import Attempt, Record

_encode: Final = msgspec.json.Encoder().encode
_LINE: Final = (
    b'{"ts":"%b","level":"info","event":"exchange","id":"%b",%b,"duration_s":%d.%06d,%b'
    b',"first_content_s":%d.%06d,"overhead_s":%d.%06d,"input_tokens":%d,"output_tokens":%d%b'
    b',"sent_bytes":%d,%b}'
)
_SHORT: Final = (
    b'{"ts":"%b","level":"info","event":"exchange","id":"%b",%b,"duration_s":%d.%06d,%b'
    b',"sent_bytes":%d,%b}'
)
MICRO: Final = 1_000_000


class Series(msgspec.Struct, frozen=True):
    """What an exchange of one kind adds to."""

    requests: Number
    complete: Number
    input_tokens: Number
    output_tokens: Number
    cost: Number | None  # None: the price is not known
    key_cost: Number
    unpriced: Number | None  # None: it is
    duration: Histogram
    overhead: Histogram
    attempt: Histogram
    first: Histogram
    gap: Histogram
    input: Histogram
    output: Histogram


class Usual:
    """One combination of what stays the same."""

    __slots__ = ("_asked", "_config", "_given", "_series")

    def __init__(self, series: Series, record: Record, target: str) -> None:
        self._series = series
        attempt = record.attempts[0]
        self._asked = _asked(record)
        given = _given(record)
        self._given = _members(**given, backend=attempt.backend, target=target, attempts=1)
        self._config = _members(config=record.config)

    def count(self, record: Record, attempt: Attempt, first_s: float, usd: float | None) -> None:
        """first_s: from the attempt to its first content; usd: what it cost."""
        series, usage = self._series, record.usage
        if usage is None:
            return
        duration_s = record.ended_at - record.started_at
        series.requests.value += 1
        series.complete.value += 1
        series.duration.observe(duration_s)
        series.overhead.observe(duration_s - record.waited_s)
        series.attempt.observe(attempt.ended_at - attempt.started_at)
        if record.stream:
            series.first.observe(first_s)
            if attempt.chunks > 1:
                gap_s = attempt.ended_at - attempt.started_at - first_s
                series.gap.observe(gap_s / (attempt.chunks - 1))
        series.input.observe(usage.input)
        series.output.observe(usage.output)
        series.input_tokens.value += usage.input
        series.output_tokens.value += usage.output
        if usd is not None and series.cost is not None:
            series.cost.value += usd
            series.key_cost.value += usd
        elif series.unpriced is not None:
            series.unpriced.value += 1

    def line(self, stamp: str, record: Record, first_s: float, usd: float | None) -> bytes:
        """The exchange's log line. first_s: from the request read to the first content."""
        usage = record.usage
        duration_s = record.ended_at - record.started_at
        took, first = int(duration_s * MICRO), int(first_s * MICRO)
        spent = max(0, int((duration_s - record.waited_s) * MICRO))
        return _LINE % (
            stamp.encode(),
            record.id.encode(),
            self._asked,
            took // MICRO,
            took % MICRO,
            _labelled(record, self._given),
            first // MICRO,
            first % MICRO,
            spent // MICRO,
            spent % MICRO,
            0 if usage is None else usage.input,
            0 if usage is None else usage.output,
            _parts(usage, usd),
            record.sent_bytes,
            self._config,
        )


class Unasked:
    """The same of what no backend was asked for: an answer from memory, mostly."""

    __slots__ = ("_asked", "_config", "_duration", "_given", "_requests")

    def __init__(self, requests: Number, duration: Histogram, record: Record) -> None:
        self._requests = requests
        self._duration = duration
        self._asked = _asked(record)
        self._given = _members(**_given(record))
        self._config = _members(config=record.config)

    def count(self, record: Record) -> None:
        self._requests.value += 1
        self._duration.observe(record.ended_at - record.started_at)

    def line(self, stamp: str, record: Record) -> bytes:
        took = int((record.ended_at - record.started_at) * MICRO)
        return _SHORT % (
            stamp.encode(),
            record.id.encode(),
            self._asked,
            took // MICRO,
            took % MICRO,
            _labelled(record, self._given),
            record.sent_bytes,
            self._config,
        )


def _asked(record: Record) -> bytes:
    return _members(
        operation=record.asked_for,
        model=record.model,
        status=record.status,
        outcome=record.outcome.value,
    )


def _given(record: Record) -> dict[str, object]:
    given: dict[str, object] = {"tenant": record.tenant, "key": record.key}
    if record.stream:
        given["stream"] = True
    if record.cache:
        given["cache"] = record.cache
    return given


def _labelled(record: Record, given: bytes) -> bytes:
    """With what is its own: the client's label was checked where it came in, and needs no escaping,
    nor does a key in hex.
    """
    if record.cache_key:
        given = b'"cache_key":"%b",%b' % (record.cache_key.encode(), given)
    if record.client_id is None:
        return given
    return b'"client_id":"%b",%b' % (record.client_id.encode(), given)


def _parts(usage: Usage | None, usd: float | None) -> bytes:
    """What few answers have to tell of their tokens, and what they cost."""
    told = b"" if usd is None else b',"cost_usd":%.9g' % usd
    if usage is not None and usage.cached:
        told += b',"cached_tokens":%d' % usage.cached
    if usage is not None and usage.cache_write:
        told += b',"cache_write_tokens":%d' % usage.cache_write
    if usage is not None and usage.reasoning:
        told += b',"reasoning_tokens":%d' % usage.reasoning
    return told


def _members(**facts: object) -> bytes:
    """The members of a JSON object, without its braces."""
    return _encode(facts)[1:-1]
