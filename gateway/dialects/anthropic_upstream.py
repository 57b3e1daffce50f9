"""Anthropic's Messages as what a backend speaks.

Source: platform.claude.com/docs/en/api/messages and .../api/messages-count-tokens, 2026-11.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.chat.document import Document
from gateway.chat.fold import fold
from gateway.chat.usage import Usage
from gateway.dialects import anthropic, anthropic_ask, anthropic_stream
from gateway.dialects.anthropic import Counts
from gateway.dialects.anthropic_stream import Reader
from gateway.dialects.base import BadAnswer, Head, Losses, Said, UpstreamDialect
from gateway.dialects.watched import Watched
from gateway.wire import json

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_FORM: Final = "the answer is not JSON of the expected form"


class _Anything(msgspec.Struct, gc=False):
    """An object whose syntax alone is checked."""


class _Answer(msgspec.Struct, gc=False):
    type: str | None = None
    content: list[_Anything] | None = None
    usage: Counts | None = None
    input_tokens: int | None = None  # the whole of what count_tokens says


_answer: Final = msgspec.json.Decoder(_Answer).decode


@dataclass(frozen=True, slots=True)
class Upstream:
    name: str = "anthropic"
    stream_type: bytes = b"text/event-stream"

    def write_request(self, chat: Document, losses: Losses) -> Document:
        return anthropic_ask.write(chat, losses)

    def read_response(self, document: Document) -> Document:
        if document.get("type") == "error":
            raise BadAnswer("the answer is an error")
        try:
            return fold(anthropic_stream.whole(document))
        except msgspec.ValidationError:
            raise BadAnswer(_FORM) from None

    def reader(self) -> Reader:
        return Reader()

    def read_error(self, body: bytes) -> Said:
        return anthropic.read_error(body)

    # ---- where the client speaks the same

    def addressed(self, fields: json.Fields, model: msgspec.Raw) -> json.Fields:
        return {**fields, "model": model}

    def read_answer(self, body: bytes) -> Usage | None:
        """A message's usage, or for what count_tokens says, the input alone."""
        try:
            answer = _answer(body)
            if not body.isascii():
                body.decode()
        except _UNREADABLE:
            raise BadAnswer(_FORM) from None
        if json.has_monster(body):
            raise BadAnswer("the answer has a number with too many digits")
        if answer.type == "error":
            raise BadAnswer("the answer is an error")
        if answer.content is None:
            if answer.input_tokens is None:
                raise BadAnswer("the answer has no content")
            return None  # it took nothing
        return anthropic.counted(answer.usage) if answer.usage is not None else None

    def watch(self, head: Head) -> Watched:
        return Watched(Reader())


UPSTREAM: Final[UpstreamDialect] = Upstream()
