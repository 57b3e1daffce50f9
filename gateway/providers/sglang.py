"""SGLang, on its usual port."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_completion, openai_embeddings
from gateway.providers.base import OPENAI_PATHS, Door, Provider

PROVIDER = Provider(
    name="sglang",
    base_url="http://127.0.0.1:30000/v1",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/completions"),
        Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, "/embeddings"),
    },
    paths={
        Operation.RERANK: OPENAI_PATHS[Operation.RERANK],
    },
    variable="SGLANG_API_KEY",
    source="docs.sglang.ai/basic_usage/openai_api.html, 2026-11",
)
