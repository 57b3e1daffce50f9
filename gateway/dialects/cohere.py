"""Cohere's own language (v2): chat and embeddings.

Source: docs.cohere.com/v2/reference/chat, .../embed, .../errors, 2026-11.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.chat import fold, vectors
from gateway.chat.document import Document
from gateway.dialects import cohere_answer, cohere_request
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
    message: str = ""


_error: Final = msgspec.json.Decoder(_Error).decode


def read_error(body: bytes) -> Said:
    try:
        return Said(_error(body).message[:MAX_SAID])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said()


@dataclass(frozen=True, slots=True)
class Upstream(Unspoken):
    name: str = "cohere"
    stream_type: bytes = b"text/event-stream"

    def write_request(self, chat: Document, losses: Losses) -> Document:
        return cohere_request.write(chat, losses)

    def read_response(self, document: Document) -> Document:
        return fold.fold(cohere_answer.whole(document))

    def reader(self) -> cohere_answer.Reader:
        return cohere_answer.Reader()

    def read_error(self, body: bytes) -> Said:
        return read_error(body)


# ---- embeddings


class _Floats(msgspec.Struct):
    floats: list[list[float]] = msgspec.field(name="float")


class _Tokens(msgspec.Struct):
    input_tokens: float | None = None


class _Meta(msgspec.Struct):
    tokens: _Tokens | None = None
    billed_units: _Tokens | None = None


class _Embedded(msgspec.Struct):
    embeddings: _Floats
    meta: _Meta | None = None


_OPENAI: Final = frozenset({"input", "encoding_format", "dimensions", "user"})


@dataclass(frozen=True, slots=True)
class Embeddings:
    """`input_type` is `search_document` unless the client or the config says another."""

    name: str = "cohere_embeddings"

    def write_request(self, document: Document, losses: Losses) -> Document:
        texts = vectors.texts(document)
        if texts is None:
            raise untranslatable("input", "tokens are another model's: send text")
        if document.get("encoding_format") not in (None, "float", "base64"):
            losses.cannot("encoding_format")
        more = {key: value for key, value in document.items() if key not in _OPENAI}
        request = {"input_type": "search_document", **more, "texts": texts}
        request["embedding_types"] = ["float"]
        if document.get("dimensions") is not None:
            request["output_dimension"] = document["dimensions"]
        return request

    def read_response(self, answer: Document, request: Document) -> Document:
        try:
            said = msgspec.convert(answer, _Embedded)
        except msgspec.ValidationError:
            raise BadAnswer("the answer is not of Cohere's form") from None
        meta = said.meta or _Meta()
        tokens = (meta.tokens or meta.billed_units or _Tokens()).input_tokens
        return vectors.answer(
            request, said.embeddings.floats, None if tokens is None else int(tokens)
        )

    def read_error(self, body: bytes) -> Said:
        return read_error(body)


UPSTREAM: Final[UpstreamDialect] = Upstream()
EMBEDDINGS: Final[EmbeddingsDialect] = Embeddings()
