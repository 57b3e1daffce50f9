"""Azure OpenAI: the v1 API, where a model is a deployment's name, or each deployment's own path.

A key goes out as `api-key`, a token of Entra's as a bearer's. Where its filter stops a prompt it
answers 400 and says so in `innererror`.
"""

from dataclasses import replace
from typing import Final

import msgspec

from gateway.chat.operation import Operation
from gateway.dialects import (
    openai,
    openai_chat,
    openai_completion,
    openai_embeddings,
    openai_responses,
)
from gateway.dialects.base import Said
from gateway.providers.base import OPENAI_PATHS, REASONING, Door, Provider
from gateway.wire.http import Headers

_V1: Final = "/openai/v1"
_FILTERED: Final = "ResponsibleAIPolicyViolation"


class _Inner(msgspec.Struct):
    code: str | None = None


class _Error(msgspec.Struct):
    innererror: _Inner | None = None


class _Refused(msgspec.Struct):
    error: _Error


_refused: Final = msgspec.json.Decoder(_Refused).decode


def authorize(credential: str) -> Headers:
    return [(b"api-key", credential.encode())] if credential else []


def read_error(body: bytes) -> Said:
    said = openai.read_error(body)
    try:
        inner = _refused(body).error.innererror
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return said
    if inner is None or inner.code != _FILTERED:
        return said
    return msgspec.structs.replace(said, code="content_filter")


def versioned(version: str) -> Provider:
    """By deployment, in a dated version of the API. What is relayed has no such paths."""
    end = f"?api-version={version}"
    deployment = "/openai/deployments/{model}"
    return replace(
        PROVIDER,
        paths={},
        doors={
            Operation.CHAT: Door(openai_chat.STRICT, f"{deployment}/chat/completions{end}"),
            Operation.COMPLETION: Door(
                openai_completion.UPSTREAM, f"{deployment}/completions{end}"
            ),
            Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, f"{deployment}/embeddings{end}"),
            Operation.RESPONSES: Door(openai_responses.UPSTREAM, f"/openai/responses{end}"),
        },
    )


PROVIDER = Provider(
    name="azure",
    base_url=None,
    doors={
        Operation.CHAT: Door(openai_chat.STRICT, f"{_V1}/chat/completions"),
        Operation.COMPLETION: Door(openai_completion.UPSTREAM, f"{_V1}/completions"),
        Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, f"{_V1}/embeddings"),
        Operation.RESPONSES: Door(openai_responses.UPSTREAM, f"{_V1}/responses"),
    },
    paths={
        operation: _V1 + OPENAI_PATHS[operation]
        for operation in (Operation.IMAGES, Operation.AUDIO, Operation.FILES)
    },
    authorize=authorize,
    renamed=REASONING,
    versioned=versioned,
    variable="AZURE_OPENAI_API_KEY",
    read_error=read_error,
    source="learn.microsoft.com/azure/foundry/openai/api-version-lifecycle and .../latest, 2026-11",
)
