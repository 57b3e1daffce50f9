"""What a client may ask for."""

from enum import StrEnum


class Operation(StrEnum):
    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"
    GENERATE = "generate_content"
    COUNT_CONTENT = "count_content_tokens"  # Gemini's way of the same
    MODERATIONS = "moderations"
    IMAGES = "images"
    AUDIO = "audio"
    FILES = "files"
    RERANK = "rerank"
    MODELS = "models"


# The ones whose requests and answers we read; the others are relayed without being understood.
UNDERSTOOD = frozenset(
    {
        Operation.CHAT,
        Operation.COMPLETION,
        Operation.EMBEDDINGS,
        Operation.RESPONSES,
        Operation.MESSAGES,
        Operation.GENERATE,
    }
)
