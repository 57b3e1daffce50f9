"""What Converse answers, whole or as a stream of events: the deltas of both.

A stream's events are binary frames around JSON, one kind for each step of a block; an exception is
a frame too. Converse gives answers neither id nor date.
Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html, 2026-11.
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
from gateway.wire import json
from gateway.wire.eventstream import EventStreamError, EventStreamReader, Message

REASONS: Final[dict[str, Reason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_MALFORMED: Final = ("malformed_model_output", "malformed_tool_use")


class _Usage(msgspec.Struct, gc=False, rename="camel"):
    input_tokens: int = 0  # but for those read from the cache or written to it
    output_tokens: int = 0
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class _ToolUse(msgspec.Struct, gc=False, rename="camel"):
    tool_use_id: str = ""
    name: str = ""


class _ReasoningText(msgspec.Struct, gc=False):
    text: str = ""
    signature: str | None = None


class _Said(msgspec.Struct, gc=False):
    text: str = ""


class _Cited(msgspec.Struct):
    content: list[_Said] = []
    citations: list[Document] = []


class _ReasoningBlock(msgspec.Struct, rename="camel"):
    reasoning_text: _ReasoningText | None = None
    redacted_content: str = ""


class _Use(msgspec.Struct, rename="camel"):
    tool_use_id: str
    name: str
    input: Document | None = None


class _Block(msgspec.Struct, rename="camel"):
    text: str = ""
    tool_use: _Use | None = None
    reasoning_content: _ReasoningBlock | None = None
    citations_content: _Cited | None = None


class _Message(msgspec.Struct):
    content: list[_Block]


class _Output(msgspec.Struct):
    message: _Message


class _More(msgspec.Struct):
    stop_sequence: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    output: _Output
    stop_reason: str
    usage: _Usage | None = None
    additional_model_response_fields: _More | None = None


def whole(document: Document) -> Iterator[Delta]:
    """The deltas of a whole answer. Raises BadAnswer."""
    try:
        answer = msgspec.convert(document, _Answer)
    except msgspec.ValidationError:
        raise BadAnswer("the answer is not of Converse's form") from None
    if answer.stop_reason in _MALFORMED:
        raise BadAnswer("the model's output was malformed")
    yield Begin("", "", 0)
    slot = 0
    for block in answer.output.message.content:
        if block.tool_use is not None:
            use = block.tool_use
            given = json.write(use.input or {}).decode()
            yield CallPart(0, slot, use.tool_use_id, use.name, given)
            slot += 1
        else:
            yield from _said(block)
    more = answer.additional_model_response_fields or _More()
    reason = REASONS.get(answer.stop_reason, "stop")
    yield Finish(0, reason, more.stop_sequence or "")
    if answer.usage is not None:
        yield from _count(answer.usage)


def _said(block: _Block) -> Iterator[Delta]:
    if block.text:
        yield Text(0, block.text)
    if block.reasoning_content is not None:
        reasoning = block.reasoning_content
        if reasoning.redacted_content:
            yield Reasoning(0, redacted=reasoning.redacted_content)
        text = reasoning.reasoning_text
        if text is not None:
            yield Reasoning(0, text.text, text.signature or "")
    if block.citations_content is not None:
        cited = block.citations_content
        yield Text(0, "".join(said.text for said in cited.content))
        yield Extra(0, {"citations": cited.citations})


def _count(said: _Usage) -> Iterator[Count]:
    read, written = said.cache_read_input_tokens or 0, said.cache_write_input_tokens or 0
    count = usage.sane(
        Usage(
            input=said.input_tokens + read + written,
            output=said.output_tokens,
            cached=read,
            cache_write=written,
        )
    )
    if count is not None:
        yield Count(count)


# ---- streams


class _BlockStart(msgspec.Struct, gc=False, rename="camel"):
    tool_use: _ToolUse | None = None


class _Start(msgspec.Struct, gc=False, rename="camel"):
    start: _BlockStart
    content_block_index: int


class _ReasoningDelta(msgspec.Struct, gc=False, rename="camel"):
    text: str = ""
    signature: str = ""
    redacted_content: str = ""


class _ToolDelta(msgspec.Struct, gc=False):
    input: str = ""


class _BlockDelta(msgspec.Struct, gc=False, rename="camel"):
    text: str = ""
    tool_use: _ToolDelta | None = None
    reasoning_content: _ReasoningDelta | None = None
    citation: Document | None = None


class _Delta(msgspec.Struct, gc=False, rename="camel"):
    delta: _BlockDelta
    content_block_index: int


class _Stop(msgspec.Struct, gc=False, rename="camel"):
    stop_reason: str
    additional_model_response_fields: _More | None = None


class _Metadata(msgspec.Struct, gc=False):
    usage: _Usage | None = None


class _Failed(msgspec.Struct, gc=False):
    message: str = ""


_start: Final = msgspec.json.Decoder(_Start).decode
_delta: Final = msgspec.json.Decoder(_Delta).decode
_stop: Final = msgspec.json.Decoder(_Stop).decode
_metadata: Final = msgspec.json.Decoder(_Metadata).decode
_failed: Final = msgspec.json.Decoder(_Failed).decode
_UNREADABLE: Final = (EventStreamError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_EXCEPTIONS: Final = {
    b"throttlingException": Code.UPSTREAM_RATE_LIMITED,
    b"serviceUnavailableException": Code.UPSTREAM_OVERLOADED,
    b"modelTimeoutException": Code.UPSTREAM_TIMEOUT,
    b"validationException": Code.UPSTREAM_REFUSED,
}


class Reader:
    """One stream of Converse's."""

    def __init__(self) -> None:
        self._frames = EventStreamReader()
        self._slots: dict[int, int] = {}  # by the number of the block, of those that are calls
        self._stopped = False
        self._broken = False
        self.done = False
        self.events = 0
        self._kinds: dict[bytes, Callable[[bytes], Iterator[Delta]]] = {
            b"messageStart": self._begin,
            b"contentBlockStart": self._block,
            b"contentBlockDelta": self._piece,
            b"messageStop": self._finish,
            b"metadata": self._end,
        }

    def _over(self) -> bool:
        return self.done or self._broken

    def feed(self, chunk: bytes) -> list[Delta]:
        deltas: list[Delta] = []
        if self._over():
            return deltas
        try:
            for frame in self._frames.feed(chunk):
                self.events += 1
                deltas.extend(self._read(frame))
                if self._over():
                    break
        except _UNREADABLE as error:
            large = isinstance(error, EventStreamError) and error.too_large
            deltas.append(self._break(Code.RESPONSE_TOO_LARGE if large else Code.BAD_RESPONSE))
        return deltas

    def close(self) -> list[Delta]:
        if self._over() or (self._stopped and self._frames.between):
            return []
        return [self._break(Code.STREAM_TRUNCATED)]

    def _break(self, code: Code, said: str = "") -> Broken:
        self._broken = True
        return Broken(code, said)

    def _read(self, frame: Message) -> Iterator[Delta]:
        kind = frame.headers.get(b":message-type")
        if kind == b"event":
            frame.payload.decode()
            read = self._kinds.get(frame.headers.get(b":event-type", b""))
            return iter(()) if read is None else read(frame.payload)
        if kind == b"exception":
            name = frame.headers.get(b":exception-type", b"")
            code = _EXCEPTIONS.get(name, Code.UPSTREAM_ERROR)
            return iter((self._break(code, _failed(frame.payload).message[:MAX_SAID]),))
        said = frame.headers.get(b":error-message", b"").decode()
        return iter((self._break(Code.UPSTREAM_ERROR, said[:MAX_SAID]),))

    def _begin(self, _: bytes) -> Iterator[Delta]:
        yield Begin("", "", 0)

    def _block(self, payload: bytes) -> Iterator[Delta]:
        event = _start(payload)
        use = event.start.tool_use
        if use is not None:
            slot = self._slots[event.content_block_index] = len(self._slots)
            yield CallPart(0, slot, use.tool_use_id, use.name)

    def _piece(self, payload: bytes) -> Iterator[Delta]:
        event = _delta(payload)
        delta = event.delta
        if delta.text:
            yield Text(0, delta.text)
        elif delta.tool_use is not None:
            slot = self._slots.get(event.content_block_index)
            if slot is None:
                yield self._break(Code.BAD_RESPONSE)
            else:
                yield CallPart(0, slot, arguments=delta.tool_use.input)
        elif delta.reasoning_content is not None:
            said = delta.reasoning_content
            yield Reasoning(0, said.text, said.signature, said.redacted_content)
        elif delta.citation is not None:
            yield Extra(0, {"citations": [delta.citation]})

    def _finish(self, payload: bytes) -> Iterator[Delta]:
        event = _stop(payload)
        if event.stop_reason in _MALFORMED:
            yield self._break(Code.UPSTREAM_ERROR, event.stop_reason)
            return
        self._stopped = True
        more = event.additional_model_response_fields or _More()
        reason = REASONS.get(event.stop_reason, "stop")
        yield Finish(0, reason, more.stop_sequence or "")

    def _end(self, payload: bytes) -> Iterator[Delta]:
        event = _metadata(payload)
        if not self._stopped:
            yield self._break(Code.BAD_RESPONSE)
            return
        self.done = True
        if event.usage is not None:
            yield from _count(event.usage)
