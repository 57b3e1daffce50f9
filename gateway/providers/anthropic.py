"""Anthropic. Messages and the counting of their tokens; a key in a header of its own."""

from typing import Final

from gateway.chat.operation import Operation
from gateway.dialects.anthropic import read_error
from gateway.dialects.anthropic_upstream import UPSTREAM
from gateway.dialects.base import Said
from gateway.errors import Code
from gateway.policy.failures import Failure, by_status
from gateway.providers.base import Door, Provider
from gateway.wire.http import Headers

# The last one that takes temperature, top_p and top_k; all else it takes as its successor does.
VERSION: Final = b"2023-06-01"

# error.details.error_code, where it says more than the status. "prompt is too long" has none.
_CODES: Final = {
    "contract_spend_limit_reached": Code.UPSTREAM_QUOTA,
    "enforced_spend_limit_reached": Code.UPSTREAM_QUOTA,
    "linked_organization_spend_limit_reached": Code.UPSTREAM_QUOTA,
}


def authorize(credential: str) -> Headers:
    version = (b"anthropic-version", VERSION)
    return [(b"x-api-key", credential.encode()), version] if credential else [version]


def classify(status: int, said: Said, retry_after_s: float | None) -> Failure:
    code = _CODES.get(said.code)
    if code is not None:
        return Failure(code, status, retry_after_s=retry_after_s)
    return by_status(status, said.code or said.type, retry_after_s)


PROVIDER = Provider(
    name="anthropic",
    base_url="https://api.anthropic.com",
    paths={},
    doors={
        Operation.MESSAGES: Door(UPSTREAM, "/v1/messages"),
        Operation.COUNT_TOKENS: Door(UPSTREAM, "/v1/messages/count_tokens"),
    },
    authorize=authorize,
    variable="ANTHROPIC_API_KEY",
    read_error=read_error,
    classify=classify,
    usage_on_request=False,
    source="platform.claude.com/docs/en/api/messages and .../api/errors, 2026-11",
)
