"""Cerebras. It answers 400 to the fields that are refused here."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_completion
from gateway.providers.base import Door, Provider

PROVIDER = Provider(
    name="cerebras",
    base_url="https://api.cerebras.ai/v1",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/completions"),
    },
    paths={},
    refuses=frozenset({"frequency_penalty", "presence_penalty", "logit_bias"}),
    variable="CEREBRAS_API_KEY",
    source="inference-docs.cerebras.ai/resources/openai, 2026-11",
)
