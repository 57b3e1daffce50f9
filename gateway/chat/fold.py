"""Deltas to a whole answer, and back: fold(unfold(answer)) == answer.

The law holds for answers in the form that fold writes: choices in the order of their index,
`reasoning_content` beside `thinking_blocks` where there are any, usage as `usage.written` has it.
"""

from collections.abc import Iterable, Iterator
from typing import Final, assert_never

from gateway.chat import usage
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


class Folding:
    """One answer, growing by its deltas. Raises ValueError on a Broken one: it has no answer."""

    def __init__(self) -> None:
        self._begin = Begin("", "", 0)
        self._choices: dict[int, _Choice] = {}
        self._usage: Document | None = None

    def add(self, delta: Delta) -> None:
        match delta:
            case Begin():
                self._begin = delta
            case Count():
                self._usage = usage.written(delta.usage)
            case Broken():
                raise ValueError("a broken stream has no answer")
            case _:
                choice = self._choices.get(delta.choice)
                if choice is None:
                    choice = self._choices[delta.choice] = _Choice(delta.choice)
                choice.add(delta)

    @property
    def answer(self) -> Document:
        answer: Document = {
            "id": self._begin.id,
            "object": "chat.completion",
            "created": self._begin.created,
            "model": self._begin.model,
            "choices": [self._choices[index].document for index in sorted(self._choices)],
        }
        if self._usage is not None:
            answer["usage"] = self._usage
        return answer


class _Choice:
    def __init__(self, index: int) -> None:
        self._index = index
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._blocks: list[Document] = []
        self._open: list[str] = []  # the text of the block of reasoning that has no signature yet
        self._calls: dict[int, _Call] = {}
        self._logprobs: dict[str, list[Document]] = {}
        self._extra: Document = {}
        self._finish: Finish | None = None

    def add(self, delta: Text | Refusal | Reasoning | CallPart | Logprobs | Extra | Finish) -> None:
        match delta:
            case Text():
                self._text.append(delta.text)
            case Refusal():
                self._refusal.append(delta.text)
            case Reasoning():
                self._reason(delta)
            case CallPart():
                self._calls.setdefault(delta.slot, _Call()).add(delta)
            case Logprobs():
                kind = "refusal" if delta.refusal else "content"
                self._logprobs.setdefault(kind, []).extend(delta.content)
            case Extra():
                _merge(self._extra, delta.fields)
            case Finish():
                self._finish = delta
            case _:
                assert_never(delta)

    def _reason(self, delta: Reasoning) -> None:
        if delta.text:
            self._reasoning.append(delta.text)
            self._open.append(delta.text)
        if delta.signature:
            block = {"thinking": "".join(self._open), "signature": delta.signature}
            self._blocks.append({"type": "thinking", **block})
            self._open.clear()
        if delta.redacted:
            self._blocks.append({"type": "redacted_thinking", "data": delta.redacted})

    @property
    def document(self) -> Document:
        message: Document = {"role": "assistant", "content": "".join(self._text) or None}
        if self._reasoning:
            message["reasoning_content"] = "".join(self._reasoning)
        if self._blocks:
            message["thinking_blocks"] = self._blocks
        if self._refusal:
            message["refusal"] = "".join(self._refusal)
        if self._calls:
            message["tool_calls"] = [self._calls[slot].document for slot in sorted(self._calls)]
        message.update(self._extra)
        choice: Document = {
            "index": self._index,
            "message": message,
            "finish_reason": None if self._finish is None else self._finish.reason,
        }
        if self._logprobs:
            choice["logprobs"] = self._logprobs
        if self._finish is not None and self._finish.stop_sequence:
            choice["stop_sequence"] = self._finish.stop_sequence
        return choice


class _Call:
    def __init__(self) -> None:
        self._id = self._name = ""
        self._arguments: list[str] = []
        self._extra: Document = {}

    def add(self, part: CallPart) -> None:
        self._id = part.id or self._id
        self._name = part.name or self._name
        self._arguments.append(part.arguments)
        if part.extra:
            self._extra.update(part.extra)

    @property
    def document(self) -> Document:
        function = {"name": self._name, "arguments": "".join(self._arguments)}
        call: Document = {"id": self._id, "type": "function", "function": function}
        if self._extra:
            call["extra_content"] = self._extra
        return call


def _merge(into: Document, fields: Document) -> None:
    for key, value in fields.items():
        if isinstance(value, list) and isinstance(into.get(key), list):
            into[key] = [*into[key], *value]
        else:
            into[key] = value


def fold(deltas: Iterable[Delta]) -> Document:
    """The whole answer. Raises ValueError when the stream is broken."""
    folding = Folding()
    for delta in deltas:
        folding.add(delta)
    return folding.answer


# ---- and back

_KNOWN = frozenset(
    {
        "role",
        "content",
        "reasoning_content",
        "thinking_blocks",
        "refusal",
        "tool_calls",
    }
)


def unfold(answer: Document) -> Iterator[Delta]:
    """The deltas of a whole answer, each as large as can be."""
    yield Begin(answer.get("id") or "", answer.get("model") or "", answer.get("created") or 0)
    for choice in answer.get("choices") or ():
        yield from _choice(choice)
    count = usage.of(answer.get("usage"))
    if count is not None:
        yield Count(count)


def _choice(choice: Document) -> Iterator[Delta]:
    index, message = choice.get("index") or 0, choice.get("message") or {}
    yield from _reasoning(index, message)
    content = message.get("content")
    if isinstance(content, str) and content:
        yield Text(index, content)
    if message.get("refusal"):
        yield Refusal(index, message["refusal"])
    for slot, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        yield CallPart(
            index,
            slot,
            call.get("id") or "",
            function.get("name") or "",
            function.get("arguments") or "",
            call.get("extra_content"),
        )
    extra = {
        key: value for key, value in message.items() if key not in _KNOWN and value is not None
    }
    if extra:
        yield Extra(index, extra)
    logprobs = choice.get("logprobs") or {}
    for kind in ("content", "refusal"):
        if logprobs.get(kind):
            yield Logprobs(index, logprobs[kind], refusal=kind == "refusal")
    if choice.get("finish_reason"):
        yield Finish(index, reason(choice["finish_reason"]), choice.get("stop_sequence") or "")


def _reasoning(index: int, message: Document) -> Iterator[Delta]:
    """Signed blocks one by one, then what was said beside them."""
    told = ""
    for block in message.get("thinking_blocks") or ():
        if block.get("type") == "redacted_thinking":
            yield Reasoning(index, redacted=block.get("data") or "")
        else:
            text = block.get("thinking") or ""
            told += text
            yield Reasoning(index, text, block.get("signature") or "")
    rest = (message.get("reasoning_content") or "").removeprefix(told)
    if rest:
        yield Reasoning(index, rest)


_REASONS: Final[dict[object, Reason]] = {
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


def reason(word: object) -> Reason:
    """OpenAI's word for why a choice ended; what nobody knows is a stop."""
    return _REASONS.get(word, "stop") if isinstance(word, str) else "stop"
