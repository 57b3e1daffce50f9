"""The defaults of a provider: OpenAI's paths, a bearer's key, the shared reading of errors."""

import pytest

from gateway.chat.operation import Operation
from gateway.dialects.base import Said
from gateway.errors import Code
from gateway.policy.failures import Failure
from gateway.providers.base import (
    OPENAI_DOORS,
    OPENAI_PATHS,
    REASONING,
    Provider,
    bearer,
    classify,
)


def test_a_credential_is_borne() -> None:
    assert bearer("sk-a") == [(b"authorization", b"Bearer sk-a")]


def test_without_a_credential_nothing_is_said() -> None:
    assert bearer("") == []


def test_what_openai_offers_is_understood_or_relayed_and_never_both() -> None:
    assert not OPENAI_PATHS.keys() & OPENAI_DOORS.keys() - {Operation.RESPONSES}
    assert all(path.startswith("/") and not path.endswith("/") for path in OPENAI_PATHS.values())


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (Said(code="insufficient_quota"), Code.UPSTREAM_QUOTA),
        (Said(type="insufficient_quota"), Code.UPSTREAM_QUOTA),
        (Said(type="insufficient_quota", code="rate_limit_exceeded"), Code.UPSTREAM_RATE_LIMITED),
        (Said(message="insufficient_quota"), Code.UPSTREAM_RATE_LIMITED),
        (Said(), Code.UPSTREAM_RATE_LIMITED),
    ],
)
def test_machine_words_count_and_messages_do_not(said: Said, code: Code) -> None:
    assert classify(429, said, 3.0) == Failure(code, 429, retry_after_s=3.0)


def test_a_provider_is_openais_unless_it_says_otherwise() -> None:
    provider = Provider(name="x", base_url=None)
    assert provider.paths is OPENAI_PATHS
    assert provider.authorize("k") == bearer("k")
    assert provider.usage_on_request
    assert provider.read_error(b'{"error":{"message":"no"}}') == Said("no")


@pytest.mark.parametrize(
    ("model", "newer"),
    [
        ("o1", True),
        ("o3-mini", True),
        ("gpt-5-mini", True),
        ("gpt-5.6", True),
        ("prod-gpt-5", True),
        ("gpt5", True),
        ("gpt-4o", False),
        ("gpt-4.1", False),
        ("turbo1", False),
        ("*", False),
    ],
)
def test_models_that_reason_are_known_by_their_names(model: str, newer: bool) -> None:
    provider = Provider(name="p", base_url=None, renames={"a": "b"}, renamed=REASONING)
    more = {"max_tokens": "max_completion_tokens"} if newer else {}
    assert provider.renames_for(model) == {"a": "b", **more}
