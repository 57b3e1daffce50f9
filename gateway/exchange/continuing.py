"""A stream that breaks, continued: what was said so far goes to a target that can go on from there.

Off unless a route asks for it, and only for backends that say so in the config. One choice of plain
text, nothing else: half a tool call cannot be continued. The text is joined, not re-told.
Source: vLLM's `continue_final_message` (docs.vllm.ai, OpenAI-compatible server), 2026-11.
"""

from typing import Final

import msgspec

from gateway.chat.operation import Operation
from gateway.exchange.ask import Ask
from gateway.exchange.taps import Outlet
from gateway.wire import json, sse

MAX_KEPT: Final = 1 << 20  # bytes of events; an answer that is longer is not continued


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: object = None
    reasoning: object = None
    refusal: object = None
    tool_calls: object = None
    function_call: object = None
    audio: object = None

    @property
    def plain(self) -> bool:
        others = (self.reasoning_content, self.reasoning, self.refusal, self.audio)
        return not any((*others, self.tool_calls, self.function_call))


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Event(msgspec.Struct):
    choices: list[_Choice] = []


_event: Final = msgspec.json.Decoder(_Event).decode
_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode
_TRUE: Final = msgspec.Raw(b"true")
_FALSE: Final = msgspec.Raw(b"false")


# Fields that make an answer more than one text, or bind it from its beginning: a grammar would
# begin anew, and a prompt that is repeated would be so twice.
_BINDING: Final = frozenset(
    {
        "tools",
        "functions",
        "response_format",
        "structured_outputs",
        "guided_json",
        "guided_regex",
        "guided_choice",
        "guided_grammar",
        "continue_final_message",
        "echo",
        "suffix",
        "best_of",
    }
)


def continuable(ask: Ask) -> bool:
    """Whether the answer will be one text, as far as the request tells."""
    if ask.head.choices != 1 or not _BINDING.isdisjoint(ask.fields):
        return False
    if ask.operation is Operation.COMPLETION:
        return bytes(ask.fields.get("prompt", msgspec.Raw(b""))).startswith(b'"')
    return ask.operation is Operation.CHAT


class Kept:
    """An outlet that remembers what has been said through it."""

    def __init__(self, outlet: Outlet, times: int) -> None:
        self._outlet = outlet
        self._times = times  # it may still be continued so often
        self._events: list[bytes] = []
        self._bytes = 0
        self._text = ""  # said before the last break
        self.broken = False

    def push(self, data: bytes) -> None:
        if self._bytes <= MAX_KEPT:
            self._events.append(data)
            self._bytes += len(data)
        self._outlet.push(data)

    def end(self, data: bytes = b"", *, keep: bool = True) -> None:
        self._outlet.end(data, keep=keep)

    def breaks(self) -> bool:
        """The stream has broken; whether it may be continued."""
        text = self._said()
        if text is None or self._times <= 0:
            return False
        self._times -= 1
        self._text += text
        self._events.clear()
        self._bytes = 0
        self.broken = True
        return True

    def _said(self) -> str | None:
        """The text since the last break; None if it was more, or other, than text."""
        if self._bytes > MAX_KEPT:
            return None
        text = ""
        for data in sse.SseReader().feed(b"".join(self._events)):
            try:
                event = _event(data)
            except msgspec.DecodeError:
                return None
            for choice in event.choices:
                delta = choice.delta
                if choice.index or choice.finish_reason or (delta and not delta.plain):
                    return None
                text += choice.text or (delta and delta.content) or ""
        return text

    def continued(self, ask: Ask) -> json.Fields:
        """The request for what is missing."""
        fields = dict(ask.fields)
        if ask.operation is Operation.COMPLETION:
            fields["prompt"] = msgspec.Raw(json.write(_text(fields["prompt"]) + self._text))
            return fields
        said = msgspec.Raw(json.write({"role": "assistant", "content": self._text}))
        fields["messages"] = msgspec.Raw(json.write([*_list(fields["messages"]), said]))
        fields["continue_final_message"] = _TRUE
        fields["add_generation_prompt"] = _FALSE
        return fields
