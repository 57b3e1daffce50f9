"""xAI."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_responses
from gateway.providers.base import OPENAI_PATHS, Door, Provider

PROVIDER = Provider(
    name="xai",
    base_url="https://api.x.ai/v1",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
        Operation.RESPONSES: Door(openai_responses.UPSTREAM, "/responses"),
    },
    paths={
        Operation.IMAGES: OPENAI_PATHS[Operation.IMAGES],
        Operation.FILES: OPENAI_PATHS[Operation.FILES],
    },
    variable="XAI_API_KEY",
    source="docs.x.ai/docs/api-reference, 2026-11",
)
