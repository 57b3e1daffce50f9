"""Completions and embeddings of OpenAI, passed on as they come."""

from dataclasses import dataclass
from typing import Final

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.dialects import openai
from gateway.dialects.base import ClientDialect, Head, UpstreamDialect
from gateway.dialects.openai_chat import Client, Upstream
from gateway.wire import json


@dataclass(frozen=True, slots=True)
class PassingClient(Client):
    operation: Operation = Operation.COMPLETION

    def read_head(self, body: bytes) -> tuple[Head, json.Fields]:
        return openai.read_request(self.operation, body)


@dataclass(frozen=True, slots=True)
class PassingUpstream(Upstream):
    operation: Operation = Operation.COMPLETION

    def read_answer(self, body: bytes) -> Usage | None:
        return openai.read_answer(self.operation, body)


COMPLETION_CLIENT: Final[ClientDialect] = PassingClient(name="openai_completion")
COMPLETION: Final[UpstreamDialect] = PassingUpstream(name="openai_completion")
EMBEDDINGS_CLIENT: Final[ClientDialect] = PassingClient(
    name="openai_embeddings", operation=Operation.EMBEDDINGS
)
EMBEDDINGS: Final[UpstreamDialect] = PassingUpstream(
    name="openai_embeddings", operation=Operation.EMBEDDINGS
)
