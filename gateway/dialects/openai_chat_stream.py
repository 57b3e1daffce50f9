"""OpenAI's chat chunks: read into deltas, with what other vendors do to them; written out of them.

Read: reasoning under either name (`reasoning_content`: DeepSeek, vLLM; `reasoning`: OpenRouter,
Groq), content in parts (Mistral), calls without an index or all under one (Google), the old
`function_call`, usage beside choices or without them, a first chunk that says nothing (Azure).
Source: platform.openai.com/docs/api-reference/chat-streaming, 2026-11.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias, assert_never

import msgspec

from gateway.chat import fold, usage
from gateway.chat.deltas import (
    Begin,
    Broken,
    CallPart,
    Count,
    Delta,
    Extra,
    Finish,
    Logprobs,
    Reason,
    Reasoning,
    Refusal,
    Text,
)
from gateway.chat.document import Document
from gateway.dialects.openai import error_body
from gateway.dialects.openai_chunks import Chunk, ChunkReader
from gateway.errors import GatewayError
from gateway.wire import json, sse

# ---- reading


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | Document | None = None  # an object at some vendors


class _Call(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    extra_content: Document | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | list[Document] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    audio: Document | None = None
    annotations: list[Document] | None = None
    reasoning_details: list[Document] | None = None
    thinking_blocks: list[Document] | None = None


class _Logprobs(msgspec.Struct, gc=False):
    content: list[Document] | None = None
    refusal: list[Document] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int | None = 0
    delta: _Delta | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None
    stop_sequence: str | None = None


_CHUNK: Final = msgspec.json.Decoder(Chunk[_Choice])


class Calls:
    """Which slot each piece of a tool call belongs to, whatever the vendor makes of the index."""

    __slots__ = ("_at", "_ids")

    def __init__(self) -> None:
        self._at: dict[int, int] = {}  # the vendor's index -> our slot
        self._ids: list[str] = []  # by slot

    def __bool__(self) -> bool:
        return bool(self._ids)

    def slot(self, index: int | None, id: str) -> int:
        known = (
            (len(self._ids) - 1 if self._ids else None) if index is None else self._at.get(index)
        )
        if known is None or (id and self._ids[known] and id != self._ids[known]):
            known = len(self._ids)
            self._ids.append(id)
        if index is not None:
            self._at[index] = known
        if id:
            self._ids[known] = id
        return known


class Reader(ChunkReader[_Choice]):
    """One upstream's chunks."""

    def __init__(self) -> None:
        super().__init__(_CHUNK)
        self._calls: dict[int, Calls] = {}  # of each choice that has any

    def _said(self, index: int, choice: _Choice, out: list[Delta]) -> None:
        if choice.delta is not None:
            self._delta(index, choice.delta, out)
        if choice.logprobs is not None:
            if choice.logprobs.content:
                out.append(Logprobs(index, choice.logprobs.content))
            if choice.logprobs.refusal:
                out.append(Logprobs(index, choice.logprobs.refusal, refusal=True))

    def _finish(self, index: int, choice: _Choice) -> Finish:
        reason = self._reason(index, choice.finish_reason or "")
        return Finish(index, reason, choice.stop_sequence or "")

    def _delta(self, index: int, delta: _Delta, out: list[Delta]) -> None:
        reasoning = delta.reasoning_content or delta.reasoning
        if reasoning:
            out.append(Reasoning(index, reasoning))
        for block in delta.thinking_blocks or ():
            out.append(signed(index, block))
        if delta.content:
            out.extend(said(index, delta.content))
        if delta.refusal:
            out.append(Refusal(index, delta.refusal))
        for call in delta.tool_calls or ():
            self._call(index, call, out)
        if delta.function_call is not None:
            self._call(index, _Call(0, None, delta.function_call), out)
        if delta.audio or delta.annotations or delta.reasoning_details:
            out.append(Extra(index, _further(delta)))

    def _call(self, index: int, call: _Call, out: list[Delta]) -> None:
        calls = self._calls.get(index)
        if calls is None:
            calls = self._calls[index] = Calls()
        slot = calls.slot(call.index, call.id or "")
        function = call.function or _Function()
        arguments = function.arguments
        if isinstance(arguments, dict):
            arguments = json.write(arguments).decode()
        out.append(
            CallPart(
                index,
                slot,
                call.id or "",
                function.name or "",
                arguments or "",
                call.extra_content,
            )
        )

    def _reason(self, index: int, word: str) -> Reason:
        """OpenAI itself says `stop` where a call was asked for by name."""
        reason = fold.reason(word)
        return "tool_calls" if reason == "stop" and index in self._calls else reason


def signed(index: int, block: Document) -> Delta:
    """The end of a block of reasoning whose text has come before, or one that nobody may read."""
    if block.get("type") == "redacted_thinking":
        return Reasoning(index, redacted=str(block.get("data") or ""))
    return Reasoning(index, signature=str(block.get("signature") or ""))


def said(index: int, content: str | list[Document]) -> Iterable[Delta]:
    """Content as a string, or in Mistral's parts: text, and thinking that has parts of its own."""
    if isinstance(content, str):
        yield Text(index, content)
        return
    for part in content:
        text = part.get("text")
        if part.get("type") == "thinking":
            inner = part.get("thinking")
            thought = inner if isinstance(inner, list) else [{"text": inner}]
            for piece in thought:
                if isinstance(piece, dict) and isinstance(piece.get("text"), str):
                    yield Reasoning(index, piece["text"])
        elif isinstance(text, str) and text:
            yield Text(index, text)


