"""Cohere, in its own language; rerank is passed through."""

from gateway.chat.operation import Operation
from gateway.dialects import cohere
from gateway.providers.base import Door, EmbeddingsDoor, Provider

PROVIDER = Provider(
    name="cohere",
    base_url="https://api.cohere.com",
    paths={Operation.RERANK: "/v2/rerank"},
    doors={
        Operation.CHAT: Door(cohere.UPSTREAM, "/v2/chat"),
        Operation.EMBEDDINGS: EmbeddingsDoor(cohere.EMBEDDINGS, "/v2/embed"),
    },
    # The first version of rerank took these; Jina's form has the first of them still.
    refuses=frozenset({"return_documents", "rank_fields", "max_chunks_per_doc"}),
    variable="CO_API_KEY",
    read_error=cohere.read_error,
    usage_on_request=False,
    source="docs.cohere.com/v2/reference, 2026-11",
)
