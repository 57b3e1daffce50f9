"""Ollama on this machine, in its own language; text completions as OpenAI has them."""

from gateway.chat.operation import Operation
from gateway.dialects import ollama, openai_completion
from gateway.providers.base import Door, EmbeddingsDoor, Provider

PROVIDER = Provider(
    name="ollama",
    base_url="http://127.0.0.1:11434",
    paths={},
    doors={
        Operation.CHAT: Door(ollama.UPSTREAM, "/api/chat"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/v1/completions"),
        Operation.EMBEDDINGS: EmbeddingsDoor(ollama.EMBEDDINGS, "/api/embed"),
    },
    variable="OLLAMA_API_KEY",
    read_error=ollama.read_error,
    source="docs.ollama.com/api, 2026-11",
)
