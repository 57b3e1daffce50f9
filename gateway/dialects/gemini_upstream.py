"""Gemini's generateContent, spoken to a backend: AI Studio's or Vertex's.

The model and whether the answer streams stand in the URL, never in the body.
Source: ai.google.dev/api/generate-content, cloud.google.com/vertex-ai/generative-ai/docs/
model-reference/inference, 2026-11.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.chat import fold
from gateway.chat.deltas import Broken, Delta
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects import gemini, gemini_ask
from gateway.dialects.base import BadAnswer, Head, Losses, Said, UpstreamDialect, Watch
from gateway.dialects.gemini_stream import Reader
from gateway.dialects.watched import Watched
from gateway.wire import json

_answer: Final = msgspec.json.Decoder(gemini.Event).decode
_BAD_FORM: Final = "the answer is not JSON of the expected form"


@dataclass(frozen=True, slots=True)
class Upstream:
    """ids: calls and their results say which is whose; elsewhere their order does."""

    ids: bool
    name: str = "gemini"
    stream_type: bytes = b"text/event-stream"

    def write_request(self, chat: Document, losses: Losses) -> Document:
        return gemini_ask.written(chat, losses, ids=self.ids)

    def read_response(self, document: Document) -> Document:
        reader, deltas = Reader(), list[Delta]()
        try:
            reader.read(msgspec.convert(document, gemini.Event), deltas)
            deltas += reader.close()
            broken = next((delta for delta in deltas if isinstance(delta, Broken)), None)
            if broken is not None:
                raise BadAnswer(f"the answer is no whole one: {broken.code}")
            return fold.fold(deltas)
        except (AttributeError, KeyError, TypeError, msgspec.ValidationError):
            raise BadAnswer(_BAD_FORM) from None

    def reader(self) -> Reader:
        return Reader()

    def read_error(self, body: bytes) -> Said:
        return gemini.read_error(body)

    # ---- where the client speaks the same

    def addressed(self, fields: json.Fields, model: msgspec.Raw) -> json.Fields:
        """Without what the road was told beside the document: the door's path says it."""
        return {key: raw for key, raw in fields.items() if key not in ("model", "stream")}

    def read_answer(self, body: bytes) -> Usage | None:
        try:
            answer = _answer(body)
            if not body.isascii():
                body.decode()
        except gemini.UNREADABLE:
            raise BadAnswer(_BAD_FORM) from None
        if json.has_monster(body):
            raise BadAnswer("the answer has a number with too many digits")
        if answer.error is not None:
            raise BadAnswer("the answer is an error")
        if answer.candidates is None and answer.prompt_feedback is None:
            raise BadAnswer("the answer has no content")
        counts = answer.usage_metadata
        return None if counts is None else gemini.usage_of(counts)

    def watch(self, head: Head) -> Watch:
        return Watched(Reader(passing=True))


UPSTREAM: Final[UpstreamDialect] = Upstream(ids=True)
# Vertex has refused the ids of calls.
VERTEX: Final[UpstreamDialect] = Upstream(ids=False)