def _further(delta: _Delta) -> Document:
    fields = {
        "audio": delta.audio,
        "annotations": delta.annotations,
        "reasoning_details": delta.reasoning_details,
    }
    return {key: value for key, value in fields.items() if value}


# ---- writing

_encode: Final = msgspec.json.Encoder().encode
_Rare: TypeAlias = Refusal | Reasoning | CallPart | Extra | Logprobs | Finish


class Writer:
    """One client's chunks. The role comes first; usage, if the client asked, last."""

    def __init__(self, *, wants_usage: bool) -> None:
        self._wants_usage = wants_usage
        self._usage: usage.Usage | None = None
        self._roles: set[int] = set()  # the choices that have begun
        self._calls: set[tuple[int, int]] = set()
        self._open: dict[int, str] = {}  # reasoning of each choice that has no signature yet
        self._head = b""
        self._tail = b',"usage":null}\n\n' if wants_usage else b"}\n\n"
        self._texts: dict[int, bytes] = {}  # of each choice that has begun: a chunk up to its text
        self._text_tail = b'},"logprobs":null,"finish_reason":null}]' + self._tail
        self._begin(Begin("", "", 0))

    def _begin(self, begin: Begin) -> None:
        self._head = (
            b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":['
            % (_encode(begin.id), begin.created, _encode(begin.model))
        )

    def write(self, deltas: list[Delta]) -> bytes:
        out: list[bytes] = []
        text: Text | None = None  # not written yet: its tokens may follow
        for delta in deltas:
            if text is not None:
                followed = self._text(text, delta, out)
                text = None
                if followed:
                    continue
            match delta:
                case Text():
                    text = delta
                case Begin():
                    self._begin(delta)
                case Count():
                    self._usage = delta.usage
                case Broken():
                    pass  # fail() says it
                case _:
                    self._write(delta, out)
        if text is not None:
            self._text(text, None, out)
        return out[0] if len(out) == 1 else b"".join(out)

    def _text(self, text: Text, after: Delta | None, out: list[bytes]) -> bool:
        """True if the tokens that follow have gone out in the same chunk."""
        if isinstance(after, Logprobs) and after.choice == text.choice and not after.refusal:
            logprobs = _encode({"content": after.content, "refusal": None})
            self._put(out, text.choice, b'{"content":%b}' % _encode(text.text), logprobs=logprobs)
            return True
        before = self._texts.get(text.choice)
        if before is None:
            self._role(out, text.choice)
            before = self._texts[text.choice] = b'%b{"index":%d,"delta":{"content":' % (
                self._head,
                text.choice,
            )
        out.append(before + _encode(text.text) + self._text_tail)
        return False

    def _write(self, delta: _Rare, out: list[bytes]) -> None:
        match delta:
            case Refusal():
                self._put(out, delta.choice, _encode({"refusal": delta.text}))
            case Reasoning():
                self._put(out, delta.choice, _encode(self._reasoning(delta)))
            case CallPart():
                self._put(out, delta.choice, _encode({"tool_calls": [self._call(delta)]}))
            case Extra():
                self._put(out, delta.choice, _encode(delta.fields))
            case Logprobs():
                kind, other = ("refusal", "content") if delta.refusal else ("content", "refusal")
                logprobs = _encode({kind: delta.content, other: None})
                self._put(out, delta.choice, b"{}", logprobs=logprobs)
            case Finish():
                self._finish(delta, out)
            case _:
                assert_never(delta)

    def _put(
        self,
        out: list[bytes],
        choice: int,
        change: bytes,
        *,
        logprobs: bytes = b"null",
        finish: bytes = b"null",
    ) -> None:
        self._role(out, choice)
        out.append(
            b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}]%b'
            % (self._head, choice, change, logprobs, finish, self._tail)
        )

    def _role(self, out: list[bytes], choice: int) -> None:
        if choice not in self._roles:
            self._roles.add(choice)
            self._put(out, choice, b'{"role":"assistant","content":""}')

    def _finish(self, delta: Finish, out: list[bytes]) -> None:
        finish = _encode(delta.reason)
        if delta.stop_sequence:
            finish += b',"stop_sequence":' + _encode(delta.stop_sequence)
        self._put(out, delta.choice, b"{}", finish=finish)

    def _reasoning(self, delta: Reasoning) -> Document:
        change: Document = {}
        if delta.text:
            change["reasoning_content"] = delta.text
            self._open[delta.choice] = self._open.get(delta.choice, "") + delta.text
        if delta.signature:
            text = self._open.pop(delta.choice, "")
            block = {"type": "thinking", "thinking": text, "signature": delta.signature}
            change["thinking_blocks"] = [block]
        if delta.redacted:
            change["thinking_blocks"] = [{"type": "redacted_thinking", "data": delta.redacted}]
        return change

    def _call(self, delta: CallPart) -> Document:
        call: Document = {"index": delta.slot}
        function: Document = {"arguments": delta.arguments}
        if (delta.choice, delta.slot) not in self._calls:
            self._calls.add((delta.choice, delta.slot))
            call["id"], call["type"] = delta.id, "function"
            function = {"name": delta.name, "arguments": delta.arguments}
        call["function"] = function
        if delta.extra:
            call["extra_content"] = delta.extra
        return call

    def close(self) -> bytes:
        if not self._wants_usage or self._usage is None:
            return sse.DONE
        return b'%b],"usage":%b}\n\n%b' % (
            self._head,
            _encode(usage.written(self._usage)),
            sse.DONE,
        )

    def fail(self, error: GatewayError) -> bytes:
        return sse.encode(error_body(error))
