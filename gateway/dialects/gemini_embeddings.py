"""Google's embeddings: AI Studio's batchEmbedContents, and the predict form of Vertex.

`task_type` and `title` are Google's own and go through; tokens as input are refused.
Source: ai.google.dev/api/embeddings, cloud.google.com/vertex-ai/generative-ai/docs/model-reference/
text-embeddings-api, 2026-11.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.chat import vectors
from gateway.chat.document import Document
from gateway.dialects import gemini
from gateway.dialects.base import BadAnswer, EmbeddingsDialect, Losses, Said, untranslatable

_READ: Final = frozenset(
    {"model", "input", "encoding_format", "dimensions", "user", "task_type", "title"}
)
_BAD_FORM: Final = "the answer is not of Google's form"


def _texts(document: Document, losses: Losses) -> list[str]:
    texts = vectors.texts(document)
    if texts is None:
        raise untranslatable("input", "tokens are another model's: send text")
    for name in sorted(document.keys() - _READ):
        if document[name] is not None:
            losses.cannot(name, "Google's embeddings have no such thing")
    if document.get("encoding_format") not in (None, "float", "base64"):
        losses.cannot("encoding_format")
    return texts


# ---- AI Studio


class _Values(msgspec.Struct):
    values: list[float]


class _Counts(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Batch(msgspec.Struct, rename="camel"):
    embeddings: list[_Values]
    usage_metadata: _Counts | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    name: str = "gemini_embeddings"

    def write_request(self, document: Document, losses: Losses) -> Document:
        common: Document = {"model": f"models/{document['model']}"}
        for name, own in (
            ("dimensions", "outputDimensionality"),
            ("task_type", "taskType"),
            ("title", "title"),
        ):
            if document.get(name) is not None:
                common[own] = document[name]
        texts = _texts(document, losses)
        return {"requests": [{**common, "content": {"parts": [{"text": one}]}} for one in texts]}

    def read_response(self, answer: Document, request: Document) -> Document:
        try:
            said = msgspec.convert(answer, _Batch)
        except msgspec.ValidationError:
            raise BadAnswer(_BAD_FORM) from None
        counts = said.usage_metadata or _Counts()
        found = [one.values for one in said.embeddings]
        return vectors.answer(request, found, counts.prompt_token_count)

    def read_error(self, body: bytes) -> Said:
        return gemini.read_error(body)


# ---- Vertex


class _Statistics(msgspec.Struct):
    token_count: float = 0  # Vertex writes it as 4.0


class _Embedding(msgspec.Struct):
    values: list[float]
    statistics: _Statistics = msgspec.field(default_factory=_Statistics)


class _Prediction(msgspec.Struct):
    embeddings: _Embedding


class _Predictions(msgspec.Struct):
    predictions: list[_Prediction]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Some models take one text a call; Vertex says so itself."""

    name: str = "vertex_embeddings"

    def write_request(self, document: Document, losses: Losses) -> Document:
        common = {
            name: document[name]
            for name in ("task_type", "title")
            if document.get(name) is not None
        }
        texts = _texts(document, losses)
        request: Document = {"instances": [{**common, "content": one} for one in texts]}
        if document.get("dimensions") is not None:
            request["parameters"] = {"outputDimensionality": document["dimensions"]}
        return request

    def read_response(self, answer: Document, request: Document) -> Document:
        try:
            said = [one.embeddings for one in msgspec.convert(answer, _Predictions).predictions]
        except msgspec.ValidationError:
            raise BadAnswer(_BAD_FORM) from None
        tokens = int(sum(one.statistics.token_count for one in said))
        return vectors.answer(request, [one.values for one in said], tokens)

    def read_error(self, body: bytes) -> Said:
        return gemini.read_error(body)


STUDIO: Final[EmbeddingsDialect] = Embeddings()
VERTEX: Final[EmbeddingsDialect] = Predictions()
