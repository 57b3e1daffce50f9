"""Vertex's door."""

from gateway.dialects.base import Said
from gateway.errors import Code
from gateway.providers.vertex import PROVIDER


def test_a_token_is_a_bearers() -> None:
    assert PROVIDER.authorize("ya29.x") == [(b"authorization", b"Bearer ya29.x")]


def test_the_body_says_how_long_to_wait_where_no_header_does() -> None:
    failure = PROVIDER.classify(429, Said(retry_after_s=5.0), None)
    assert (failure.code, failure.retry_after_s) == (Code.UPSTREAM_RATE_LIMITED, 5.0)
    assert PROVIDER.classify(503, Said(retry_after_s=5.0), 1.0).retry_after_s == 1.0
