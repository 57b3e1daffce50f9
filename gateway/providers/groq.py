"""Groq. It has no text completions and no embeddings; it answers 400 to `n` above 1 and to names of
messages as well, which is its own word to the client.
"""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_responses
from gateway.providers.base import OPENAI_PATHS, Door, Provider

PROVIDER = Provider(
    name="groq",
    base_url="https://api.groq.com/openai/v1",
    doors={
        Operation.CHAT: Door(openai_chat.STRICT, "/chat/completions"),
        Operation.RESPONSES: Door(openai_responses.UPSTREAM, "/responses"),
    },
    paths={
        Operation.AUDIO: OPENAI_PATHS[Operation.AUDIO],
    },
    refuses=frozenset({"logprobs", "top_logprobs", "logit_bias"}),
    variable="GROQ_API_KEY",
    source="console.groq.com/docs/openai, 2026-11",
)
