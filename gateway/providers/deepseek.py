"""DeepSeek. Its reasoning comes as `reasoning_content`."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat
from gateway.providers.base import Door, Provider

PROVIDER = Provider(
    name="deepseek",
    base_url="https://api.deepseek.com/v1",
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
    },
    paths={},
    renames={"max_completion_tokens": "max_tokens"},
    variable="DEEPSEEK_API_KEY",
    source="api-docs.deepseek.com, 2026-11",
)
