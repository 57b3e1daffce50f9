"""Which language a client speaks for each operation, and in which one a backend is asked for it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gateway.chat.operation import Operation
from gateway.chat.templates import TEMPLATES
from gateway.dialects import (
    anthropic_client,
    anthropic_upstream,
    gemini_client,
    gemini_count,
    gemini_upstream,
    openai_chat,
    openai_completion,
    openai_embeddings,
    openai_responses,
)
from gateway.dialects.base import ClientDialect, UpstreamDialect
from gateway.dialects.translation import Chats, Embeddings, Translation
from gateway.providers.base import Door, EmbeddingsDoor

CLIENTS: Final[Mapping[Operation, ClientDialect]] = {
    Operation.CHAT: openai_chat.CLIENT,
    Operation.COMPLETION: openai_completion.CLIENT,
    Operation.EMBEDDINGS: openai_embeddings.CLIENT,
    Operation.RESPONSES: openai_responses.CLIENT,
    Operation.MESSAGES: anthropic_client.CLIENT,
    Operation.COUNT_TOKENS: anthropic_client.COUNTING,
    Operation.GENERATE: gemini_client.CLIENT,
    Operation.COUNT_CONTENT: gemini_count.CLIENT,
}
# The same languages, read: answers that were written for one client, for another.
READ: Final[Mapping[Operation, UpstreamDialect]] = {
    Operation.CHAT: openai_chat.UPSTREAM,
    Operation.COMPLETION: openai_completion.UPSTREAM,
    Operation.EMBEDDINGS: openai_embeddings.UPSTREAM,
    Operation.RESPONSES: openai_responses.UPSTREAM,
    Operation.MESSAGES: anthropic_upstream.UPSTREAM,
    Operation.GENERATE: gemini_upstream.UPSTREAM,
}
# A conversation may be had through any of these doors; the one that carries most comes first.
_CONVERSING: Final = (
    Operation.CHAT,
    Operation.MESSAGES,
    Operation.GENERATE,
    Operation.RESPONSES,
    Operation.COMPLETION,
)


def client_of(operation: Operation | None) -> ClientDialect:
    """OpenAI's chat where nothing more is known: every client of ours reads its errors."""
    if operation is None:
        return openai_chat.CLIENT
    return CLIENTS.get(operation, openai_chat.CLIENT)


AnyDoor = Door | EmbeddingsDoor


def taught(
    doors: Mapping[Operation, AnyDoor], template: str | None, stops: tuple[str, ...]
) -> Mapping[Operation, AnyDoor]:
    """The same, but for how chats are written for models that only continue texts."""
    door = doors.get(Operation.COMPLETION)
    if not (template or stops) or door is None:
        return doors
    spoken = door.dialect
    if not isinstance(door, Door) or not isinstance(spoken, openai_completion.Upstream):
        return doors
    spoken = replace(
        spoken,
        template=TEMPLATES[template] if template else spoken.template,
        stops=stops or spoken.stops,
    )
    return {**doors, Operation.COMPLETION: replace(door, dialect=spoken)}


def door_for(operation: Operation, doors: Mapping[Operation, AnyDoor]) -> AnyDoor | None:
    """The door through which an operation is asked: its own, else another language's."""
    if operation in doors or operation not in _CONVERSING:
        return doors.get(operation)
    return next((doors[other] for other in _CONVERSING if other in doors), None)


def translation(operation: Operation, door: AnyDoor) -> Translation | None:
    """None where both ends speak the same."""
    client = CLIENTS[operation]
    if client.name == door.dialect.name:
        return None
    if isinstance(door, EmbeddingsDoor):
        return Embeddings(door.dialect)
    return Chats(client, door.dialect)
