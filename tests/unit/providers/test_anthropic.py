"""Anthropic's door. What it says there: tests/unit/dialects/test_anthropic*.py."""

import pytest

from gateway.chat.operation import Operation
from gateway.dialects.base import Said
from gateway.errors import Code
from gateway.providers.anthropic import PROVIDER


def test_the_key_has_a_header_of_its_own_and_the_version_is_always_said() -> None:
    version = (b"anthropic-version", b"2023-06-01")
    assert PROVIDER.authorize("sk-ant") == [(b"x-api-key", b"sk-ant"), version]
    assert PROVIDER.authorize("") == [version]


def test_its_doors_speak_messages() -> None:
    assert {operation: door.path for operation, door in PROVIDER.doors.items()} == {
        Operation.MESSAGES: "/v1/messages",
        Operation.COUNT_TOKENS: "/v1/messages/count_tokens",
    }
    assert {door.dialect.name for door in PROVIDER.doors.values()} == {"anthropic"}
    assert PROVIDER.paths == {}


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (529, Said(type="overloaded_error"), Code.UPSTREAM_OVERLOADED),
        (429, Said(type="rate_limit_error"), Code.UPSTREAM_RATE_LIMITED),
        (429, Said(code="contract_spend_limit_reached"), Code.UPSTREAM_QUOTA),
        (400, Said(code="enforced_spend_limit_reached"), Code.UPSTREAM_QUOTA),
        (402, Said(type="billing_error"), Code.UPSTREAM_QUOTA),
        (400, Said(type="invalid_request_error"), Code.UPSTREAM_REFUSED),
        (413, Said(type="request_too_large"), Code.UPSTREAM_REFUSED),
        (401, Said(type="authentication_error"), Code.UPSTREAM_AUTH),
        (500, Said(type="api_error"), Code.UPSTREAM_ERROR),
    ],
)
def test_a_failure_is_told_by_status_and_machine_word(status: int, said: Said, code: Code) -> None:
    failure = PROVIDER.classify(status, said, 2.0)
    assert (failure.code, failure.status, failure.retry_after_s) == (code, status, 2.0)
