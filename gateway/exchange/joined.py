"""The answers to the parts of one request, as the one answer that its client gets.

Each part is answered into an outlet of its own, in the client's language; what it says is read,
numbered anew and written again, streams in whatever order they come.
"""

from typing import Final

from gateway.chat.deltas import Broken
from gateway.chat.document import Document
from gateway.chat.operation import Operation
from gateway.dialects.base import BadAnswer
from gateway.dialects.openai_completion_parts import Parts
from gateway.errors import Code, GatewayError
from gateway.exchange.ask import Ask
from gateway.exchange.taps import Outlet, Source, Voice
from gateway.policy.failures import RULES
from gateway.runtime.languages import READ
from gateway.wire import json

_SPOKEN: Final = READ[Operation.COMPLETION]


class Joined:
    """What the client gets of all of them."""

    def __init__(self, ask: Ask, parts: Parts, document: Document, outlet: Outlet) -> None:
        self._ask = ask
        self._parts = parts
        self._document = document
        self._outlet = outlet
        self._stream = parts.stream()
        self._writer = ask.client.writer(document)
        self._head = b""
        self._answers: dict[int, Document] = {}
        self._sources: dict[int, Source] = {}  # of the parts under way
        self._paused = False
        self.error: GatewayError | None = None  # which ends them all
        self.outlets = [PartOutlet(self, part) for part in range(len(parts))]
        if ask.stream:
            outlet.voice = self

    @property
    def reason(self) -> GatewayError | None:
        """Why a part is ended by us, where it is."""
        return self.error or self._outlet.reason

    def error_event(self, error: GatewayError) -> bytes:
        return self._writer.fail(error)

    # ---- what the parts say

    def came(self, part: int, headers: bytes, body: bytes) -> None:
        try:
            self._answers[part] = _SPOKEN.read_response(json.document(body))
        except (BadAnswer, json.JsonError):
            self._break(Code.BAD_RESPONSE)
        self._head = self._head or headers

    def began(self, headers: bytes) -> None:
        if not self._outlet.started:
            self._outlet.begin(200, headers)
            self._outlet.events = True
        self._outlet.draw_from(self)

    def told(self, part: int, data: bytes) -> None:
        """In whatever order they come."""
        if self.error is not None:
            return  # nothing follows a failure
        deltas = self._stream.feed(part, self.outlets[part].reader.feed(data))
        for at, delta in enumerate(deltas):
            if isinstance(delta, Broken):
                self._break(delta.code)
                deltas = deltas[:at]
                break
        said = self._writer.write(deltas)
        if said:
            self._outlet.push(said)

    def _break(self, code: Code) -> None:
        """A part has an answer that went for one, and cannot be read."""
        self.error = self.error or GatewayError(code, RULES[code].shows)

    def end(self) -> None:
        """All have been heard."""
        if self._ask.stream:
            last = self._writer.write(self._stream.close())
            self._outlet.end(last + self._writer.close())
            return
        answers = [self._answers[part] for part in range(len(self._parts))]
        merged = self._parts.merged(answers)
        body = json.write(self._ask.client.write_response(merged, self._document))
        self._outlet.whole(200, self._head, body)

    # ---- the client's pace is everybody's

    def draw(self, part: int, source: Source) -> None:
        self._sources[part] = source
        if self._paused:
            source.pause()

    def drawn(self, part: int) -> None:
        """It has nothing more to say."""
        self._sources.pop(part, None)

    def pause(self) -> None:
        self._paused = True
        for source in self._sources.values():
            source.pause()

    def resume(self) -> None:
        self._paused = False
        for source in list(self._sources.values()):
            source.resume()

    async def drained(self) -> None:
        await self._outlet.drained()


class PartOutlet:
    """What one part's answer is written to."""

    def __init__(self, joined: Joined, part: int) -> None:
        self._joined = joined
        self._part = part
        self.reader = _SPOKEN.reader()
        self.events = False
        self.promised = self.beat = b""
        self.started = self.finished = False
        self.bytes_sent = 0

    @property
    def voice(self) -> Voice:
        """Its own: an error is the whole answer's, and told once."""
        return self

    @voice.setter
    def voice(self, voice: Voice) -> None: ...

    def error_event(self, error: GatewayError) -> bytes:
        self._joined.error = self._joined.error or error
        return b""

    @property
    def reason(self) -> GatewayError | None:
        return self._joined.reason

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        self.started = self.finished = True
        self.bytes_sent = len(body)
        self._joined.came(self._part, headers, body)

    def begin(self, status: int, headers: bytes, length: int | None = None) -> None:
        self.started = True
        self._joined.began(headers)

    def push(self, data: bytes) -> None:
        if not self.finished:
            self.bytes_sent += len(data)
            self._joined.told(self._part, data)

    def end(self, data: bytes = b"", *, keep: bool = True) -> None:
        if keep:
            self.push(data)
        self.cut()

    def cut(self) -> None:
        self.finished = True
        self._joined.drawn(self._part)

    def draw_from(self, source: Source) -> None:
        self._joined.draw(self._part, source)

    async def drained(self) -> None:
        await self._joined.drained()
