"""Everything that the gateway may tell a client has gone wrong.

One closed vocabulary: the same word stands in the error's `code`, in the log line and in the
metric, and says whose fault it was. SITUATIONS is the whole of it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Origin(StrEnum):
    """Whose fault it was."""

    CALLER = "caller"
    POLICY = "policy"
    CREDENTIAL = "credential"
    QUOTA = "quota"
    UPSTREAM = "upstream"
    GATEWAY = "gateway"


class Code(StrEnum):
    """What went wrong; stable, for machines."""

    BAD_FRAMING = "bad_framing"
    BAD_HEADER = "bad_header"
    BAD_HOST = "bad_host"
    BAD_TARGET = "bad_target"
    BAD_VERSION = "bad_version"
    URL_TOO_LONG = "url_too_long"
    HEADERS_TOO_LARGE = "headers_too_large"
    BODY_TOO_LARGE = "body_too_large"
    BODY_ENCODING = "unsupported_content_encoding"
    REQUEST_TIMEOUT = "request_timeout"
    EXPECTATION = "unsupported_expectation"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    INVALID_JSON = "invalid_json"
    INVALID_BODY = "invalid_body"
    INVALID_VALUE = "invalid_value"
    MISSING_VALUE = "missing_value"
    DUPLICATE_KEY = "duplicate_key"
    TOO_DEEP = "too_deep"
    INVALID_API_KEY = "invalid_api_key"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    MODEL_NOT_FOUND = "model_not_found"
    OPERATION_NOT_SUPPORTED = "operation_not_supported"
    CONTEXT_LENGTH = "context_length_exceeded"
    CONTENT_POLICY = "content_policy_violation"
    UPSTREAM_REFUSED = "upstream_refused"
    UPSTREAM_AUTH = "upstream_auth_error"
    UPSTREAM_QUOTA = "upstream_quota"
    UPSTREAM_RATE_LIMITED = "upstream_rate_limited"
    UPSTREAM_OVERLOADED = "upstream_overloaded"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_REDIRECT = "upstream_redirect"
    UPSTREAM_RESET = "upstream_reset"
    CONNECT_FAILED = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_TOKEN_TIMEOUT = "first_token_timeout"  # noqa: S105 - a word, no secret
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    TLS_ERROR = "tls_error"
    PROTOCOL_ERROR = "protocol_error"
    BAD_RESPONSE = "bad_upstream_response"
    RESPONSE_TOO_LARGE = "response_too_large"
    STREAM_INTERRUPTED = "stream_interrupted"
    STREAM_TRUNCATED = "stream_truncated"
    NO_UPSTREAM = "no_upstream_available"
    CLIENT_CLOSED = "client_closed_request"
    OVERLOADED = "overloaded"
    DRAINING = "draining"
    INTERNAL = "internal_error"


@dataclass(frozen=True, slots=True)
class Situation:
    status: int
    type: str  # OpenAI's word for the family; SDKs and people sort by it
    origin: Origin
    final: bool = False  # the SDK should not try again: we already have, or it is no use


_INVALID: Final = "invalid_request_error"
_UPSTREAM: Final = "upstream_error"
_TIMEOUT: Final = "timeout_error"


def _caller(status: int, type: str = _INVALID) -> Situation:
    return Situation(status, type, Origin.CALLER)


def _upstream(status: int = 502, type: str = _UPSTREAM) -> Situation:
    return Situation(status, type, Origin.UPSTREAM, final=True)


# One row a code: the status that goes out, the family, whose fault.
SITUATIONS: Final[dict[Code, Situation]] = {
    Code.BAD_FRAMING: _caller(400),
    Code.BAD_HEADER: _caller(400),
    Code.BAD_HOST: _caller(400),
    Code.BAD_TARGET: _caller(400),
    Code.BAD_VERSION: _caller(505),
    Code.URL_TOO_LONG: _caller(414),
    Code.HEADERS_TOO_LARGE: _caller(431),
    Code.BODY_TOO_LARGE: _caller(413, "request_too_large"),
    Code.BODY_ENCODING: _caller(415),
    Code.REQUEST_TIMEOUT: _caller(408, _TIMEOUT),
    Code.EXPECTATION: _caller(417),
    Code.NOT_FOUND: _caller(404),
    Code.METHOD_NOT_ALLOWED: _caller(405),
    Code.INVALID_JSON: _caller(400),
    Code.INVALID_BODY: _caller(400),
    Code.INVALID_VALUE: _caller(400),
    Code.MISSING_VALUE: _caller(400),
    Code.DUPLICATE_KEY: _caller(400),
    Code.TOO_DEEP: _caller(400),
    Code.INVALID_API_KEY: _caller(401, "authentication_error"),
    Code.MODEL_NOT_ALLOWED: Situation(403, "permission_error", Origin.POLICY),
    Code.MODEL_NOT_FOUND: _caller(404),
    Code.OPERATION_NOT_SUPPORTED: _caller(400),
    Code.CONTEXT_LENGTH: _caller(400),
    Code.CONTENT_POLICY: _caller(400),
    Code.UPSTREAM_REFUSED: _caller(400),
    Code.UPSTREAM_AUTH: Situation(502, _UPSTREAM, Origin.CREDENTIAL, final=True),
    Code.UPSTREAM_QUOTA: Situation(429, "insufficient_quota", Origin.QUOTA, final=True),
    Code.UPSTREAM_RATE_LIMITED: Situation(429, "rate_limit_error", Origin.QUOTA),
    Code.UPSTREAM_OVERLOADED: Situation(503, "overloaded_error", Origin.UPSTREAM),
    Code.UPSTREAM_ERROR: _upstream(),
    Code.UPSTREAM_REDIRECT: _upstream(),
    Code.UPSTREAM_RESET: _upstream(),
    Code.CONNECT_FAILED: _upstream(),
    Code.CONNECT_TIMEOUT: _upstream(504, _TIMEOUT),
    Code.FIRST_TOKEN_TIMEOUT: _upstream(504, _TIMEOUT),
    Code.IDLE_TIMEOUT: _upstream(504, _TIMEOUT),
    Code.TOTAL_TIMEOUT: _upstream(504, _TIMEOUT),
    Code.TLS_ERROR: _upstream(),
    Code.PROTOCOL_ERROR: _upstream(),
    Code.BAD_RESPONSE: _upstream(),
    Code.RESPONSE_TOO_LARGE: _upstream(),
    Code.STREAM_INTERRUPTED: _upstream(),
    Code.STREAM_TRUNCATED: _upstream(),
    Code.NO_UPSTREAM: Situation(503, "overloaded_error", Origin.UPSTREAM),
    Code.CLIENT_CLOSED: _caller(499),  # nobody is left to tell; only in records
    Code.OVERLOADED: Situation(503, "overloaded_error", Origin.GATEWAY),
    Code.DRAINING: Situation(503, "overloaded_error", Origin.GATEWAY),
    Code.INTERNAL: Situation(500, "internal_error", Origin.GATEWAY),
}


class GatewayError(Exception):
    """What a client is told. message is safe to show: never a secret, a URL or a prompt."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        status: int | None = None,
        headers: bytes = b"",
    ) -> None:
        super().__init__(message)
        situation = SITUATIONS[code]
        self.code = code
        self.message = message
        self.param = param  # the field at fault, dotted
        self.retry_after_s = retry_after_s
        self.status = situation.status if status is None else status
        self.type = situation.type
        self.origin = situation.origin
        self.final = situation.final
        self.headers = headers  # further header lines, e.g. b"allow: GET\r\n"
