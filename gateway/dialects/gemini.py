"""What both sides of Gemini's language share: the forms of answers, counts, ends and errors.

Source: ai.google.dev/api/generate-content and google.rpc.Status (cloud.google.com/apis/design/
errors), 2026-11. Google answers in camelCase and leaves out what is zero.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from gateway.chat.deltas import Broken, Reason
from gateway.chat.document import Document
from gateway.chat.usage import Usage, sane
from gateway.dialects.base import MAX_SAID, Said
from gateway.errors import Code, GatewayError
from gateway.wire import json

# ---- answers


class Blob(msgspec.Struct, rename="camel", gc=False):
    mime_type: str = ""
    data: str = ""  # base64


class FunctionCall(msgspec.Struct):
    name: str = ""
    args: Document | None = None
    id: str = ""


class Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool = False
    thought_signature: str = ""
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None


class Content(msgspec.Struct):
    parts: list[Part] | None = None


class Citation(msgspec.Struct, rename="camel", gc=False):
    start_index: int = 0  # bytes
    end_index: int = 0
    uri: str = ""
    title: str = ""


class Citations(msgspec.Struct):
    citations: list[Citation] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    content: Content | None = None
    index: int = 0
    finish_reason: str = ""
    finish_message: str = ""
    citation_metadata: Citations | None = None
    grounding_metadata: Document | None = None
    logprobs_result: Document | None = None


class Modality(msgspec.Struct, rename="camel", gc=False):
    modality: str = ""
    token_count: int = 0


class Counts(msgspec.Struct, rename="camel", gc=False):
    prompt_token_count: int = 0  # cached tokens included
    cached_content_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: list[Modality] | None = None
    candidates_tokens_details: list[Modality] | None = None


class Feedback(msgspec.Struct, rename="camel", gc=False):
    block_reason: str = ""
    block_reason_message: str = ""


class Event(msgspec.Struct, rename="camel"):
    """A whole answer, or one event of a stream: they have the same form."""

    candidates: list[Candidate] | None = None
    usage_metadata: Counts | None = None
    model_version: str = ""
    response_id: str = ""
    create_time: str = ""
    prompt_feedback: Feedback | None = None
    error: Document | None = None


UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def usage_of(counts: Counts) -> Usage | None:
    """Thoughts are counted beside the candidates; some models count them within."""
    prompt = counts.prompt_token_count + counts.tool_use_prompt_token_count
    output = counts.candidates_token_count
    if prompt + output != counts.total_token_count:
        output += counts.thoughts_token_count
    heard, seen = _not_text(counts.prompt_tokens_details)
    spoken, drawn = _not_text(counts.candidates_tokens_details)
    return sane(
        Usage(
            prompt,
            output,
            counts.cached_content_token_count,
            counts.thoughts_token_count,
            0,
            heard,
            spoken,
            seen,
            drawn,
        )
    )


def _not_text(details: list[Modality] | None) -> tuple[int, int]:
    """Tokens of sound, and of images."""
    sound = images = 0
    for one in details or ():
        if one.modality == "AUDIO":
            sound += one.token_count
        elif one.modality == "IMAGE":
            images += one.token_count
    return sound, images


def created(moment: str) -> int:
    """Unix seconds of an RFC 3339 time; 0 for none."""
    try:
        return int(datetime.fromisoformat(moment).timestamp()) if moment else 0
    except (ValueError, OverflowError):
        return 0


# ---- why an answer ended

STOP: Final = "STOP"
MAX_TOKENS: Final = "MAX_TOKENS"
MALFORMED_CALL: Final = "MALFORMED_FUNCTION_CALL"
# The model failed at writing an answer: there is none.
FAILED: Final = frozenset(
    {
        MALFORMED_CALL,
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
        "MISSING_THOUGHT_SIGNATURE",
    }
)
UNENDED: Final = frozenset({"", "FINISH_REASON_UNSPECIFIED"})
_REASONS: Final[Mapping[str, Reason]] = {
    STOP: "stop",
    MAX_TOKENS: "length",
    "CONTINUATION": "length",
    "TOO_MANY_TOOL_CALLS": "length",
}


def reason(word: str) -> Reason:
    """Whatever is neither the model's own end nor a limit was Google's decision: SAFETY,
    RECITATION, BLOCKLIST, PROHIBITED_CONTENT, SPII, LANGUAGE, OTHER and their like.
    """
    return _REASONS.get(word, "content_filter")


# ---- errors


class _Violation(msgspec.Struct, gc=False):
    field: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    """google.rpc.ErrorInfo, RetryInfo and BadRequest, as one."""

    reason: str = ""
    retry_delay: str = ""
    field_violations: list[_Violation] | None = None


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""
    status: str = ""
    details: list[_Detail] | None = None


class _Failed(msgspec.Struct):
    error: _Status


_failed: Final = msgspec.json.Decoder(_Failed | list[_Failed]).decode
_DELAY: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")
# No machine word says it: these are the beginnings of AI Studio's and Vertex's messages.
_TOO_LONG: Final = re.compile(
    r"The input token count|Unable to submit request because the input token count"
)
_BY_STATUS: Final = {
    "RESOURCE_EXHAUSTED": Code.UPSTREAM_RATE_LIMITED,
    "UNAVAILABLE": Code.UPSTREAM_OVERLOADED,
    "DEADLINE_EXCEEDED": Code.UPSTREAM_TIMEOUT,
}


def read_error(body: bytes) -> Said:
    """type: Google's status; code: ErrorInfo's reason. Streams of arrays have it in an array."""
    try:
        said = _failed(body)
    except UNREADABLE:
        return Said()
    if isinstance(said, list):
        return _said(said[0].error) if said else Said()
    return _said(said.error)


def _said(error: _Status) -> Said:
    details = error.details or ()
    reason = next((detail.reason for detail in details if detail.reason), "")
    if not reason and error.code == 400 and _TOO_LONG.match(error.message):
        reason = "context_length_exceeded"
    delays = [found for detail in details if (found := _DELAY.fullmatch(detail.retry_delay))]
    fields = [one.field for detail in details for one in detail.field_violations or ()]
    return Said(
        error.message[:MAX_SAID],
        error.status[:MAX_SAID],
        reason[:MAX_SAID],
        next((field[:MAX_SAID] for field in fields if field), None),
        float(delays[0][1]) if delays else None,
    )


def broken(error: Document) -> Broken:
    """An error within a stream."""
    try:
        said = msgspec.convert(error, _Status)
    except msgspec.ValidationError:
        return Broken(Code.UPSTREAM_ERROR)
    return Broken(_BY_STATUS.get(said.status, Code.UPSTREAM_ERROR), said.message[:MAX_SAID])


_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPES: Final = "type.googleapis.com/google.rpc."


def error_body(error: GatewayError) -> bytes:
    """Our code is ErrorInfo's reason; the field at fault and the time to wait are details too."""
    status = _STATUSES.get(error.status) or (
        "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL"
    )
    details: list[Document] = [
        {"@type": f"{_TYPES}ErrorInfo", "reason": error.code.value, "domain": "gateway"}
    ]
    if error.param is not None:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": f"{_TYPES}BadRequest", "fieldViolations": [violation]})
    if error.retry_after_s is not None:
        delay = f"{error.retry_after_s:.3f}".rstrip("0").rstrip(".")
        details.append({"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{delay}s"})
    said = {"code": error.status, "message": error.message, "status": status, "details": details}
    return json.write({"error": said})


# ---- models


def model(id: str, methods: Sequence[str]) -> Document:
    """GET /v1beta/models/ID. methods: what may be done with it, in Google's words."""
    return {
        "name": f"models/{id}",
        "displayName": id,
        "version": "001",
        "supportedGenerationMethods": methods,
    }


def models(data: Sequence[Document]) -> Document:
    """GET /v1beta/models: all on one page."""
    return {"models": data}


# ---- signatures


def signature_of(extra: object) -> str:
    """Google's, out of extra_content."""
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) else ""


def extra_of(signature: str) -> Document:
    return {"google": {"thought_signature": signature}}


# Before a thought's own signature in thinking_blocks: others' signatures are not for Google.
OWN: Final = "google:"
