"""What Cohere's chat (v2) answers, whole or as events: the deltas of both.

A plan of tools (`tool_plan`) is read as reasoning. Citations stay as they are, in the message's
`citations`. Source: docs.cohere.com/v2/reference/chat and .../chat-stream, 2026-11.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from gateway.chat import usage
from gateway.chat.deltas import (
    Begin,
    Broken,
    CallPart,
    Count,
    Delta,
    Extra,
    Finish,
    Reason,
    Reasoning,
    Text,
)
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.base import MAX_SAID, BadAnswer
from gateway.errors import Code
from gateway.wire import json, sse

_REASONS: Final[dict[str, Reason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
}
_FAILED: Final = {"ERROR": Code.UPSTREAM_ERROR, "TIMEOUT": Code.UPSTREAM_TIMEOUT}


class _Tokens(msgspec.Struct, gc=False):
    input_tokens: float | None = None
    output_tokens: float | None = None


class _Usage(msgspec.Struct):
    tokens: _Tokens | None = None
    billed_units: _Tokens | None = None
    cached_tokens: float | None = None


class _Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: str = ""


class _Call(msgspec.Struct):
    id: str = ""
    function: _Function | None = None


class _Content(msgspec.Struct, gc=False):
    text: str | None = None
    thinking: str | None = None


class _Message(msgspec.Struct):
    content: list[_Content] | None = None
    tool_plan: str | None = None
    tool_calls: list[_Call] | None = None
    citations: list[Document] | None = None


class _Answer(msgspec.Struct):
    message: _Message
    finish_reason: str
    id: str = ""
    usage: _Usage | None = None


def whole(document: Document) -> Iterator[Delta]:
    """The deltas of a whole answer. Raises BadAnswer."""
    try:
        answer = msgspec.convert(document, _Answer)
    except msgspec.ValidationError:
        raise BadAnswer("the answer is not of Cohere's form") from None
    if answer.finish_reason in _FAILED:
        raise BadAnswer("the answer is an error")
    yield Begin(answer.id, "", 0)
    message = answer.message
    if message.tool_plan:
        yield Reasoning(0, message.tool_plan)
    for content in message.content or ():
        yield from _said(content)
    for slot, call in enumerate(message.tool_calls or ()):
        function = call.function or _Function()
        yield CallPart(0, slot, call.id, function.name, function.arguments)
    if message.citations:
        yield Extra(0, {"citations": message.citations})
    yield Finish(0, _REASONS.get(answer.finish_reason, "stop"))
    yield from _count(answer.usage)


def _said(content: _Content) -> Iterator[Delta]:
    if content.thinking:
        yield Reasoning(0, content.thinking)
    if content.text:
        yield Text(0, content.text)


def _count(said: _Usage | None) -> Iterator[Count]:
    """The model's own tokens; what is billed, where it says nothing else."""
    tokens = None if said is None else said.tokens or said.billed_units
    if said is None or tokens is None:
        return
    count = usage.sane(
        Usage(
            input=int(tokens.input_tokens or 0),
            output=int(tokens.output_tokens or 0),
            cached=min(int(said.cached_tokens or 0), int(tokens.input_tokens or 0)),
        )
    )
    if count is not None:
        yield Count(count)


# ---- streams


class _Kind(msgspec.Struct, gc=False):
    type: str = ""


class _Start(msgspec.Struct, gc=False):
    id: str | None = None


class _Said(msgspec.Struct, gc=False):
    content: _Content | None = None
    tool_plan: str | None = None


class _Calls(msgspec.Struct):
    tool_calls: _Call | None = None


class _Cites(msgspec.Struct):
    citations: Document | None = None


class _SaidDelta(msgspec.Struct, gc=False):
    message: _Said


class _CallsDelta(msgspec.Struct):
    message: _Calls


class _CitesDelta(msgspec.Struct):
    message: _Cites


class _SaidEvent(msgspec.Struct, gc=False):
    delta: _SaidDelta


class _CallsEvent(msgspec.Struct):
    delta: _CallsDelta
    index: int | None = None


class _CitesEvent(msgspec.Struct):
    delta: _CitesDelta


class _End(msgspec.Struct):
    finish_reason: str | None = None
    error: str | None = None
    usage: _Usage | None = None


class _EndEvent(msgspec.Struct):
    delta: _End


_kind: Final = msgspec.json.Decoder(_Kind).decode
_start: Final = msgspec.json.Decoder(_Start).decode
_said_event: Final = msgspec.json.Decoder(_SaidEvent).decode
_calls_event: Final = msgspec.json.Decoder(_CallsEvent).decode
_cites_event: Final = msgspec.json.Decoder(_CitesEvent).decode
_end_event: Final = msgspec.json.Decoder(_EndEvent).decode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


class Reader:
    """One stream of Cohere's."""

    def __init__(self) -> None:
        self._frames = sse.SseReader()
        self._slots: dict[int, int] = {}
        self._broken = False
        self.done = False
        self.events = 0
        self._kinds: dict[str, Callable[[bytes], Iterator[Delta]]] = {
            "message-start": self._begin,
            "content-start": self._say,
            "content-delta": self._say,
            "tool-plan-delta": self._say,
            "tool-call-start": self._call,
            "tool-call-delta": self._call,
            "citation-start": self._cite,
            "message-end": self._end,
        }

    def feed(self, chunk: bytes) -> list[Delta]:
        deltas: list[Delta] = []
        if self._over():
            return deltas
        try:
            for data in self._frames.feed(chunk):
                if data:
                    self.events += 1
                    deltas.extend(self._read(data))
                if self._over():
                    break
        except sse.SseError:
            deltas.append(self._break(Code.RESPONSE_TOO_LARGE))
        except _UNREADABLE:
            deltas.append(self._break(Code.BAD_RESPONSE))
        return deltas

    def close(self) -> list[Delta]:
        return [] if self._over() else [self._break(Code.STREAM_TRUNCATED)]

    def _over(self) -> bool:
        return self.done or self._broken

    def _break(self, code: Code, said: str = "") -> Broken:
        self._broken = True
        return Broken(code, said[:MAX_SAID])

    def _read(self, data: bytes) -> Iterator[Delta]:
        data.decode()
        if json.has_monster(data):
            raise ValueError("a number has too many digits")
        read = self._kinds.get(_kind(data).type)
        return iter(()) if read is None else read(data)

    def _begin(self, data: bytes) -> Iterator[Delta]:
        yield Begin(_start(data).id or "", "", 0)

    def _say(self, data: bytes) -> Iterator[Delta]:
        said = _said_event(data).delta.message
        if said.tool_plan:
            yield Reasoning(0, said.tool_plan)
        if said.content is not None:
            yield from _said(said.content)

    def _call(self, data: bytes) -> Iterator[Delta]:
        event = _calls_event(data)
        call = event.delta.message.tool_calls or _Call()
        function = call.function or _Function()
        slot = self._slots.setdefault(event.index or 0, len(self._slots))
        yield CallPart(0, slot, call.id, function.name, function.arguments)

    def _cite(self, data: bytes) -> Iterator[Delta]:
        cited = _cites_event(data).delta.message.citations
        if cited:
            yield Extra(0, {"citations": [cited]})

    def _end(self, data: bytes) -> Iterator[Delta]:
        end = _end_event(data).delta
        reason = end.finish_reason or ""
        if end.error or reason in _FAILED:
            yield self._break(_FAILED.get(reason, Code.UPSTREAM_ERROR), end.error or reason)
            return
        self.done = True
        yield Finish(0, _REASONS.get(reason, "stop"))
        yield from _count(end.usage)
