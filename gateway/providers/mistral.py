"""Mistral. It calls the seed `random_seed`, and says what a stream took without being asked."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_embeddings
from gateway.providers.base import OPENAI_PATHS, Door, Provider

PROVIDER = Provider(
    name="mistral",
    base_url="https://api.mistral.ai/v1",
    doors={
        Operation.CHAT: Door(openai_chat.STRICT, "/chat/completions"),
        Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, "/embeddings"),
    },
    paths={
        Operation.MODERATIONS: OPENAI_PATHS[Operation.MODERATIONS],
        Operation.AUDIO: OPENAI_PATHS[Operation.AUDIO],
        Operation.FILES: OPENAI_PATHS[Operation.FILES],
    },
    renames={"max_completion_tokens": "max_tokens", "seed": "random_seed"},
    usage_on_request=False,
    variable="MISTRAL_API_KEY",
    source="docs.mistral.ai/api, 2026-11",
)
