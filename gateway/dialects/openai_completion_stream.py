"""Chunks of text completions: read into deltas, written out of them; and tokens' logprobs.

Source: platform.openai.com/docs/api-reference/completions/object, 2026-11.
"""

from typing import Final

import msgspec

from gateway.chat import fold, usage
from gateway.chat.deltas import (
    Begin,
    Count,
    Delta,
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
from gateway.wire import sse

# ---- logprobs


class Tokens(msgspec.Struct, gc=False):
    """As text completions have them; null where there is nothing before the first token."""

    tokens: list[str] = []
    token_logprobs: list[float | None] = []
    top_logprobs: list[dict[str, float] | None] | None = None


UNLIKELY: Final = -9999.0  # OpenAI's word for a logprob that is not known


def told(tokens: Tokens) -> list[Document]:
    """As chats have them."""
    tops = tokens.top_logprobs or [None] * len(tokens.tokens)
    return [
        {
            **_token(token, logprob),
            "top_logprobs": [_token(*other) for other in (top or {}).items()],
        }
        for token, logprob, top in zip(tokens.tokens, tokens.token_logprobs, tops, strict=False)
    ]


def _token(token: str, logprob: float | None) -> Document:
    likely = UNLIKELY if logprob is None else logprob
    return {"token": token, "logprob": likely, "bytes": list(token.encode())}


def counted(content: list[Document], offset: int) -> Document:
    """Back again; offset: characters of the text before it."""
    offsets = []
    for entry in content:
        offsets.append(offset)
        offset += len(entry["token"])
    return {
        "tokens": [entry["token"] for entry in content],
        "token_logprobs": [entry["logprob"] for entry in content],
        "top_logprobs": [
            {top["token"]: top["logprob"] for top in entry.get("top_logprobs") or ()} or None
            for entry in content
        ],
        "text_offset": offsets,
    }


# ---- reading


class _Choice(msgspec.Struct, gc=False):
    index: int | None = 0
    text: str | None = None
    reasoning: str | None = None  # OpenRouter
    logprobs: Tokens | None = None
    finish_reason: str | None = None


_CHUNK: Final = msgspec.json.Decoder(Chunk[_Choice])


class Reader(ChunkReader[_Choice]):
    """One upstream's chunks; those of several choices come as they like."""

    def __init__(self) -> None:
        super().__init__(_CHUNK)

    def _said(self, index: int, choice: _Choice, out: list[Delta]) -> None:
        if choice.reasoning:
            out.append(Reasoning(index, choice.reasoning))
        if choice.text:
            out.append(Text(index, choice.text))
        if choice.logprobs is not None and choice.logprobs.tokens:
            out.append(Logprobs(index, told(choice.logprobs)))

    def _reason(self, index: int, word: str) -> Reason:
        return fold.reason(word)


# ---- writing

_encode: Final = msgspec.json.Encoder().encode


class Writer:
    """One client's chunks. A refusal is text here; reasoning has no place."""

    def __init__(self, *, wants_usage: bool) -> None:
        self._wants_usage = wants_usage
        self._usage: usage.Usage | None = None
        self._offsets: dict[int, int] = {}  # characters that each choice's tokens have so far
        self._tail = b',"usage":null}\n\n' if wants_usage else b"}\n\n"
        self._head = b""
        self._begin(Begin("", "", 0))

    def _begin(self, begin: Begin) -> None:
        self._head = (
            b'data: {"id":%b,"object":"text_completion","created":%d,"model":%b,"choices":['
            % (_encode(begin.id), begin.created, _encode(begin.model))
        )

    def write(self, deltas: list[Delta]) -> bytes:
        out: list[bytes] = []
        text: Text | Refusal | None = None  # not written yet: its tokens may follow
        for delta in deltas:
            if text is not None:
                tokens = isinstance(delta, Logprobs) and delta.choice == text.choice
                logprobs = self._logprobs(delta) if isinstance(delta, Logprobs) and tokens else None
                out.append(self._chunk(text.choice, text.text, logprobs))
                text = None
                if tokens:
                    continue
            match delta:
                case Text() | Refusal():
                    text = delta
                case Begin():
                    self._begin(delta)
                case Count():
                    self._usage = delta.usage
                case Logprobs():
                    out.append(self._chunk(delta.choice, "", self._logprobs(delta)))
                case Finish():
                    finish = "stop" if delta.reason == "tool_calls" else delta.reason
                    out.append(self._chunk(delta.choice, "", finish=_encode(finish)))
                case _:
                    pass
        if text is not None:
            out.append(self._chunk(text.choice, text.text))
        return b"".join(out)

    def _chunk(
        self, choice: int, text: str, logprobs: bytes | None = None, finish: bytes = b"null"
    ) -> bytes:
        return b'%b{"index":%d,"text":%b,"logprobs":%b,"finish_reason":%b}]%b' % (
            self._head,
            choice,
            _encode(text),
            b"null" if logprobs is None else logprobs,
            finish,
            self._tail,
        )

    def _logprobs(self, delta: Logprobs) -> bytes:
        offset = self._offsets.get(delta.choice, 0)
        self._offsets[delta.choice] = offset + sum(len(token["token"]) for token in delta.content)
        return _encode(counted(delta.content, offset))

    def close(self) -> bytes:
        if not self._wants_usage or self._usage is None:
            return sse.DONE
        used = _encode(usage.written(self._usage))
        return b'%b],"usage":%b}\n\n%b' % (self._head, used, sse.DONE)

    def fail(self, error: GatewayError) -> bytes:
        return sse.encode(error_body(error))
