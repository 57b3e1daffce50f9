"""What Ollama's `/api/chat` answers, whole or as lines of JSON: the deltas of both.

Every line is a piece of the answer, the last has `done`. A call comes whole; older versions give it
no id, so it gets one here, of what is said of it.
Source: docs.ollama.com/api/chat and .../streaming, 2026-11.
"""

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from gateway.chat import usage
from gateway.chat.deltas import (
    Begin,
    Broken,
    CallPart,
    Count,
    Delta,
    Finish,
    Logprobs,
    Reason,
    Reasoning,
    Text,
)
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.base import MAX_SAID, BadAnswer
from gateway.errors import Code
from gateway.wire import json

MAX_LINE: Final = 1 << 20  # bytes


class _Function(msgspec.Struct):
    name: str = ""
    arguments: Document | None = None


class _Call(msgspec.Struct):
    function: _Function
    id: str = ""


class _Message(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Piece(msgspec.Struct):
    message: _Message | None = None
    model: str = ""
    created_at: str = ""
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    prompt_eval_cached_count: int | None = None  # of these
    eval_count: int | None = None
    logprobs: list[Document] | None = None
    error: str | None = None


_piece: Final = msgspec.json.Decoder(_Piece).decode


class _Reading:
    """The pieces of one answer, in order."""

    def __init__(self) -> None:
        self._begun = False
        self._calls = 0

    def read(self, piece: _Piece) -> Iterator[Delta]:
        if not self._begun:
            self._begun = True
            yield Begin("", piece.model, _seconds(piece.created_at))
        message = piece.message or _Message()
        if message.thinking:
            yield Reasoning(0, message.thinking)
        if message.content:
            yield Text(0, message.content)
        for call in message.tool_calls or ():
            yield self._call(call, piece)
        if piece.logprobs:
            yield Logprobs(0, piece.logprobs)
        if piece.done:
            yield Finish(0, self._reason(piece.done_reason))
            yield from _count(piece)

    def _call(self, call: _Call, piece: _Piece) -> CallPart:
        slot = self._calls
        self._calls += 1
        given = json.write(call.function.arguments or {}).decode()
        told = f"{piece.created_at} {slot} {call.function.name} {given}"
        made = call.id or f"call_{sha256(told.encode()).hexdigest()[:16]}"
        return CallPart(0, slot, made, call.function.name, given)

    def _reason(self, said: str | None) -> Reason:
        if self._calls:
            return "tool_calls"
        return "length" if said == "length" else "stop"


def _seconds(date: str) -> int:
    """Unix seconds of an RFC 3339 date; 0 where it is none."""
    try:
        return max(0, int(msgspec.convert(date, datetime).timestamp()))
    except (msgspec.ValidationError, ValueError, OverflowError):
        return 0


def _count(piece: _Piece) -> Iterator[Count]:
    """A prompt that was all in the cache has no count."""
    if piece.prompt_eval_count is None and piece.eval_count is None:
        return
    told = piece.prompt_eval_count or 0
    cached = min(piece.prompt_eval_cached_count or 0, told)
    count = usage.sane(Usage(told, piece.eval_count or 0, cached))
    if count is not None:
        yield Count(count)


def whole(document: Document) -> Iterator[Delta]:
    """The deltas of a whole answer. Raises BadAnswer."""
    try:
        piece = msgspec.convert(document, _Piece)
    except msgspec.ValidationError:
        raise BadAnswer("the answer is not of Ollama's form") from None
    if piece.message is None or not piece.done:
        raise BadAnswer("the answer has no content")
    return _Reading().read(piece)


# ---- streams

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Reader:
    """One stream of lines."""

    def __init__(self) -> None:
        self._reading = _Reading()
        self._rest = b""
        self._broken = False
        self.done = False
        self.events = 0

    def feed(self, chunk: bytes) -> list[Delta]:
        deltas: list[Delta] = []
        if self._over():
            return deltas
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                deltas.extend(self._line(line))
            if self._over():
                return deltas
        if len(self._rest) > MAX_LINE:
            deltas.append(self._break(Code.RESPONSE_TOO_LARGE))
        return deltas

    def close(self) -> list[Delta]:
        """The last line may want its end."""
        if self._over():
            return []
        deltas = self._line(self._rest) if self._rest.rstrip().endswith(b"}") else []
        return deltas if self._over() else [*deltas, self._break(Code.STREAM_TRUNCATED)]

    def _over(self) -> bool:
        return self.done or self._broken

    def _break(self, code: Code, said: str = "") -> Broken:
        self._broken = True
        return Broken(code, said[:MAX_SAID])

    def _line(self, line: bytes) -> list[Delta]:
        if len(line) > MAX_LINE:
            return [self._break(Code.RESPONSE_TOO_LARGE)]
        try:
            line.decode()
            piece = _piece(line)
        except _UNREADABLE:
            return [self._break(Code.BAD_RESPONSE)]
        if json.has_monster(line):
            return [self._break(Code.BAD_RESPONSE)]
        self.events += 1
        if piece.error is not None:
            return [self._break(Code.UPSTREAM_ERROR, piece.error)]
        self.done = piece.done
        return list(self._reading.read(piece))
