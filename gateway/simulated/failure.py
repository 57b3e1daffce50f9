"""What the simulated vendor says when it fails on purpose, or has to refuse.

Pure. Two shapes: OpenAI's, and Anthropic's on Messages.
"""

from typing import Final

from gateway.simulated.play import encoded

# A row: the status, OpenAI's type and code, Anthropic's type.
_WORDS: Final[dict[int, tuple[str, str | None, str]]] = {
    400: ("invalid_request_error", None, "invalid_request_error"),
    401: ("invalid_request_error", "invalid_api_key", "authentication_error"),
    403: ("invalid_request_error", "permission_denied", "permission_error"),
    404: ("invalid_request_error", "not_found", "not_found_error"),
    413: ("invalid_request_error", "request_too_large", "request_too_large"),
    429: ("requests", "rate_limit_exceeded", "rate_limit_error"),
    503: ("server_error", "overloaded", "overloaded_error"),
    529: ("server_error", "overloaded", "overloaded_error"),
}
_REFUSED: Final = _WORDS[400]
_FAILED: Final = ("server_error", None, "api_error")


def body(status: int, message: str, *, messages: bool) -> bytes:
    """messages: in Anthropic's shape."""
    kind, code, anthropic = _WORDS.get(status, _REFUSED if status < 500 else _FAILED)
    if messages:
        told = {"type": anthropic, "message": message}
        return encoded({"type": "error", "error": told, "request_id": None})
    return encoded({"error": {"message": message, "type": kind, "param": None, "code": code}})


def headers(retry_after_s: float | None) -> bytes:
    """Whole seconds for everybody (RFC 9110 10.2.3), milliseconds for OpenAI's own clients."""
    if retry_after_s is None:
        return b""
    whole_s, exact_ms = -(-retry_after_s // 1), retry_after_s * 1000
    return b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (whole_s, exact_ms)
