"""Amazon Bedrock. Its Converse dialect is not spoken yet: a model on it is refused by name."""

from gateway.providers.base import Provider

PROVIDER = Provider(
    name="bedrock",
    base_url="https://bedrock-runtime.amazonaws.com",
    doors={},
    paths={},
    source="docs.aws.amazon.com/bedrock/latest/APIReference, 2026-11",
)
