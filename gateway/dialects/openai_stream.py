"""OpenAI's streamed chat and completion chunks, watched as they pass.

A chunk is passed on as it came once all its events have been checked: each is one JSON object of
valid UTF-8. Whatever ends a stream too early, or in an error, is seen here and nowhere else.
Source: platform.openai.com/docs/api-reference/chat-streaming, 2026-11.
"""

import math
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.chat.usage import Usage
from gateway.chat.usage import read as read_usage
from gateway.errors import Code
from gateway.wire import json, sse

_NOTHING: Final = msgspec.Raw(b"")


class _Delta(msgspec.Struct, gc=False):
    content: msgspec.Raw = _NOTHING
    reasoning_content: msgspec.Raw = _NOTHING
    reasoning: msgspec.Raw = _NOTHING
    refusal: msgspec.Raw = _NOTHING
    tool_calls: msgspec.Raw = _NOTHING
    function_call: msgspec.Raw = _NOTHING
    audio: msgspec.Raw = _NOTHING


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None  # some vendors say "" until the end
    index: int | None = 0


class _Event(msgspec.Struct, gc=False):
    choices: Sequence[_Choice] | None = None
    usage: object = None  # null in every event but one, where a vendor is asked for it
    error: object = None


class _OpeningChoice(_Choice, gc=False):
    delta: _Delta | None = None
    text: msgspec.Raw = _NOTHING


class _Opening(_Event, gc=False):
    """An event before the first content: read closely."""

    choices: list[_OpeningChoice] | None = None


_USUAL: Final = _Event([_Choice()])  # one choice, with more to come, and nothing else to say


class _Odd(msgspec.Struct, gc=False):
    """An event without choices: read once more."""

    object: msgspec.Raw = _NOTHING


_event: Final = msgspec.json.Decoder(_Event).decode
_opening: Final = msgspec.json.Decoder(_Opening).decode
_odd: Final = msgspec.json.Decoder(_Odd).decode
_TEXT: Final = re.compile(rb'(?:content|text)": ?"')  # behind it a string's characters begin
_CHARACTERS: Final = bytes(
    set(range(0x20, 0x7F)) - set(b'"\\')
)  # that may stand in one as they are
_SHAPES: Final = 16  # learned in one stream; where they keep changing there is none
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_EMPTY: Final = frozenset({b"", b"null", b'""', b"[]", b"{}"})


class _Shape:
    """The last usual event around its text. The same bytes around another text are as usual.

    Valid JSON has `content":"` only where a string begins behind a key; whatever plain characters
    stand in it, nothing else of the event changes. So such events are not parsed again.
    """

    __slots__ = ("_between", "_end", "_left", "_size", "_start", "around", "end", "start")

    def __init__(self) -> None:
        self.start = self.end = b""
        self.around = self._size = math.inf  # bytes around the text: of data, of the whole event
        self._start = self._end = self._between = b""
        self._left = _SHAPES

    def learn(self, event: bytes) -> None:
        found = _TEXT.search(event) if self._left and len(event) <= json.MONSTER else None
        if found is None:
            return
        begin = found.end()
        end = event.index(b'"', begin)
        if event.find(b"\\", begin, end) < 0:
            self.start, self.end = event[:begin], event[end:]
            self.around = len(self.start) + len(self.end)
            self._start, self._end = b"data: " + self.start, self.end + b"\n\n"
            self._between = self._end + self._start
            self._size = len(self._between)
            self._left -= 1

    def alike(self, chunk: bytes) -> int:
        """How many events chunk is, if it is nothing but events of this shape."""
        text = chunk.removeprefix(self._start).removesuffix(self._end)
        if len(text) != len(chunk) - self._size or len(chunk) > sse.MAX_EVENT:
            return 0
        if not text.translate(None, _CHARACTERS):
            return 1
        texts = text.split(self._between)
        return len(texts) if _are_plain(texts) else 0


