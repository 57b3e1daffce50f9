"""A chat's deltas as the events of a streamed response, numbered and in the order that OpenAI has.

An item is added, its part is added, its text comes, then text, part and item are done, in that
order; what is thought and said is done before the next begins. Calls stay open to the end, since a
backend may tell several at once. There is no [DONE].
Source: platform.openai.com/docs/api-reference/responses-streaming, 2026-11.
"""

from typing import Final, TypeAlias, assert_never

import msgspec

from gateway.chat.deltas import (
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
from gateway.dialects import openai_responses_items as made
from gateway.errors import Code, GatewayError

_encode: Final = msgspec.json.Encoder().encode


class _Thought:
    """An item of reasoning that is being told."""

    def __init__(self, id: str, at: int) -> None:
        self.id, self.at = id, at
        self.texts: list[str] = []
        self.sealed = ""

    @property
    def item(self) -> Document:
        return made.reasoning_item(self.id, "".join(self.texts), self.sealed)


class _Said:
    """A message that is being told: text, a refusal, or one after the other."""

    def __init__(self, id: str, at: int) -> None:
        self.id, self.at = id, at
        self.parts: list[Document] = []  # that are done
        self.texts: list[str] = []  # of the one that is not
        self.kind = ""  # of the same: "output_text", "refusal", or none
        self.logprobs: list[Document] = []
        self.annotations: list[Document] = []
        self.before = b""  # an event up to the next piece of text

    @property
    def part(self) -> Document:
        text = "".join(self.texts)
        if self.kind == "refusal":
            return made.refusal_part(text)
        return made.text_part(text, self.annotations, self.logprobs)


class _Call:
    def __init__(self, id: str, at: int, part: CallPart) -> None:
        self.id, self.at = id, at
        self.call_id, self.name = part.id, part.name
        self.arguments: list[str] = []
        self.extra: Document = {}

    def item(self, status: str) -> Document:
        told = "".join(self.arguments)
        return made.call_item(self.id, self.call_id, self.name, told, status, self.extra)


_Words: TypeAlias = Text | Refusal | Logprobs | Extra


class Writer:
    """One client's stream of events; of the first choice, for there is no other here."""

    def __init__(self, request: Document) -> None:
        self._request = request
        self._begin: Begin | None = None
        self._number = 0  # of the next event
        self._places = 0  # of items
        self._done: dict[int, Document] = {}  # items, by their place
        self._open: _Thought | _Said | None = None
        self._calls: dict[int, _Call] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None

    def write(self, deltas: list[Delta]) -> bytes:
        out: list[bytes] = []
        for delta in deltas:
            if not isinstance(delta, Begin | Count | Broken) and delta.choice:
                continue
            said = self._open
            if isinstance(delta, Text) and isinstance(said, _Said) and said.before:
                self._more(delta, said, out)
            else:
                self._write(delta, out)
        return b"".join(out)

    def _write(self, delta: Delta, out: list[bytes]) -> None:
        match delta:
            case Begin():
                self._started(out, delta)
            case Count():
                self._usage = delta.usage
            case Broken():
                pass  # fail() says it
            case Text() | Refusal() | Logprobs() | Extra():
                self._words(delta, out)
            case Reasoning():
                self._think(delta, out)
            case CallPart():
                self._call(delta, out)
            case Finish():
                self._finish = delta
            case _:
                assert_never(delta)

    def close(self) -> bytes:
        out: list[bytes] = []
        shell = self._started(out)
        reason = None if self._finish is None else self._finish.reason
        status = "completed" if made.status_of(reason) is None else "incomplete"
        self._shut(out, status)
        for call in self._calls.values():
            self._call_done(call, status, out)
        output = [self._done[at] for at in sorted(self._done)]
        whole = made.ended({**shell, "output": output}, reason, self._usage)
        self._put(out, f"response.{whole['status']}", {"response": whole})
        return b"".join(out)

    def fail(self, error: GatewayError) -> bytes:
        """The error, and if the response had begun, what became of it."""
        out: list[bytes] = []
        said = {"code": error.code.value, "message": error.message, "param": error.param}
        self._put(out, "error", said)
        if self._begin is not None:
            limited = error.code in (Code.UPSTREAM_RATE_LIMITED, Code.UPSTREAM_QUOTA)
            code = "rate_limit_exceeded" if limited else "server_error"
            failed = {"code": code, "message": error.message, "gateway_code": error.code.value}
            output = [self._done[at] for at in sorted(self._done)]
            shell = {**self._shell("failed"), "output": output, "error": failed}
            self._put(out, "response.failed", {"response": shell})
        return b"".join(out)

    # ---- the response

    def _started(self, out: list[bytes], begin: Begin | None = None) -> Document:
        if self._begin is None:
            self._begin = begin or Begin("", "", 0)
            shell = self._shell("in_progress")
            self._put(out, "response.created", {"response": shell})
            self._put(out, "response.in_progress", {"response": shell})
        return self._shell("in_progress")

    def _shell(self, status: str) -> Document:
        begin = self._begin or Begin("", "", 0)
        return made.response(
            self._request,
            id=begin.id,
            model=begin.model,
            created=begin.created,
            status=status,
            output=[],
        )

    def _put(self, out: list[bytes], kind: str, fields: Document) -> None:
        body = _encode({"type": kind, **fields, "sequence_number": self._number})
        self._number += 1
        out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), body))

    # ---- items

    def _place(self, kind: str, out: list[bytes]) -> tuple[str, int]:
        """The id and the place of an item that begins."""
        self._started(out)
        at = self._places
        self._places += 1
        return made.item_id(kind, self._begin.id if self._begin else "", at), at

    def _added(self, out: list[bytes], at: int, item: Document) -> None:
        self._put(out, "response.output_item.added", {"output_index": at, "item": item})

    def _finished(self, out: list[bytes], at: int, item: Document) -> None:
        self._done[at] = item
        self._put(out, "response.output_item.done", {"output_index": at, "item": item})

    def _shut(self, out: list[bytes], status: str = "completed") -> None:
        """What is open is done."""
        match self._open:
            case _Thought() as thought:
                self._thought_done(thought, out)
            case _Said() as said:
                self._part_done(said, out)
                self._finished(out, said.at, made.message_item(said.id, said.parts, status))
            case None:
                pass
        self._open = None

    # ---- what is thought

    def _think(self, delta: Reasoning, out: list[bytes]) -> None:
        if delta.redacted:
            self._shut(out)
            id, at = self._place("rs", out)
            self._added(out, at, made.reasoning_item(id, ""))
            self._finished(out, at, made.reasoning_item(id, "", redacted=delta.redacted))
            return
        thought = self._open
        if not isinstance(thought, _Thought):
            self._shut(out)
            thought = self._open = _Thought(*self._place("rs", out))
            self._added(out, thought.at, made.reasoning_item(thought.id, ""))
        place = {"item_id": thought.id, "output_index": thought.at, "summary_index": 0}
        if delta.text:
            if not thought.texts:
                part = {"type": "summary_text", "text": ""}
                self._put(out, "response.reasoning_summary_part.added", {**place, "part": part})
            thought.texts.append(delta.text)
            event = {**place, "delta": delta.text}
            self._put(out, "response.reasoning_summary_text.delta", event)
        if delta.signature:
            thought.sealed = delta.signature
            self._shut(out)

    def _thought_done(self, thought: _Thought, out: list[bytes]) -> None:
        place = {"item_id": thought.id, "output_index": thought.at, "summary_index": 0}
        if thought.texts:
            text = "".join(thought.texts)
            part = {"type": "summary_text", "text": text}
            self._put(out, "response.reasoning_summary_text.done", {**place, "text": text})
            self._put(out, "response.reasoning_summary_part.done", {**place, "part": part})
        self._finished(out, thought.at, thought.item)

    # ---- what is said

    def _message(self, kind: str, out: list[bytes]) -> _Said:
        """The open message, with an open part of this kind."""
        said = self._open
        if not isinstance(said, _Said):
            self._shut(out)
            said = self._open = _Said(*self._place("msg", out))
            self._added(out, said.at, made.message_item(said.id, [], "in_progress"))
        if said.kind != kind:
            self._part_done(said, out)
            said.kind = kind
            event = {**self._where(said), "part": said.part}
            self._put(out, "response.content_part.added", event)
            if kind == "output_text":
                said.before = (
                    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta"'
                    b',"item_id":%b,"output_index":%d,"content_index":%d,"logprobs":[],"delta":'
                    % (_encode(said.id), said.at, len(said.parts))
                )
        return said

    def _where(self, said: _Said) -> Document:
        index = len(said.parts)
        return {"item_id": said.id, "output_index": said.at, "content_index": index}

    def _more(self, delta: Text, said: _Said, out: list[bytes]) -> None:
        """The usual event, in one go."""
        said.texts.append(delta.text)
        out.append(
            b'%b%b,"sequence_number":%d}\n\n' % (said.before, _encode(delta.text), self._number)
        )
        self._number += 1

    def _words(self, delta: _Words, out: list[bytes]) -> None:
        match delta:
            case Text():
                self._more(delta, self._message("output_text", out), out)
            case Refusal():
                said = self._message("refusal", out)
                said.texts.append(delta.text)
                event = {**self._where(said), "delta": delta.text}
                self._put(out, "response.refusal.delta", event)
            case Logprobs():
                if not delta.refusal:
                    said = self._message("output_text", out)
                    said.logprobs.extend(delta.content)
                    event = {**self._where(said), "delta": "", "logprobs": delta.content}
                    self._put(out, "response.output_text.delta", event)
            case Extra():
                for annotation in delta.fields.get("annotations") or ():
                    self._annotate(made.flat(annotation), out)
            case _:
                assert_never(delta)

    def _annotate(self, annotation: Document, out: list[bytes]) -> None:
        said = self._message("output_text", out)
        index = len(said.annotations)
        said.annotations.append(annotation)
        event = {**self._where(said), "annotation_index": index, "annotation": annotation}
        self._put(out, "response.output_text.annotation.added", event)

    def _part_done(self, said: _Said, out: list[bytes]) -> None:
        if not said.kind:
            return
        where, part = self._where(said), said.part
        if said.kind == "refusal":
            event = {**where, "refusal": part["refusal"]}
            self._put(out, "response.refusal.done", event)
        else:
            event = {**where, "text": part["text"], "logprobs": said.logprobs}
            self._put(out, "response.output_text.done", event)
        self._put(out, "response.content_part.done", {**where, "part": part})
        said.parts.append(part)
        said.texts, said.kind, said.before = [], "", b""
        said.logprobs, said.annotations = [], []

    # ---- what is called

    def _call(self, delta: CallPart, out: list[bytes]) -> None:
        call = self._calls.get(delta.slot)
        if call is None:
            self._shut(out)
            call = self._calls[delta.slot] = _Call(*self._place("fc", out), delta)
            self._added(out, call.at, call.item("in_progress"))
        call.call_id, call.name = delta.id or call.call_id, delta.name or call.name
        call.extra.update(delta.extra or {})
        if delta.arguments:
            call.arguments.append(delta.arguments)
            place = {"item_id": call.id, "output_index": call.at}
            event = {**place, "delta": delta.arguments}
            self._put(out, "response.function_call_arguments.delta", event)

    def _call_done(self, call: _Call, status: str, out: list[bytes]) -> None:
        item = call.item(status)
        told = {"item_id": call.id, "output_index": call.at, "arguments": item["arguments"]}
        self._put(out, "response.function_call_arguments.done", {**told, "name": call.name})
        self._finished(out, call.at, item)
