"""Hugging Face, its router to several vendors."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat
from gateway.providers.base import Door, Provider

PROVIDER = Provider(
    name="huggingface",
    base_url="https://router.huggingface.co/v1",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
    },
    paths={},
    renames={"max_completion_tokens": "max_tokens"},
    variable="HF_TOKEN",
    source="huggingface.co/docs/inference-providers, 2026-11",
)
