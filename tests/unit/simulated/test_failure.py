"""Failures in the shape of the vendor that is asked."""

import json

import pytest

from gateway.simulated import failure


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (429, "requests", "rate_limit_exceeded"),
        (400, "invalid_request_error", None),
        (418, "invalid_request_error", None),
        (503, "server_error", "overloaded"),
        (500, "server_error", None),
        (599, "server_error", None),
    ],
)
def test_openai_s_shape(status: int, kind: str, code: str | None) -> None:
    told = json.loads(failure.body(status, "no", messages=False))
    assert told == {"error": {"message": "no", "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, "rate_limit_error"), (529, "overloaded_error"), (500, "api_error")],
)
def test_anthropic_s_shape(status: int, kind: str) -> None:
    told = json.loads(failure.body(status, "no", messages=True))
    assert (told["type"], told["error"]) == ("error", {"type": kind, "message": "no"})


@pytest.mark.parametrize(
    ("wait_s", "lines"),
    [
        (None, b""),
        (0.0, b"retry-after: 0\r\nretry-after-ms: 0\r\n"),
        (1.5, b"retry-after: 2\r\nretry-after-ms: 1500\r\n"),
    ],
)
def test_waits_are_told_in_seconds_and_milliseconds(wait_s: float | None, lines: bytes) -> None:
    assert failure.headers(wait_s) == lines
