"""Embeddings on Bedrock: each maker's own body, chosen by the model's name; Titan's and Cohere's.

Titan takes one input a call: lists are refused. Tokens as input are refused by both.
Source: docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and
.../model-parameters-embed.html, 2026-11.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.chat import vectors
from gateway.chat.document import Document
from gateway.dialects import bedrock
from gateway.dialects.base import BadAnswer, EmbeddingsDialect, Losses, Said, untranslatable

_OPENAI: Final = frozenset({"model", "input", "encoding_format", "dimensions", "user"})


class _Titan(msgspec.Struct, rename="camel"):
    embedding: list[float]
    input_text_token_count: int | None = None


class _Typed(msgspec.Struct):
    floats: list[list[float]] = msgspec.field(name="float")


class _Cohere(msgspec.Struct):
    embeddings: _Typed | list[list[float]]


@dataclass(frozen=True, slots=True)
class Embeddings:
    name: str = "bedrock_embeddings"

    def write_request(self, document: Document, losses: Losses) -> Document:
        texts = vectors.texts(document)
        if texts is None:
            raise untranslatable("input", "tokens are another model's: send text")
        if document.get("encoding_format") not in (None, "float", "base64"):
            losses.cannot("encoding_format")
        more = {key: value for key, value in document.items() if key not in _OPENAI}
        dimensions = document.get("dimensions")
        if _is_cohere(document):
            request: Document = {"input_type": "search_document", **more, "texts": texts}
            return request if dimensions is None else {**request, "output_dimension": dimensions}
        if len(texts) != 1:
            raise untranslatable("input", "this model takes one input a call")
        request = {**more, "inputText": texts[0]}
        return request if dimensions is None else {**request, "dimensions": dimensions}

    def read_response(self, answer: Document, request: Document) -> Document:
        try:
            if _is_cohere(request):
                said = msgspec.convert(answer, _Cohere).embeddings
                floats = said.floats if isinstance(said, _Typed) else said
                return vectors.answer(request, floats)
            titan = msgspec.convert(answer, _Titan)
        except msgspec.ValidationError:
            raise BadAnswer("the answer is not of the model's form") from None
        return vectors.answer(request, [titan.embedding], titan.input_text_token_count)

    def read_error(self, body: bytes) -> Said:
        return bedrock.read_error(body)


def _is_cohere(request: Document) -> bool:
    return "cohere." in str(request.get("model"))


EMBEDDINGS: Final[EmbeddingsDialect] = Embeddings()
