"""Jina: embeddings in OpenAI's form, rerank in its own, which many have taken up."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_embeddings
from gateway.providers.base import OPENAI_PATHS, Door, Provider

PROVIDER = Provider(
    name="jina",
    base_url="https://api.jina.ai/v1",
    doors={Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, "/embeddings")},
    paths={Operation.RERANK: OPENAI_PATHS[Operation.RERANK]},
    variable="JINA_API_KEY",
    source="api.jina.ai/docs, 2026-11",
)
