"""Together AI."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_completion, openai_embeddings
from gateway.providers.base import OPENAI_PATHS, Door, Provider

PROVIDER = Provider(
    name="together",
    base_url="https://api.together.xyz/v1",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/completions"),
        Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, "/embeddings"),
    },
    paths={
        Operation.IMAGES: OPENAI_PATHS[Operation.IMAGES],
        Operation.AUDIO: OPENAI_PATHS[Operation.AUDIO],
        Operation.RERANK: OPENAI_PATHS[Operation.RERANK],
    },
    renames={"max_completion_tokens": "max_tokens"},
    variable="TOGETHER_API_KEY",
    source="docs.together.ai/docs/openai-api-compatibility, 2026-11",
)