def _are_plain(texts: list[bytes]) -> bool:
    """Whether all may stand in a string of JSON as they are."""
    text = b" ".join(texts)
    strange = text.translate(None, _CHARACTERS)
    if not strange:
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return min(strange) >= 0x80


class Watch:
    """One upstream stream. feed() gives what may be passed on; the rest is read off afterwards."""

    __slots__ = (
        "_choices",
        "_finished",
        "_reader",
        "_shape",
        "_silent",
        "_withhold_usage",
        "broken",
        "content",
        "done",
        "error",
        "events",
        "usage",
    )

    def __init__(self, *, withhold_usage: bool, choices: int = 1) -> None:
        self._withhold_usage = withhold_usage  # we asked for it, the client did not
        self._reader: sse.SseReader | None = None
        self._shape = _Shape()
        self._choices = choices  # as many were asked for; more if the stream has more
        self._finished: set[int] = set()  # the choices that have said why they ended
        self._silent = 0  # events before the first content
        self.events = 0
        self.content = False  # the first content has been seen
        self.done = False  # [DONE] has been seen; whatever follows is dropped
        self.error = b""  # the upstream's error event, raw
        self.broken: Code | None = None  # why nothing more can be passed on
        self.usage: Usage | None = None

    @property
    def tokens(self) -> int:
        """As counted here, an event with content a token, whatever the upstream says it took."""
        return self.events - self._silent

    @property
    def complete(self) -> bool:
        """May this stream end here and be called whole?"""
        return self.done or len(self._finished) >= self._choices

    @property
    def unfinished(self) -> bool:
        """It stopped within an event that was to say something."""
        if self._reader is None or self._reader.between:
            return False
        left = self._reader.unfinished.strip()
        said = left and not left.startswith(b":")
        return bool(said) and left.removeprefix(b"data:").strip() != b"[DONE]"

    def feed(self, chunk: bytes) -> bytes:
        """What of chunk may be passed on now."""
        if not chunk or self.done or self.broken is not None:
            return b""
        if self._reader is None or self._reader.between:
            alike = self._shape.alike(chunk) if self.content else 0
            if alike:
                self.events += alike
                return chunk
            done = chunk.endswith(sse.DONE)
            rest = chunk[: -len(sse.DONE)] if done else chunk
            events = sse.plain(rest) if rest else ()
            if events is not None:
                taken = self._plain(events, self._shape) or self._plain(events, _Shape())
                if taken == len(events):
                    self.done = done
                    return chunk
                at = sum(map(len, events[:taken])) + taken * sse.PLAIN
                if taken == len(events) - 1 and self._keeps_back(events[taken]):
                    self.done = done
                    return chunk[:at] + sse.DONE if done else chunk[:at]
                return chunk[:at] + self._careful(chunk[at:])
        return self._careful(chunk)

    def close(self) -> bytes | None:
        """The upstream has ended: what is still to be said, or None if that was too early."""
        if self.done:
            return b""
        whole = self.complete and not self.unfinished and self.broken is None
        return sse.DONE if whole else None

    def _plain(self, data: Sequence[bytes], shape: _Shape) -> int:
        """The fast way for whole events in the plain form: how many could take it."""
        content, start, end, around = self.content, shape.start, shape.end, shape.around
        telling: list[_Event] = []
        texts: list[bytes] = []
        silent = taken = 0
        for one in data:
            text = one.removeprefix(start).removesuffix(end)
            if content and len(text) == len(one) - around:
                texts.append(text)
                taken += 1
                continue
            try:
                event = _checked(one) if content else _opened(one)
            except _UNREADABLE:
                break
            if self._stands_out(event) or (len(one) > json.MONSTER and json.has_monster(one)):
                break
            taken += 1
            if isinstance(event, _Opening):
                telling.append(event)
                content = _has_content(event)
                silent += not content
            elif event != _USUAL:
                telling.append(event)
            else:
                shape.learn(one)
                start, end, around = shape.start, shape.end, shape.around
        if texts and not _are_plain(texts):
            return 0
        self.content = content
        self._silent += silent
        self.events += taken
        for event in telling:
            self._note(event)
        return taken

    def _stands_out(self, event: _Event) -> bool:
        """Whether an event may end the stream, or not be for the client."""
        return event.choices is None or event.error is not None or self._withheld(event)

    def _withheld(self, event: _Event) -> bool:
        return self._withhold_usage and not event.choices and event.usage is not None

    def _keeps_back(self, data: bytes) -> bool:
        """Takes an event that the client did not ask for, if this is one."""
        try:
            event = _checked(data)
        except _UNREADABLE:
            return False
        odd = event.error is not None or event.choices is None or json.has_monster(data)
        if odd or not self._withheld(event):
            return False
        self._count(event)
        return True

    def _careful(self, chunk: bytes) -> bytes:
        """Any legal form, event by event, written again in the plain one."""
        if self._reader is None:
            self._reader = sse.SseReader(begun=self.events > 0)
        out: list[bytes] = []
        try:
            for data in self._reader.feed(chunk):
                if data and not self._one(data, self._reader.name, out):
                    break
        except sse.SseError:
            self.broken = Code.RESPONSE_TOO_LARGE
        return b"".join(out)

    def _one(self, data: bytes, name: bytes, out: list[bytes]) -> bool:
        """Passes one event on, or not; False if it is the last that counts."""
        if data.strip() == b"[DONE]":
            self.done = True
            out.append(sse.DONE)
            return False
        try:
            event = _checked(data)
            erroneous = name == b"error" or _is_error(event, data)
            content = self.content or (not erroneous and _has_content(_opening(data)))
        except _UNREADABLE:
            self.broken = Code.BAD_RESPONSE
            return False
        if erroneous:
            self.error, self.broken = data, Code.UPSTREAM_ERROR
            return False
        if json.has_monster(data):
            self.broken = Code.BAD_RESPONSE
            return False
        self.content = content
        self._count(event)
        if not self._withheld(event):
            out.append(sse.encode(data))
        return True

    def _count(self, event: _Event) -> None:
        self.events += 1
        self._silent += not self.content
        self._note(event)

    def _note(self, event: _Event) -> None:
        for choice in event.choices or ():
            index = choice.index or 0
            if index >= self._choices:
                self._choices = index + 1
            if choice.finish_reason:
                self.content = True
                if index >= 0:
                    self._finished.add(index)
        if event.usage is not None:
            self.usage = read_usage(msgspec.Raw(json.write(event.usage))) or self.usage


def _checked(data: bytes) -> _Event:
    """Raises one of _UNREADABLE."""
    _check_text(data)
    return _event(data)


def _opened(data: bytes) -> _Opening:
    """The same, read more closely."""
    _check_text(data)
    return _opening(data)


def _check_text(data: bytes) -> None:
    """Raises UnicodeDecodeError; msgspec looks into no string that it leaves as it is."""
    if not data.isascii():
        data.decode()


def _is_error(event: _Event, data: bytes) -> bool:
    """In OpenAI's shape, or in that of older vLLM: {"object":"error","message":...}."""
    if event.error is not None:
        return True
    return event.choices is None and bytes(_odd(data).object) == b'"error"'


def _has_content(event: _Opening) -> bool:
    for choice in event.choices or ():
        if choice.finish_reason or _says(choice.text):
            return True
        delta = choice.delta
        if delta is not None and (
            _says(delta.content)
            or _says(delta.reasoning_content)
            or _says(delta.reasoning)
            or _says(delta.refusal)
            or _says(delta.tool_calls)
            or _says(delta.function_call)
            or _says(delta.audio)
        ):
            return True
    return False


def _says(value: msgspec.Raw) -> bool:
    return value is not _NOTHING and bytes(value) not in _EMPTY
