"""Perplexity, by its Agent API in the form of Responses: chats with Sonar by themselves have ended.

Its answers cite pages in fields of their own, which ride along untranslated.
"""

from gateway.chat.operation import Operation
from gateway.dialects import openai_responses
from gateway.providers.base import Door, Provider

PROVIDER = Provider(
    name="perplexity",
    base_url="https://api.perplexity.ai/v1",
    doors={Operation.RESPONSES: Door(openai_responses.UPSTREAM, "/responses")},
    paths={},
    variable="PERPLEXITY_API_KEY",
    source="docs.perplexity.ai/docs/grounded-llm/openai-compatibility, 2026-11",
)
