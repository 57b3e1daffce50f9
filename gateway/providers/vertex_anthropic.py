"""Anthropic's models in Vertex AI: their own language, at Google's doors and for its tokens."""

from gateway.chat.operation import Operation
from gateway.dialects import anthropic, anthropic_vertex, gemini
from gateway.dialects.base import Said
from gateway.providers.base import Door, Provider, google_host


def read_error(body: bytes) -> Said:
    """The model's words are Anthropic's, the door's are Google's."""
    said = anthropic.read_error(body)
    return said if said.type else gemini.read_error(body)


PROVIDER = Provider(
    name="vertex_anthropic",
    base_url=(
        "https://{region}-aiplatform.googleapis.com/v1"
        "/projects/{project}/locations/{region}/publishers/anthropic"
    ),
    host=google_host,
    paths={},
    doors={
        Operation.MESSAGES: Door(
            anthropic_vertex.UPSTREAM,
            "/models/{model}:rawPredict",
            "/models/{model}:streamRawPredict",
        ),
        Operation.COUNT_TOKENS: Door(anthropic_vertex.COUNTING, "/models/count-tokens:rawPredict"),
    },
    read_error=read_error,
    usage_on_request=False,
    source="platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai, 2026-11",
)
