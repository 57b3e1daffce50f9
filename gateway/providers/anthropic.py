"""Anthropic. Its Messages dialect is not spoken yet: a model on it is refused by name."""

from gateway.providers.base import Provider

PROVIDER = Provider(
    name="anthropic",
    base_url="https://api.anthropic.com",
    doors={},
    paths={},
    source="docs.anthropic.com/en/api/messages, 2026-11",
)
