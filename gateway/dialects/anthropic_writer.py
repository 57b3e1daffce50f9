"""A stream in Anthropic's events: blocks opened and shut, one after the other.

How a message ended and what it took stand in one event, so they are said at the end. A further
piece of an earlier call goes out under its number even though its block is shut: clients collect by
number. Token probabilities fall away, as nobody can have asked for them.
Source: platform.claude.com/docs/en/build-with-claude/streaming, 2026-11.
"""

from typing import Final

import msgspec

from gateway.chat.deltas import (
    Begin,
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
from gateway.errors import GatewayError

PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_TEXT: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"text_delta","text":%b}}\n\n'
)
_encode: Final = msgspec.json.Encoder().encode


def event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **fields}))


def error_event(error: GatewayError) -> bytes:
    return b"event: error\ndata: %b\n\n" % anthropic.error_body(error)


class Writer:
    """One client's stream. Of several choices the first is told: Anthropic has no others."""

    def __init__(self) -> None:
        self._begin: Begin | None = Begin("", "", 0)  # until it is told: with the counts known then
        self._index = -1  # of the last block
        self._open = ""  # its kind; "" if it is shut
        self._calls: dict[int, int] = {}  # a call's slot -> its block
        self._finish = Finish(0, "stop")
        self._refusal: list[str] = []
        self._usage = Usage()

    def write(self, deltas: list[Delta]) -> bytes:
        out: list[bytes] = []
        for delta in deltas:
            if isinstance(delta, Text):
                if delta.choice:
                    continue
                if self._open != "text":
                    self._start("text", {"type": "text", "text": ""}, out)
                out.append(_TEXT % (self._index, _encode(delta.text)))
            else:
                self._write(delta, out)
        return b"".join(out)

    def close(self) -> bytes:
        out: list[bytes] = []
        self._tell_begin(out)
        self._shut(out)
        finish, refusal = self._finish, "".join(self._refusal)
        reason = anthropic.stop_reason(finish.reason, finish.stop_sequence, refusal)
        delta: Document = {"stop_reason": reason, "stop_sequence": finish.stop_sequence or None}
        if refusal:
            delta["stop_details"] = anthropic.stop_details(refusal)
        usage = anthropic.written_counts(self._usage)
        out.append(event("message_delta", delta=delta, usage=usage))
        out.append(_STOP)
        return b"".join(out)

    def fail(self, error: GatewayError) -> bytes:
        return error_event(error)

    # ---- inside

    def _write(self, delta: Delta, out: list[bytes]) -> None:
        match delta:
            case Begin() if self._begin is not None:
                self._begin = delta
            case Count():
                self._usage = delta.usage
            case Reasoning(choice=0):
                self._reason(delta, out)
            case CallPart(choice=0):
                self._call(delta, out)
            case Extra(choice=0):
                self._cite(delta.fields.get("annotations"), out)
            case Refusal(choice=0):
                self._refusal.append(delta.text)
            case Finish(choice=0):
                self._finish = delta

    def _tell_begin(self, out: list[bytes]) -> None:
        begin, self._begin = self._begin, None
        if begin is None:
            return
        message: Document = {
            "id": begin.id,
            "type": "message",
            "role": "assistant",
            "model": begin.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": anthropic.written_counts(self._usage),
        }
        out.append(event("message_start", message=message))

    def _start(self, kind: str, block: Document, out: list[bytes]) -> None:
        self._tell_begin(out)
        self._shut(out)
        self._index += 1
        self._open = kind
        out.append(event("content_block_start", index=self._index, content_block=block))

    def _change(self, delta: Document, out: list[bytes]) -> None:
        out.append(event("content_block_delta", index=self._index, delta=delta))

    def _shut(self, out: list[bytes]) -> None:
        if self._open:
            self._open = ""
            out.append(event("content_block_stop", index=self._index))

    def _reason(self, delta: Reasoning, out: list[bytes]) -> None:
        if delta.redacted:
            self._start("redacted", {"type": "redacted_thinking", "data": delta.redacted}, out)
            self._shut(out)
            return
        if self._open != "thinking":
            self._start("thinking", {"type": "thinking", "thinking": "", "signature": ""}, out)
        if delta.text:
            self._change({"type": "thinking_delta", "thinking": delta.text}, out)
        if delta.signature:
            self._change({"type": "signature_delta", "signature": delta.signature}, out)
            self._shut(out)

    def _call(self, part: CallPart, out: list[bytes]) -> None:
        if part.slot not in self._calls:
            block = {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}
            self._start("tool_use", block, out)
            self._calls[part.slot] = self._index
        if part.arguments:
            delta = {"type": "input_json_delta", "partial_json": part.arguments}
            index = self._calls[part.slot]
            out.append(event("content_block_delta", index=index, delta=delta))

    def _cite(self, notes: object, out: list[bytes]) -> None:
        for note in notes if isinstance(notes, list) else ():
            citation = anthropic.citation(note)
            if citation is not None:
                if self._open != "text":
                    self._start("text", {"type": "text", "text": ""}, out)
                self._change({"type": "citations_delta", "citation": citation}, out)
