"""NVIDIA NIM, the hosted one."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_completion, openai_embeddings
from gateway.providers.base import Door, Provider

PROVIDER = Provider(
    name="nvidia",
    base_url="https://integrate.api.nvidia.com/v1",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/completions"),
        Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, "/embeddings"),
    },
    paths={},
    renames={"max_completion_tokens": "max_tokens"},
    variable="NVIDIA_API_KEY",
    source="docs.api.nvidia.com/nim/reference, 2026-11",
)
