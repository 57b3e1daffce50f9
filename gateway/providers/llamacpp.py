"""llama.cpp's server. Its usual port is the gateway's own, so the config must say where it is."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_completion, openai_embeddings
from gateway.providers.base import OPENAI_PATHS, Door, Provider

PROVIDER = Provider(
    name="llamacpp",
    base_url=None,
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/completions"),
        Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, "/embeddings"),
    },
    paths={
        Operation.RERANK: OPENAI_PATHS[Operation.RERANK],
    },
    variable="LLAMA_API_KEY",
    source="github.com/ggml-org/llama.cpp/tree/master/tools/server, 2026-11",
)
