"""AI Studio's door: its key, and what its errors mean."""

import pytest

from gateway.dialects.base import Said
from gateway.errors import Code
from gateway.providers.gemini import PROVIDER


def test_the_key_has_a_header_of_its_own() -> None:
    assert PROVIDER.authorize("k") == [(b"x-goog-api-key", b"k")]
    assert PROVIDER.authorize("") == []


@pytest.mark.parametrize(
    "said",
    [Said(code="API_KEY_INVALID", type="INVALID_ARGUMENT"), Said(type="FAILED_PRECONDITION")],
)
def test_a_bad_key_is_not_the_callers_fault(said: Said) -> None:
    assert PROVIDER.classify(400, said, None).code is Code.UPSTREAM_AUTH


def test_a_prompt_that_is_too_long_is_known() -> None:
    said = PROVIDER.read_error(
        b'{"error": {"code": 400, "message": "The input token count (9) exceeds 8."}}'
    )
    assert PROVIDER.classify(400, said, None).code is Code.CONTEXT_LENGTH


def test_the_body_says_how_long_to_wait_where_no_header_does() -> None:
    said = Said(type="RESOURCE_EXHAUSTED", retry_after_s=37.5)
    assert PROVIDER.classify(429, said, None).retry_after_s == 37.5
    assert PROVIDER.classify(429, said, 2.0).retry_after_s == 2.0
