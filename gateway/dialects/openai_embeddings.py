"""OpenAI's embeddings: the lingua franca of their kind, so they are only ever passed on.

Source: platform.openai.com/docs/api-reference/embeddings, 2026-11.
"""

from dataclasses import dataclass
from typing import Final

from gateway.chat.document import Document
from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.dialects import openai, openai_chat
from gateway.dialects.base import ClientDialect, Head, Losses, UpstreamDialect
from gateway.wire import json


@dataclass(frozen=True, slots=True)
class Client(openai_chat.Client):
    """Errors and the like are as in OpenAI's other operations."""

    name: str = "openai_embeddings"

    def read_head(self, body: bytes) -> tuple[Head, json.Fields]:
        return openai.read_request(Operation.EMBEDDINGS, body)

    def read_request(self, document: Document, losses: Losses) -> Document:
        return document

    def write_response(self, answer: Document, request: Document) -> Document:
        return answer


@dataclass(frozen=True, slots=True)
class Upstream(openai_chat.Upstream):
    name: str = "openai_embeddings"

    def read_answer(self, body: bytes) -> Usage | None:
        return openai.read_answer(Operation.EMBEDDINGS, body)


CLIENT: Final[ClientDialect] = Client()
UPSTREAM: Final[UpstreamDialect] = Upstream()
