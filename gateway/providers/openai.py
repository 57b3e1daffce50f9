"""OpenAI itself."""

from gateway.providers.base import Provider

PROVIDER = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    source="platform.openai.com/docs/api-reference/introduction, 2026-11",
)
