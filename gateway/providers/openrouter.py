"""OpenRouter, itself a router: what it cannot carry depends on whom it asks."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_completion, openai_embeddings, openai_responses
from gateway.providers.base import Door, Provider

PROVIDER = Provider(
    name="openrouter",
    base_url="https://openrouter.ai/api/v1",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/completions"),
        Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, "/embeddings"),
        Operation.RESPONSES: Door(openai_responses.UPSTREAM, "/responses"),
    },
    paths={},
    variable="OPENROUTER_API_KEY",
    source="openrouter.ai/docs/api-reference, 2026-11",
)
