"""Fireworks AI."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_completion, openai_embeddings, openai_responses
from gateway.providers.base import OPENAI_PATHS, Door, Provider

PROVIDER = Provider(
    name="fireworks",
    base_url="https://api.fireworks.ai/inference/v1",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/completions"),
        Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, "/embeddings"),
        Operation.RESPONSES: Door(openai_responses.UPSTREAM, "/responses"),
    },
    paths={Operation.RERANK: OPENAI_PATHS[Operation.RERANK]},
    renames={"max_completion_tokens": "max_tokens"},
    variable="FIREWORKS_API_KEY",
    source="docs.fireworks.ai/api-reference, 2026-11",
)
