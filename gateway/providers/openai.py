"""OpenAI itself. It refuses what its reference does not have; models that reason have no
`max_tokens`.
"""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat
from gateway.providers.base import OPENAI_DOORS, OPENAI_PATHS, REASONING, Door, Provider

PROVIDER = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    doors={**OPENAI_DOORS, Operation.CHAT: Door(openai_chat.STRICT, "/chat/completions")},
    paths={what: path for what, path in OPENAI_PATHS.items() if what is not Operation.RERANK},
    renamed=REASONING,
    variable="OPENAI_API_KEY",
    source="platform.openai.com/docs/api-reference/introduction, 2026-11",
)
