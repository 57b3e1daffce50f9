"""What both sides of Anthropic's Messages share: counts, reasons, errors, what models can do.

Source: platform.claude.com/docs/en/api/messages, .../api/errors, .../build-with-claude/thinking
and .../mid-conversation-system-messages, 2026-11. The API's version is 2023-06-01, which takes all
that 2026-10-21 takes, and sampling parameters besides.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.chat import usage
from gateway.chat.deltas import Reason
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.base import MAX_SAID, Said
from gateway.errors import Code, GatewayError
from gateway.wire import json

# ---- counts: theirs tell cached tokens apart from input


class _Details(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class Counts(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _Details | None = None


def counted(said: Counts, before: Usage | None = None) -> Usage | None:
    """All in all; what is not said is as before. None for counts that no answer can have."""
    if before is None:
        before = Usage()
    plain = before.input - before.cached - before.cache_write
    cached = _or(said.cache_read_input_tokens, before.cached)
    written = _or(said.cache_creation_input_tokens, before.cache_write)
    details = said.output_tokens_details
    return usage.sane(
        Usage(
            _or(said.input_tokens, plain) + cached + written,
            _or(said.output_tokens, before.output),
            cached,
            _or(details.thinking_tokens if details else None, before.reasoning),
            written,
        )
    )


def _or(count: int | None, before: int) -> int:
    return before if count is None else count


def written_counts(count: Usage) -> Document:
    counts: Document = {
        "input_tokens": max(0, count.input - count.cached - count.cache_write),
        "cache_creation_input_tokens": count.cache_write,
        "cache_read_input_tokens": count.cached,
        "output_tokens": count.output,
    }
    if count.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": count.reasoning}
    return counts


# ---- reasons

# pause_turn: there would be more, if the client asked on; only tools that Anthropic runs pause.
_REASONS: Final[dict[str, Reason]] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_WORDS: Final[dict[str, str]] = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def reason(word: str) -> Reason:
    """Chat's word for a stop_reason; end_turn, stop_sequence and what nobody knows are a stop."""
    return _REASONS.get(word, "stop")


def stop_reason(reason: str, stop_sequence: str, refusal: str) -> str:
    if refusal:
        return "refusal"
    return _WORDS.get(reason, "stop_sequence" if stop_sequence else "end_turn")


def stop_details(refusal: str) -> Document | None:
    if not refusal:
        return None
    return {"type": "refusal", "category": None, "explanation": refusal}


# ---- citations: a page of the web as OpenAI cites it; of a document in Anthropic's own form

_SEARCHED: Final = "web_search_result_location"
_PLACE: Final = ("start_index", "end_index")  # where it stands in the whole text


def annotation(citation: Document, start: int, end: int) -> Document:
    place = {"start_index": start, "end_index": end}
    if citation.get("type") != _SEARCHED:
        return {**citation, **place}
    cited = {"url": citation.get("url") or "", "title": citation.get("title") or ""}
    return {"type": "url_citation", "url_citation": {**place, **cited}}


def citation(annotation: object) -> Document | None:
    match annotation:
        case {"type": "url_citation", "url_citation": {"url": str(url), **cited}}:
            found = {"url": url, "title": cited.get("title"), "cited_text": ""}
            return {"type": _SEARCHED, **found, "encrypted_index": ""}
        case {"type": str(kind)} if isinstance(annotation, dict) and kind.endswith("_location"):
            return {key: value for key, value in annotation.items() if key not in _PLACE}
        case _:
            return None


# ---- errors

_BY_STATUS: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(error: GatewayError) -> bytes:
    """In Anthropic's shape; our code is where its SDK looks for error_code."""
    kind = _BY_STATUS.get(error.status)
    if kind is None:
        kind = "invalid_request_error" if error.status < 500 else "api_error"
    details: Document = {"error_code": error.code.value}
    if error.param is not None:
        details["param"] = error.param
    said = {"type": kind, "message": error.message, "details": details}
    return json.write({"type": "error", "error": said})


class _ErrorDetails(msgspec.Struct):
    error_code: str | None = None


class Wrong(msgspec.Struct):
    """An error as it lies on the wire."""

    message: str | None = None
    type: str | None = None
    details: _ErrorDetails | None = None


class _ErrorBody(msgspec.Struct):
    error: Wrong


_error_body: Final = msgspec.json.Decoder(_ErrorBody).decode


def read_error(body: bytes) -> Said:
    """Empty where it is not of Anthropic's form. code: error.details.error_code, if it has one."""
    try:
        body.decode()
        error = _error_body(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said()
    code = error.details.error_code if error.details else None
    return Said(
        (error.message or "")[:MAX_SAID], (error.type or "")[:MAX_SAID], (code or "")[:MAX_SAID]
    )


_CODES: Final = {
    "overloaded_error": Code.UPSTREAM_OVERLOADED,
    "rate_limit_error": Code.UPSTREAM_RATE_LIMITED,
    "billing_error": Code.UPSTREAM_QUOTA,
    "authentication_error": Code.UPSTREAM_AUTH,
    "permission_error": Code.UPSTREAM_AUTH,
    "timeout_error": Code.UPSTREAM_TIMEOUT,
}


def code_of(error: Wrong) -> Code:
    """Of an error within a stream, where no status says it."""
    return _CODES.get(error.type or "", Code.UPSTREAM_ERROR)


# ---- models: what one of them can do is told by the version in its name

_VERSION: Final = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_ADAPTIVE: Final = (4, 6)  # thinks as much as it likes, and takes an effort
_THINKS: Final = (3, 7)
_HEARS: Final = (4, 8)  # the system, in the midst of a conversation
DEFAULT_MAX_TOKENS: Final = 32_000


def version(model: str) -> tuple[int, int] | None:
    """(4, 6) of claude-opus-4-6 or us.anthropic.claude-opus-4-6-v1:0; None: not one of theirs."""
    found = _VERSION.search(model.lower())
    return None if found is None else (int(found[1]), int(found[2] or 0))


def adaptive(model: str) -> bool:
    return (version(model) or (0, 0)) >= _ADAPTIVE


def thinks(model: str) -> bool:
    """True for those of others: they speak the language since it has thinking."""
    return (version(model) or _THINKS) >= _THINKS


def hears_midway(model: str) -> bool:
    return (version(model) or (0, 0)) >= _HEARS


def max_tokens(model: str) -> int:
    """For a request that names none, which Anthropic does not take: what every model of its
    generation can do, and no more than fits a whole answer.
    """
    known = version(model)
    if known is None or known >= _THINKS:
        return DEFAULT_MAX_TOKENS
    return 8192 if known >= (3, 5) else 4096


def model(id: str, created: int) -> Document:
    """GET /v1/models/ID. created: unix seconds."""
    return {
        "type": "model",
        "id": id,
        "display_name": id,
        "created_at": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
    }


def models(data: Sequence[Document]) -> Document:
    """GET /v1/models: all on one page."""
    return {
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
