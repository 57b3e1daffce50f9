"""Text Generation Inference. The config must say where it is."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_completion
from gateway.providers.base import Door, Provider

PROVIDER = Provider(
    name="tgi",
    base_url=None,
    doors={
        Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/completions"),
    },
    paths={},
    variable="HF_TOKEN",
    source="huggingface.co/docs/text-generation-inference/messages_api, 2026-11",
)
