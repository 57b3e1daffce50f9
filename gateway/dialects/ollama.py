"""Ollama's own language: chat and embeddings.

Source: docs.ollama.com/api, 2026-11.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.chat import fold, vectors
from gateway.chat.document import Document
from gateway.dialects import ollama_answer, ollama_request
from gateway.dialects.base import (
    MAX_SAID,
    BadAnswer,
    EmbeddingsDialect,
    Losses,
    Said,
    UpstreamDialect,
    untranslatable,
)
from gateway.dialects.unspoken import Unspoken


class _Error(msgspec.Struct):
    error: str = ""


_error: Final = msgspec.json.Decoder(_Error).decode


def read_error(body: bytes) -> Said:
    try:
        return Said(_error(body).error[:MAX_SAID])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said()


@dataclass(frozen=True, slots=True)
class Upstream(Unspoken):
    name: str = "ollama"
    stream_type: bytes = b"application/x-ndjson"

    def write_request(self, chat: Document, losses: Losses) -> Document:
        return ollama_request.write(chat, losses)

    def read_response(self, document: Document) -> Document:
        return fold.fold(ollama_answer.whole(document))

    def reader(self) -> ollama_answer.Reader:
        return ollama_answer.Reader()

    def read_error(self, body: bytes) -> Said:
        return read_error(body)


# ---- embeddings


class _Embedded(msgspec.Struct):
    embeddings: list[list[float]]
    prompt_eval_count: int | None = None


_OPENAI: Final = frozenset({"input", "encoding_format", "user"})


@dataclass(frozen=True, slots=True)
class Embeddings:
    name: str = "ollama_embeddings"

    def write_request(self, document: Document, losses: Losses) -> Document:
        texts = vectors.texts(document)
        if texts is None:
            raise untranslatable("input", "tokens are another model's: send text")
        if document.get("encoding_format") not in (None, "float", "base64"):
            losses.cannot("encoding_format")
        more = {key: value for key, value in document.items() if key not in _OPENAI}
        return {**more, "input": texts}

    def read_response(self, answer: Document, request: Document) -> Document:
        try:
            said = msgspec.convert(answer, _Embedded)
        except msgspec.ValidationError:
            raise BadAnswer("the answer is not of Ollama's form") from None
        return vectors.answer(request, said.embeddings, said.prompt_eval_count)

    def read_error(self, body: bytes) -> Said:
        return read_error(body)


UPSTREAM: Final[UpstreamDialect] = Upstream()
EMBEDDINGS: Final[EmbeddingsDialect] = Embeddings()
