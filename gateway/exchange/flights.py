"""One upstream call for all who ask the same at the same time.

A flight is nobody's own: it is a task with a side to write to like a client's, and everyone who
wants its answer, the first one included, has a seat. When the last one has left, the flight ends.
Whoever's record holds the attempts pays for them; when that one leaves, the next one does.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Final, Protocol

import msgspec

from gateway.chat import usage
from gateway.chat.document import Document
from gateway.chat.fold import Folding
from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.dialects.base import BadAnswer
from gateway.errors import Code, GatewayError
from gateway.exchange.ask import Ask
from gateway.exchange.taps import Source, Voice
from gateway.exchange.understood import Understood
from gateway.policy.caching import Entry
from gateway.policy.failures import RULES
from gateway.runtime.languages import READ
from gateway.telemetry.logs import Log
from gateway.telemetry.record import Outcome, Record
from gateway.wire import json

_FINGERPRINT: Final = re.compile(rb'"system_fingerprint"\s*:\s*"([\w.:-]{1,128})"')
Road = Callable[["Flight"], Coroutine[object, object, None]]
MAX_FLIGHT: Final = 64 * 1024 * 1024  # bytes of an answer under way


class Aboard(Protocol):
    """Somebody who waits for the answer."""

    record: Record

    def told(self) -> None:
        """More has come, or all."""


class Flight:
    """The outlet of a call that several wait for: keeps what is written, and tells the seats."""

    blocked = False
    finished = False
    started = False
    events = False
    reason: GatewayError | None = None
    promised = beat = b""
    voice: Voice  # every seat has its own

    def __init__(self, ask: Ask, record: Record) -> None:
        self.ask = ask  # the first one's
        self.record = record
        self.status = 0
        self.chunks: list[bytes] = []  # in the first one's language
        self.bytes_sent = 0
        self.whole_body: bytes | None = None
        self.errand: Understood | None = None  # what its call is about; None: not asked yet
        self.found: Entry | None = None  # the answer, where another process has had it
        self.over = False
        self.stopped = False  # nobody wants it any more, or nobody may have it: it is being ended
        self.error: GatewayError | None = None
        self.seats: list[Aboard] = []
        self._payer: Aboard | None = None
        self._task: asyncio.Task[None] | None = None

    # ---- the road's calls

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        self.status, self.whole_body = status, body
        self.started = True
        self.bytes_sent = len(body)

    def begin(self, status: int, headers: bytes, length: int | None = None) -> None:
        self.status = status
        self.started = True

    def push(self, data: bytes) -> None:
        if self.error is not None or not data:
            return
        self.bytes_sent += len(data)
        if self.bytes_sent > MAX_FLIGHT:
            self.error = self.reason = GatewayError(
                Code.RESPONSE_TOO_LARGE, "the answer is too large"
            )
            self.over = True
            self._stop()
        else:
            self.chunks.append(data)
        self._tell()

    def end(self, data: bytes = b"", *, keep: bool = True) -> None:
        """keep: False behind a failure, which each seat tells in its own words."""
        if keep and data:
            self.push(data)

    def cut(self) -> None:
        self.finished = True

    async def drained(self) -> None:
        """There is always room."""

    def draw_from(self, source: Source) -> None:
        """Nobody's pace is the flight's: what comes is kept."""

    # ---- its task

    def depart(self, road: Road, log: Log) -> None:
        self._task = asyncio.get_running_loop().create_task(self._fly(road, log))

    async def _fly(self, road: Road, log: Log) -> None:
        try:
            await road(self)
        except GatewayError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - a door: the seats must not wait for ever
            self.error = GatewayError(Code.INTERNAL, "the gateway failed on this request")
            payer = self.record if self._payer is None else self._payer.record
            log.surprise("exchange_failed", error, id=payer.id)
        finally:
            self.arrive()

    def arrive(self) -> None:
        """Nothing more comes: every seat has its end."""
        self.over = True
        code = self.record.code
        if self.found is not None and self._payer is not None:  # another process has paid for it
            self._payer.record.cache = "shared"
        if self.error is None and code is not None:  # told in the stream, of which this is the end
            self.error = GatewayError(code, RULES[code].shows)
        if self._payer is not None:
            self._pay(self._payer)
        self._tell()

    def _tell(self) -> None:
        for seat in list(self.seats):
            seat.told()

    # ---- who is aboard

    def board(self, seat: Aboard) -> None:
        self.seats.append(seat)
        if self._payer is None:
            self._payer = seat
            seat.record.attempts = self.record.attempts

    async def leave(self, seat: Aboard) -> None:
        """The last one to leave ends the flight and sees its end: its attempts, which are then that
        one's, tell what they took only there.
        """
        self.seats.remove(seat)
        if not self.seats and not self.over:
            self._stop()
        try:
            if self.stopped and self._task is not None:
                await asyncio.wait([self._task])
        finally:
            self._hand_over(seat)

    def _stop(self) -> None:
        self.stopped = True
        if self._task is not None:
            # Once it has begun: a task that is cancelled before never gets to its finally.
            asyncio.get_running_loop().call_soon(self._task.cancel)

    def _hand_over(self, seat: Aboard) -> None:
        """To the next one, while there is one."""
        if seat is self._payer and not self.over:
            self._pay(seat)
            if self.seats:
                seat.record.attempts, seat.record.usage = [], None
                self._payer = self.seats[0]
                self._payer.record.attempts = self.record.attempts
                self._payer.record.cache = "miss"

    def _pay(self, seat: Aboard) -> None:
        seat.record.attempts = self.record.attempts
        seat.record.usage = self.record.usage
        seat.record.waited_s = seat.record.limit_wait_s + self.record.waited_s

    # ---- what came of it

    @property
    def complete(self) -> bool:
        return self.over and self.error is None and self.record.outcome is Outcome.COMPLETE

    @property
    def spoken(self) -> Operation:
        """In whose words the answer comes: OpenAI's chat where it is translated."""
        if self.errand is not None and self.errand.translated and self.errand.teller is not None:
            return Operation.CHAT
        return self.ask.operation

    @property
    def says_usage(self) -> bool:
        return self.spoken is self.ask.operation and self.ask.head.wants_usage

    @property
    def used(self) -> Usage | None:
        if self.found is not None:
            return usage.of(self.found.answer.get("usage"))
        return self.record.usage

    @property
    def fingerprint(self) -> str:
        """What the backend says of its configuration, where its answer has not been translated."""
        said = b"".join(self.chunks[:4]) if self.whole_body is None else self.whole_body
        found = _FINGERPRINT.search(said)
        return "" if found is None else found[1].decode()

    def answer(self) -> Document | None:
        """The whole answer in the lingua franca; None where there is none to be kept."""
        if self.found is not None:
            return self.found.answer
        read = READ[self.spoken]
        try:
            if self.whole_body is not None:
                found = json.document(self.whole_body)
                if "choices" in found or "data" not in found:
                    found = read.read_response(found)
            else:
                reader, folding = read.reader(), Folding()
                for delta in [*reader.feed(b"".join(self.chunks)), *reader.close()]:
                    folding.add(delta)
                found = folding.answer
        except (BadAnswer, json.JsonError, ValueError):
            return None
        if self.record.usage is not None and "choices" in found:
            found = {**found, "usage": usage.written(self.record.usage)}
        return found


class Flights(msgspec.Struct):
    """All flights under way in this process, by what is asked."""

    by_key: dict[bytes, Flight] = {}

    def find(self, key: bytes) -> Flight | None:
        """key: b"" for a call that nobody shares."""
        flight = self.by_key.get(key)
        return None if flight is None or flight.over or flight.stopped else flight
