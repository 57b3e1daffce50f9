"""A stream of OpenAI's chunks, read: what those of chat and those of text completions share.

Source: platform.openai.com/docs/api-reference/chat-streaming and .../completions, 2026-11.
"""

from typing import Final, Generic, Protocol, TypeVar

import msgspec

from gateway.chat import usage
from gateway.chat.deltas import Begin, Broken, Count, Delta, Finish, Reason
from gateway.dialects.openai_frames import UNREADABLE, Frames, broken, check
from gateway.errors import Code
from gateway.wire import sse

_NOTHING: Final = msgspec.Raw(b"")
_NULL: Final = (b"", b"null")


class Choice(Protocol):
    index: int | None
    finish_reason: str | None


C = TypeVar("C", bound=Choice)


class Chunk(msgspec.Struct, Generic[C], gc=False):
    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[C] | None = None
    usage: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING
    object: str | None = None


class ChunkReader(Generic[C]):
    """One upstream's chunks into deltas; `_said` and `_reason` know what a choice says."""

    def __init__(self, decoder: msgspec.json.Decoder[Chunk[C]]) -> None:
        self._decode = decoder.decode
        self._frames = Frames()
        self._begun = False
        self._ended = False
        self._finished: dict[int, bool] = {}  # each choice that has been seen
        self.done = False
        self.events = 0

    def feed(self, chunk: bytes) -> list[Delta]:
        out: list[Delta] = []
        if self.done or self._ended:
            return out
        try:
            for data in self._frames.feed(chunk):
                if data == b"[DONE]" or data.strip() == b"[DONE]":
                    self.done = True
                    out.extend(self._end())
                    break
                if data and not self._one(data, out):
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
        whole = self._finished and all(self._finished.values()) and not self._frames.unfinished
        return [] if whole else [Broken(Code.STREAM_TRUNCATED)]

    # ---- what a choice says

    def _said(self, index: int, choice: C, out: list[Delta]) -> None:
        raise NotImplementedError

    def _reason(self, index: int, word: str) -> Reason:
        raise NotImplementedError

    def _finish(self, index: int, choice: C) -> Finish:
        return Finish(index, self._reason(index, choice.finish_reason or ""))

    # ---- inside

    def _end(self) -> list[Delta]:
        """At [DONE]: a choice that never said why it ended has stopped."""
        if not self._begun:
            return [Broken(Code.STREAM_TRUNCATED)]
        return [
            Finish(index, self._reason(index, "stop"))
            for index, finished in self._finished.items()
            if not finished
        ]

    def _break(self, out: list[Delta], delta: Broken) -> None:
        self._ended = True
        out.append(delta)

    def _one(self, data: bytes, out: list[Delta]) -> bool:
        """False if nothing may follow."""
        check(data)
        chunk = self._decode(data)
        counted = chunk.usage is not _NOTHING and bytes(chunk.usage) not in _NULL
        if self._erroneous(chunk):
            self._break(out, broken(data))
            return False
        self.events += 1
        if not self._begun and (chunk.choices or counted or chunk.id):
            self._begun = True  # Azure's first chunk says nothing at all
            out.append(Begin(chunk.id or "", chunk.model or "", int(chunk.created or 0)))
        for choice in chunk.choices or ():
            index = choice.index or 0
            finished = self._finished.setdefault(index, False)
            self._said(index, choice, out)
            if choice.finish_reason and not finished:
                self._finished[index] = True
                out.append(self._finish(index, choice))
        if counted:
            count = usage.read(chunk.usage)
            if count is not None:
                out.append(Count(count))
        return True

    def _erroneous(self, chunk: Chunk[C]) -> bool:
        """In OpenAI's shape, or in that of older vLLM: {"object":"error","message":...}."""
        if chunk.error is not _NOTHING and bytes(chunk.error) not in _NULL:
            return True
        named = self._frames.name == b"error"
        return named or (chunk.choices is None and chunk.object == "error")
