"""The events of a streamed response, read into deltas.

Source: platform.openai.com/docs/api-reference/responses-streaming, 2026-11.
"""

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
    Logprobs,
    Reasoning,
    Refusal,
    Text,
)
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.openai_frames import UNREADABLE, Frames, broken, check
from gateway.dialects.openai_responses_items import (
    PARAGRAPH,
    ending,
    nested,
    signature,
    usage_of,
)
from gateway.errors import Code
from gateway.wire import sse

_NOTHING: Final = msgspec.Raw(b"")


class _Item(msgspec.Struct, gc=False):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    encrypted_content: str | None = None


class _Response(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    created_at: int | float | None = None
    status: str | None = None
    incomplete_details: Document | None = None
    error: msgspec.Raw = _NOTHING
    usage: msgspec.Raw = _NOTHING


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: object = None
    output_index: int = 0
    summary_index: int = 0
    logprobs: list[Document] | None = None
    item: _Item | None = None
    annotation: Document | None = None
    response: _Response | None = None
    error: object = None


_event: Final = msgspec.json.Decoder(_Event).decode
_TEXT: Final = "response.output_text.delta"
_PIECE: Final = b"event: response.output_text.delta\ndata: {"  # how most frames begin
_CR: Final = 13  # as a number: bytes are looked for in bytes several times slower
_PIECE_DATA: Final = len(_PIECE) - 1
_THOUGHTS: Final = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
_ENDS: Final = ("response.completed", "response.incomplete")


class _Call(msgspec.Struct):
    slot: int
    told: bool = False  # some of its arguments have come


class Reader:
    """One upstream's events."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._begun = False
        self._ended = False
        self._calls: dict[int, _Call] = {}  # by the place of their item
        self._thoughts: dict[int, str] = {}  # which kind of text each item of reasoning tells
        self.usage: Usage | None = None
        self.done = False
        self.events = 0

    def feed(self, chunk: bytes) -> list[Delta]:
        out: list[Delta] = []
        if self.done or self._ended:
            return out
        try:
            for data in self._frames.feed(chunk):
                if not data or data.strip() == b"[DONE]":
                    continue  # not of this language, but some servers say it
                check(data)
                if not self._one(_event(data), data, out):
                    break
        except sse.SseError:
            self._break(out, Broken(Code.RESPONSE_TOO_LARGE))
        except UNREADABLE:
            self._break(out, Broken(Code.BAD_RESPONSE))
        return out

    def close(self) -> list[Delta]:
        if self.done or self._ended:
            return []
        self._ended = True
        return [Broken(Code.STREAM_TRUNCATED)]

    def glance(self, frame: bytes) -> int:
        """For who passes frames on (`watched.py`): a piece of text."""
        if not frame.startswith(_PIECE) or frame.count(b"\n") != 3 or _CR in frame:
            return 0
        data = frame[_PIECE_DATA:]
        try:
            check(data)
            event = _event(data)
        except UNREADABLE:
            return 0
        said = event.delta
        if event.type != _TEXT or not isinstance(said, str) or not said:
            return 0
        self.events += 1
        return max(1, len(said) // BYTES_A_TOKEN)

    # ---- inside

    def _break(self, out: list[Delta], delta: Broken) -> None:
        self._ended = True
        out.append(delta)

    def _one(self, event: _Event, data: bytes, out: list[Delta]) -> bool:
        """False if nothing may follow."""
        kind = event.type
        if kind == "error" or (not kind and event.error is not None):
            self._break(out, broken(data))
            return False
        self.events += 1
        if kind == _TEXT:
            self._text(event, out)
        elif kind == "response.function_call_arguments.delta":
            self._arguments(event, out)
        elif kind in _THOUGHTS:
            self._thought(event, out)
        elif event.response is not None:
            self._response(kind, event.response, out)
        elif event.item is not None:
            self._item(kind, event.item, event.output_index, out)
        else:
            self._rare(event, out)
        return not (self.done or self._ended)

    def _text(self, event: _Event, out: list[Delta]) -> None:
        if isinstance(event.delta, str) and event.delta:
            out.append(Text(0, event.delta))
        if event.logprobs:
            out.append(Logprobs(0, event.logprobs))

    def _arguments(self, event: _Event, out: list[Delta]) -> None:
        call = self._calls.get(event.output_index)
        if call is not None and isinstance(event.delta, str) and event.delta:
            call.told = True
            out.append(CallPart(0, call.slot, arguments=event.delta))

    def _thought(self, event: _Event, out: list[Delta]) -> None:
        """A summary, or the text itself: where both are told, what came first."""
        kind = self._thoughts.setdefault(event.output_index, event.type)
        if kind == event.type and isinstance(event.delta, str) and event.delta:
            out.append(Reasoning(0, event.delta))

    def _rare(self, event: _Event, out: list[Delta]) -> None:
        match event.type:
            case "response.refusal.delta" if isinstance(event.delta, str):
                out.append(Refusal(0, event.delta))
            case "response.reasoning_summary_part.added" if event.summary_index > 0:
                out.append(Reasoning(0, PARAGRAPH))
            case "response.output_text.annotation.added" if event.annotation is not None:
                out.append(Extra(0, {"annotations": [nested(event.annotation)]}))

    def _item(self, kind: str, item: _Item, at: int, out: list[Delta]) -> None:
        if kind == "response.output_item.added" and item.type == "function_call":
            call = self._calls[at] = _Call(len(self._calls), bool(item.arguments))
            told = (item.call_id or "", item.name or "", item.arguments or "")
            out.append(CallPart(0, call.slot, *told))
        elif kind == "response.output_item.done" and item.type == "function_call":
            known = self._calls.get(at)
            if known is not None and not known.told and item.arguments:
                out.append(CallPart(0, known.slot, arguments=item.arguments))
        elif kind == "response.output_item.done" and item.encrypted_content:
            sealed = signature(item.id or "", item.encrypted_content)
            out.append(Reasoning(0, signature=sealed))

    def _response(self, kind: str, response: _Response, out: list[Delta]) -> None:
        if not self._begun:
            self._begun = True
            created = int(response.created_at or 0)
            out.append(Begin(response.id or "", response.model or "", created))
        if kind == "response.failed":
            error = bytes(response.error) or b"null"
            self._break(out, broken(b'{"error":%b}' % error))
        elif kind == "response.cancelled":
            self._break(out, Broken(Code.UPSTREAM_ERROR, "the response was cancelled"))
        elif kind in _ENDS:
            said: Document = {
                "status": kind.removeprefix("response."),
                "incomplete_details": response.incomplete_details,
            }
            out.append(Finish(0, ending(said, called=bool(self._calls))))
            count = usage_of(response.usage) if bytes(response.usage) else None
            if count is not None:
                self.usage = count
                out.append(Count(count))
            self.done = True
