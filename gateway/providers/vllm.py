"""vLLM, on its usual port."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_completion, openai_embeddings, openai_responses
from gateway.providers.base import OPENAI_PATHS, Door, Provider

PROVIDER = Provider(
    name="vllm",
    base_url="http://127.0.0.1:8000/v1",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/completions"),
        Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, "/embeddings"),
        Operation.RESPONSES: Door(openai_responses.UPSTREAM, "/responses"),
    },
    paths={
        Operation.RERANK: OPENAI_PATHS[Operation.RERANK],
        Operation.AUDIO: OPENAI_PATHS[Operation.AUDIO],
    },
    variable="VLLM_API_KEY",
    source="docs.vllm.ai/en/latest/serving/openai_compatible_server.html, 2026-11",
)
