"""Perplexity. Its answers cite pages in fields of their own, which ride along untranslated."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat
from gateway.providers.base import Door, Provider

PROVIDER = Provider(
    name="perplexity",
    base_url="https://api.perplexity.ai",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
    },
    paths={},
    renames={"max_completion_tokens": "max_tokens"},
    variable="PERPLEXITY_API_KEY",
    source="docs.perplexity.ai/api-reference, 2026-11",
)
