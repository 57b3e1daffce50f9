"""Everything that the gateway may tell a client has gone wrong.

One closed vocabulary: the same word stands in the error's `code`, in the log line and in the
metric, and says whose fault it was. SITUATIONS is the whole of it, and docs/errors.md its print:
python -m gateway.errors > docs/errors.md
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
    OPERATION_NOT_ALLOWED = "operation_not_allowed"
    PARAM_LIMIT = "param_limit"
    MODEL_NOT_FOUND = "model_not_found"
    OPERATION_NOT_SUPPORTED = "operation_not_supported"
    UNTRANSLATABLE = "untranslatable"
    CONTEXT_LENGTH = "context_length_exceeded"
    CONTENT_POLICY = "content_policy_violation"
    REQUEST_LIMIT = "requests"
    TOKEN_LIMIT = "tokens"  # noqa: S105 - a word, no secret
    CONCURRENCY_LIMIT = "concurrency"
    SPENDING_LIMIT = "spending"
    BUDGET_EXCEEDED = "budget_exceeded"
    BACKEND_LIMIT = "backend_limit"
    LIMITS_UNKNOWN = "limits_unknown"
    UPSTREAM_REFUSED = "upstream_refused"
    UPSTREAM_AUTH = "upstream_auth_error"
    UPSTREAM_QUOTA = "upstream_quota"
    UPSTREAM_RATE_LIMITED = "upstream_rate_limited"
    UPSTREAM_OVERLOADED = "upstream_overloaded"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_CONFLICT = "upstream_conflict"
    UPSTREAM_UNSUPPORTED = "upstream_unsupported"
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
    meaning: str  # what it means and what to do, in a sentence or two
    final: bool = False  # the SDK should not try again: we already have, or it is no use


_INVALID: Final = "invalid_request_error"
_UPSTREAM: Final = "upstream_error"
_OVERLOADED: Final = "overloaded_error"
_TIMEOUT: Final = "timeout_error"


def _caller(status: int, meaning: str, type: str = _INVALID) -> Situation:
    return Situation(status, type, Origin.CALLER, meaning)


def _limited(meaning: str) -> Situation:
    meaning += " Try again after the seconds in retry-after."
    return Situation(429, "rate_limit_error", Origin.POLICY, meaning)


def _upstream(meaning: str, status: int = 502, type: str = _UPSTREAM) -> Situation:
    return Situation(status, type, Origin.UPSTREAM, meaning, final=True)


# One row a code: the status that goes out, what it means, the family, whose fault.
SITUATIONS: Final[dict[Code, Situation]] = {
    Code.BAD_FRAMING: _caller(
        400, "Where the request's body ends is unclear, or it is not HTTP. Use an HTTP library."
    ),
    Code.BAD_HEADER: _caller(
        400, "A header has a character that no header may have, or asks for another protocol."
    ),
    Code.BAD_HOST: _caller(400, "The host header is missing or there twice. Send it once."),
    Code.BAD_TARGET: _caller(
        400, "What is asked for is not a path. Send it as in `POST /v1/chat/completions`."
    ),
    Code.BAD_VERSION: _caller(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here."),
    Code.URL_TOO_LONG: _caller(414, "The path and its query are too long. Use the body."),
    Code.HEADERS_TOO_LARGE: _caller(
        431, "There are too many headers, or too long ones. Send less."
    ),
    Code.BODY_TOO_LARGE: _caller(
        413,
        "The body is over the size that the message names: `server.max_body_bytes`, or for an "
        "upload `server.max_upload_bytes`.",
        "request_too_large",
    ),
    Code.BODY_ENCODING: _caller(
        415, "The body is compressed. Send it as it is, without content-encoding."
    ),
    Code.REQUEST_TIMEOUT: _caller(
        408,
        "The request came too slowly, or its answer was not read. Look at the client's network.",
        _TIMEOUT,
    ),
    Code.EXPECTATION: _caller(417, "Of all expectations only `100-continue` is understood."),
    Code.NOT_FOUND: _caller(404, "There is no such path. Look at the client's base URL."),
    Code.METHOD_NOT_ALLOWED: _caller(
        405, "The path is right, the method is not. The allow header says which are."
    ),
    Code.INVALID_JSON: _caller(400, "The body is not JSON in UTF-8. The message says where."),
    Code.INVALID_BODY: _caller(
        400, "The body is JSON but no object, or a form that can be read in two ways."
    ),
    Code.INVALID_VALUE: _caller(400, "A field has a value that it cannot have. `param` names it."),
    Code.MISSING_VALUE: _caller(400, "A field that must be there is not. `param` names it."),
    Code.DUPLICATE_KEY: _caller(
        400, "A field is there twice, and two readers might take different ones. Send it once."
    ),
    Code.TOO_DEEP: _caller(400, "The body is nested too deep, or has a million brackets."),
    Code.INVALID_API_KEY: _caller(
        401,
        "The key is missing, malformed, unknown or revoked: all are told alike. Send "
        "`Authorization: Bearer KEY`.",
        "authentication_error",
    ),
    Code.MODEL_NOT_ALLOWED: Situation(
        403,
        "permission_error",
        Origin.POLICY,
        "The key is good, but not for this model. `keys.models` in the config says for which.",
    ),
    Code.OPERATION_NOT_ALLOWED: Situation(
        403,
        "permission_error",
        Origin.POLICY,
        "The key is good, but not for this endpoint. `keys.operations` says for which.",
    ),
    Code.PARAM_LIMIT: Situation(
        400,
        _INVALID,
        Origin.POLICY,
        "The request asks for more than the key may at once: `keys.caps`. `param` names it.",
    ),
    Code.MODEL_NOT_FOUND: _caller(404, "No model has this name. `GET /v1/models` lists them."),
    Code.OPERATION_NOT_SUPPORTED: _caller(
        400, "No backend of this model offers what was asked. Take another model."
    ),
    Code.UNTRANSLATABLE: _caller(
        400,
        "The model's backend speaks another language, which has no word for the field that "
        "`param` names. Leave it out, or let the operator set `untranslatable: drop`.",
    ),
    Code.CONTEXT_LENGTH: _caller(
        400, "The backend says that the prompt is too long for the model. Shorten it."
    ),
    Code.CONTENT_POLICY: _caller(400, "The backend refuses the content, in the words it gives."),
    Code.REQUEST_LIMIT: _limited("Requests of this kind are used up for now."),
    Code.TOKEN_LIMIT: _limited(
        "Tokens are used up for now, those that this request may take included. A request that may "
        "take more than the limit at once never passes: send less, or ask for a lower `max_tokens`."
    ),
    Code.CONCURRENCY_LIMIT: _limited(
        "As many exchanges are under way as may be. Wait until one has ended."
    ),
    Code.SPENDING_LIMIT: _limited("Dollars are used up for now, by a `usd_per_…` limit."),
    Code.BUDGET_EXCEEDED: Situation(
        429,
        "insufficient_quota",
        Origin.POLICY,
        "What remains of the budget does not pay for this request. `retry-after` says when its "
        "next period begins; operators: raise `budget.usd`.",
        final=True,
    ),
    Code.BACKEND_LIMIT: _limited(
        "Every backend of this model has a limit in the gateway's config, and it is reached."
    ),
    Code.LIMITS_UNKNOWN: Situation(
        503,
        _OVERLOADED,
        Origin.GATEWAY,
        "The store that keeps the limits is away, and `on_store_error` says to refuse meanwhile. "
        "Try again later.",
    ),
    Code.UPSTREAM_REFUSED: _caller(
        400,
        "The backend says that the request is wrong. Its words are in the message; its status, "
        "if another one from 400 to 499, is passed on.",
    ),
    Code.UPSTREAM_AUTH: Situation(
        502,
        _UPSTREAM,
        Origin.CREDENTIAL,
        "The backend refuses the gateway's own credential. Operators: renew that backend's.",
        final=True,
    ),
    Code.UPSTREAM_QUOTA: Situation(
        429,
        "insufficient_quota",
        Origin.QUOTA,
        "What the gateway may spend at the backend is spent. Waiting will not help; operators: "
        "raise it there.",
        final=True,
    ),
    Code.UPSTREAM_RATE_LIMITED: Situation(
        429,
        "rate_limit_error",
        Origin.QUOTA,
        "The backend takes no more for now. Try again after the seconds in retry-after.",
    ),
    Code.UPSTREAM_OVERLOADED: Situation(
        503,
        _OVERLOADED,
        Origin.UPSTREAM,
        "The backend says that it is overloaded. Try again later.",
    ),
    Code.UPSTREAM_ERROR: _upstream("The backend failed, or said so within its stream."),
    Code.UPSTREAM_TIMEOUT: _upstream(
        "The backend itself gave up on the request (its 408), each time it was asked.",
        504,
        _TIMEOUT,
    ),
    Code.UPSTREAM_CONFLICT: Situation(
        409,
        _INVALID,
        Origin.CALLER,
        "The backend says that the request is in conflict with another one, in its words, each "
        "time it was asked.",
        final=True,
    ),
    Code.UPSTREAM_UNSUPPORTED: _upstream(
        "The backend does not do what was asked of it: its 405, 501 and the like. Operators: "
        "correct its `base_url` or `operations`."
    ),
    Code.UPSTREAM_REDIRECT: _upstream(
        "The backend sent us elsewhere, and redirects are not followed. Operators: correct its "
        "`base_url`."
    ),
    Code.UPSTREAM_RESET: _upstream(
        "The backend closed the connection before its answer was whole."
    ),
    Code.CONNECT_FAILED: _upstream("No connection to the backend could be made."),
    Code.CONNECT_TIMEOUT: _upstream(
        "No connection to the backend could be made in time.", 504, _TIMEOUT
    ),
    Code.FIRST_TOKEN_TIMEOUT: _upstream(
        "The backend gave no first content within `timeouts.first_content_s`.", 504, _TIMEOUT
    ),
    Code.IDLE_TIMEOUT: _upstream(
        "The backend fell silent for longer than `timeouts.idle_s`.", 504, _TIMEOUT
    ),
    Code.TOTAL_TIMEOUT: _upstream(
        "The whole took longer than `deadline_s`, or than the client's own x-request-timeout.",
        504,
        _TIMEOUT,
    ),
    Code.TLS_ERROR: _upstream("The backend's certificate is not trusted, or TLS failed with it."),
    Code.PROTOCOL_ERROR: _upstream("What the backend sent is not proper HTTP."),
    Code.BAD_RESPONSE: _upstream("The backend's answer is not of the form that its API has."),
    Code.RESPONSE_TOO_LARGE: _upstream("The backend's answer, or one event of it, is too large."),
    Code.STREAM_INTERRUPTED: _upstream(
        "The backend broke the stream off. What has come is not all: ask again."
    ),
    Code.STREAM_TRUNCATED: _upstream(
        "The backend ended the stream before the answer was complete. What has come is not all: "
        "ask again."
    ),
    Code.NO_UPSTREAM: Situation(
        503, _OVERLOADED, Origin.UPSTREAM, "No backend of this model has room now. Try again later."
    ),
    Code.CLIENT_CLOSED: _caller(
        499, "The client left before its answer was complete. Only in logs and metrics."
    ),
    Code.OVERLOADED: Situation(
        503, _OVERLOADED, Origin.GATEWAY, "The gateway itself has no room now. Try again later."
    ),
    Code.DRAINING: Situation(
        503,
        _OVERLOADED,
        Origin.GATEWAY,
        "This gateway is stopping. Try again: another one answers.",
    ),
    Code.INTERNAL: Situation(
        500,
        "internal_error",
        Origin.GATEWAY,
        "A fault of the gateway's own. Its log has the place, under the request's id.",
    ),
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


# ---- docs/errors.md

_PAGE: Final = """\
# Errors

<!-- Made by `python -m gateway.errors`; change SITUATIONS in gateway/errors.py. -->

Every answer with a status of 400 or more is one of these, in OpenAI's shape:

```json
{"error": {"message": "...", "type": "...", "param": null, "code": "..."}}
```

- `code` is the word to program against. The same word is in the log line and in the metrics.
- `param` names the field at fault, dotted, where there is one.
- Where trying again is no use, `x-should-retry: false` says so to the SDKs (**final** below): the
  gateway has already tried what could be tried.
- Where waiting helps and for how long is known, `retry-after` says the seconds.
- After the first content of a stream an error is a last event, `data: {"error": {...}}`, without a
  `[DONE]` behind it. An answer that was cut never looks whole.

| Code | HTTP status | Type | Whose fault | What it means and what to do |
| --- | --- | --- | --- | --- |
"""


def markdown() -> str:
    return _PAGE + "".join(
        f"| `{code}` | {at.status}{', final' if at.final else ''} | `{at.type}` | {at.origin} "
        f"| {at.meaning} |\n"
        for code, at in SITUATIONS.items()
    )


if __name__ == "__main__":
    print(markdown(), end="")
