"""Anthropic's events and content blocks, read into deltas.

Blocks that only Anthropic's own tools make (server_tool_use and the like) fall away: nobody can
have asked for those tools through a translation. Citations come at the end of their block, with
the place that they have in the whole text.
Source: platform.claude.com/docs/en/build-with-claude/streaming and .../citations, 2026-11.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gateway.chat.deltas import (
    BYTES_A_TOKEN,
    Begin,
    Broken,
    CallPart,
    Count,
    Delta,
    Extra,
    Finish,
    Reasoning,
    Refusal,
    Text,
)
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects import anthropic
from gateway.dialects.anthropic import Counts, Wrong
from gateway.dialects.base import MAX_SAID
from gateway.errors import Code
from gateway.wire import json, sse

# ---- what lies on the wire


class _Block(msgspec.Struct, gc=False):
    type: str
    text: str | None = None
    citations: list[Document] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Document | None = None


class _StopDetails(msgspec.Struct, gc=False):
    explanation: str | None = None


class _Change(msgspec.Struct, gc=False):
    """Of a block, or of the message."""

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: Document | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _StopDetails | None = None


class _Opened(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: Counts | None = None


class _Event(msgspec.Struct, gc=False):
    type: str
    index: int | None = None
    delta: _Change | None = None
    content_block: _Block | None = None
    message: _Opened | None = None
    usage: Counts | None = None
    error: Wrong | None = None


class _Whole(msgspec.Struct, gc=False):
    content: list[_Block]
    type: str | None = None
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _StopDetails | None = None
    usage: Counts | None = None


_event: Final = msgspec.json.Decoder(_Event).decode
_PIECE: Final = b"event: content_block_delta\ndata: {"  # how most frames begin
_CR: Final = 13  # as a number: bytes are looked for in bytes several times slower
_PIECE_DATA: Final = len(_PIECE) - 1
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


# ---- blocks


class _Blocks:
    """The content blocks of one message, one after the other."""

    __slots__ = ("_block", "_calls", "_cited", "_fed", "_length", "_signature", "_start")

    def __init__(self) -> None:
        self._block = _Block("")  # the one that is open
        self._calls = 0
        self._cited: list[Document] = []  # of this block
        self._fed = False  # it has had a piece of its arguments
        self._length = 0  # characters of text so far
        self._signature = ""
        self._start = 0

    def open(self, block: _Block, out: list[Delta]) -> None:
        self._block = block
        match block.type:
            case "text":
                self._start = self._length
                self._cited = list(block.citations or ())
                if block.text:
                    self.text(block.text, out)
            case "thinking":
                self._signature = block.signature or ""
                if block.thinking:
                    out.append(Reasoning(0, block.thinking))
            case "redacted_thinking":
                out.append(Reasoning(0, redacted=block.data or ""))
            case "tool_use":
                self._fed = False
                out.append(CallPart(0, self._calls, block.id or "", block.name or ""))

    def text(self, text: str, out: list[Delta]) -> None:
        self._length += len(text)
        out.append(Text(0, text))

    def change(self, change: _Change, out: list[Delta]) -> None:
        kind = self._block.type
        match change.type:
            case "text_delta" if change.text and kind == "text":
                self.text(change.text, out)
            case "input_json_delta" if change.partial_json and kind == "tool_use":
                self._fed = True
                out.append(CallPart(0, self._calls, arguments=change.partial_json))
            case "thinking_delta" if change.thinking and kind == "thinking":
                out.append(Reasoning(0, change.thinking))
            case "signature_delta" if change.signature and kind == "thinking":
                self._signature += change.signature
            case "citations_delta" if change.citation and kind == "text":
                self._cited.append(change.citation)

    def shut(self, out: list[Delta]) -> None:
        block, self._block = self._block, _Block("")
        match block.type:
            case "thinking" if self._signature:
                out.append(Reasoning(0, signature=self._signature))
            case "tool_use":
                if not self._fed:  # some say it all at once
                    arguments = json.write(block.input or {}).decode()
                    out.append(CallPart(0, self._calls, arguments=arguments))
                self._calls += 1
            case "text" if self._cited:
                start, end = self._start, self._length
                notes = [anthropic.annotation(one, start, end) for one in self._cited]
                out.append(Extra(0, {"annotations": notes}))


def _ended(said: _Change | _Whole) -> Iterator[Delta]:
    if said.stop_details is not None and said.stop_details.explanation:
        yield Refusal(0, said.stop_details.explanation)
    yield Finish(0, anthropic.reason(said.stop_reason or ""), said.stop_sequence or "")


def whole(document: Document) -> list[Delta]:
    """The deltas of a whole message. Raises msgspec.ValidationError."""
    message = msgspec.convert(document, _Whole)
    out: list[Delta] = [Begin(message.id or "", message.model or "", 0)]
    blocks = _Blocks()
    for block in message.content:
        blocks.open(block, out)
        blocks.shut(out)
    out.extend(_ended(message))
    count = anthropic.counted(message.usage) if message.usage else None
    if count is not None:
        out.append(Count(count))
    return out


# ---- the stream


class Reader:
    """One upstream's events, up to message_stop."""

    def __init__(self) -> None:
        self._sse = sse.SseReader()
        self._blocks = _Blocks()
        self.usage: Usage | None = None
        self._begun = False
        self._finished = False
        self._broken = False
        self.done = False
        self.events = 0

    def feed(self, chunk: bytes) -> list[Delta]:
        out: list[Delta] = []
        if self.done or self._broken:
            return out
        try:
            for data in self._datas(chunk):
                self._check(data)
                if not self._one(_event(data), out):
                    break
        except sse.SseError:
            self._break(Broken(Code.RESPONSE_TOO_LARGE), out)
        except _UNREADABLE:
            self._break(Broken(Code.BAD_RESPONSE), out)
        return out

    def close(self) -> list[Delta]:
        if self.done or self._broken:
            return []
        self._broken = True
        return [Broken(Code.STREAM_TRUNCATED)]

    def glance(self, frame: bytes) -> int:
        """For who passes frames on (`watched.py`): a piece of text or of thinking. Where citations
        stand is nothing to them, so the text is not added up.
        """
        if not frame.startswith(_PIECE) or frame.count(b"\n") != 3 or _CR in frame:
            return 0
        data = frame[_PIECE_DATA:]
        try:
            self._check(data)
            event = _event(data)
        except _UNREADABLE:
            return 0
        change = event.delta
        if event.type != "content_block_delta" or change is None:
            return 0
        said = change.text if change.type == "text_delta" else change.thinking
        if not said:
            return 0
        self.events += 1
        return max(1, len(said) // BYTES_A_TOKEN)

    # ---- inside

    def _datas(self, chunk: bytes) -> Iterable[bytes]:
        if self._sse.between and self.events:  # before the first event a byte order mark may stand
            datas = _plain(chunk)
            if datas is not None:
                return datas
        return (data for data in self._sse.feed(chunk) if data)

    @staticmethod
    def _check(data: bytes) -> None:
        """What a typed reader skips over."""
        if not data.isascii():
            data.decode()
        if len(data) > json.MONSTER and json.has_monster(data):
            raise msgspec.DecodeError("a number has too many digits")

    def _break(self, broken: Broken, out: list[Delta]) -> None:
        self._broken = True
        out.append(broken)

    def _one(self, event: _Event, out: list[Delta]) -> bool:
        """False if it is the last that counts."""
        self.events += 1
        match event.type:
            case "content_block_delta" if event.delta is not None:
                self._blocks.change(event.delta, out)
            case "content_block_start" if event.content_block is not None:
                self._blocks.open(event.content_block, out)
            case "content_block_stop":
                self._blocks.shut(out)
            case "message_start" if event.message is not None:
                self._begin(event.message, out)
            case "message_delta" if event.delta is not None:
                self._change(event.delta, event.usage, out)
            case "message_stop":
                self._stop(out)
                return False
            case "error":
                error = event.error or Wrong()
                said = (error.message or "")[:MAX_SAID]
                self._break(Broken(anthropic.code_of(error), said), out)
                return False
        return True

    def _begin(self, message: _Opened, out: list[Delta]) -> None:
        if not self._begun:
            self._begun = True
            out.append(Begin(message.id or "", message.model or "", 0))
            self._count(message.usage, out)

    def _change(self, change: _Change, counts: Counts | None, out: list[Delta]) -> None:
        if change.stop_reason and not self._finished:
            self._finished = True
            out.extend(_ended(change))
        self._count(counts, out)

    def _count(self, counts: Counts | None, out: list[Delta]) -> None:
        count = anthropic.counted(counts, self.usage) if counts is not None else None
        if count is not None:
            self.usage = count
            out.append(Count(count))

    def _stop(self, out: list[Delta]) -> None:
        if self._finished:
            self.done = True
        else:  # it never said why
            self._break(Broken(Code.BAD_RESPONSE), out)


def _plain(chunk: bytes) -> list[bytes] | None:
    """The data of all events in chunk; None if they are not all whole and as Anthropic writes
    them: `event: kind`, `data: {...}`, a blank line.
    """
    if not chunk.endswith(b"\n\n") or b"\r" in chunk or len(chunk) > sse.MAX_EVENT:
        return None
    datas: list[bytes] = []
    for frame in chunk[:-2].split(b"\n\n"):
        kind, _, data = frame.partition(b"\ndata: ")
        if not kind.startswith(b"event: ") or b"\n" in kind or not data or b"\n" in data:
            return None
        datas.append(data)
    return datas
