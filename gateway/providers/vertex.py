"""Gemini in Vertex AI: by region and project, with a bearer token that does not last."""

from gateway.chat.operation import Operation
from gateway.dialects import gemini, gemini_count, gemini_embeddings, gemini_upstream
from gateway.providers.base import Door, EmbeddingsDoor, Provider, google_host

PROVIDER = Provider(
    name="vertex",
    base_url=(
        "https://{region}-aiplatform.googleapis.com/v1"
        "/projects/{project}/locations/{region}/publishers/google"
    ),
    host=google_host,
    paths={},
    doors={
        Operation.GENERATE: Door(
            gemini_upstream.VERTEX,
            "/models/{model}:generateContent",
            "/models/{model}:streamGenerateContent?alt=sse",
        ),
        Operation.COUNT_CONTENT: Door(gemini_count.UPSTREAM, "/models/{model}:countTokens"),
        Operation.EMBEDDINGS: EmbeddingsDoor(gemini_embeddings.VERTEX, "/models/{model}:predict"),
    },
    read_error=gemini.read_error,
    usage_on_request=False,
    source="cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference, 2026-11",
)
