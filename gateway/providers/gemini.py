"""Gemini in AI Studio, by an API key."""

from typing import Final

from gateway.chat.operation import Operation
from gateway.dialects import gemini, gemini_count, gemini_embeddings, gemini_upstream
from gateway.dialects.base import Said
from gateway.errors import Code
from gateway.policy.failures import Failure
from gateway.providers import base
from gateway.providers.base import Door, EmbeddingsDoor, Provider
from gateway.wire.http import Headers

# Google says 400 where the key is wrong, or may not be used from where we are.
_KEY: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "FAILED_PRECONDITION"})


def authorize(credential: str) -> Headers:
    return [(b"x-goog-api-key", credential.encode())] if credential else []


def classify(status: int, said: Said, retry_after_s: float | None) -> Failure:
    """A key that it does not take is a bad request to it."""
    if status == 400 and (said.code in _KEY or said.type in _KEY):
        return Failure(Code.UPSTREAM_AUTH, status, retry_after_s=retry_after_s)
    return base.classify(status, said, retry_after_s)


PROVIDER = Provider(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    paths={},
    doors={
        Operation.GENERATE: Door(
            gemini_upstream.UPSTREAM,
            "/models/{model}:generateContent",
            "/models/{model}:streamGenerateContent?alt=sse",
        ),
        Operation.COUNT_CONTENT: Door(gemini_count.UPSTREAM, "/models/{model}:countTokens"),
        Operation.EMBEDDINGS: EmbeddingsDoor(
            gemini_embeddings.STUDIO, "/models/{model}:batchEmbedContents"
        ),
    },
    authorize=authorize,
    variable="GEMINI_API_KEY",
    read_error=gemini.read_error,
    classify=classify,
    usage_on_request=False,
    source="ai.google.dev/api, 2026-11",
)
