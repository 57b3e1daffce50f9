"""What both sides of Gemini's language share."""

import json

import pytest

from gateway.chat.deltas import Broken
from gateway.chat.usage import Usage
from gateway.dialects.base import Said
from gateway.dialects.gemini import (
    Counts,
    Modality,
    broken,
    created,
    error_body,
    extra_of,
    model,
    models,
    read_error,
    reason,
    signature_of,
    usage_of,
)
from gateway.errors import Code, GatewayError


def test_thoughts_are_output_and_results_of_googles_tools_are_input() -> None:
    counts = Counts(10, 4, 5, 20, 7, 42, [Modality("AUDIO", 3)], [Modality("AUDIO", 2)])
    assert usage_of(counts) == Usage(15, 27, 4, 7, 0, 3, 2)


def test_thoughts_that_are_counted_within_are_not_counted_twice() -> None:
    assert usage_of(Counts(10, 0, 0, 20, 7, 30)) == Usage(10, 20, 0, 7)


@pytest.mark.parametrize("counts", [Counts(-1), Counts(10**12)])
def test_counts_that_cannot_be_are_none(counts: Counts) -> None:
    assert usage_of(counts) is None


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("OTHER", "content_filter"),
        ("A_WORD_OF_TOMORROW", "content_filter"),
    ],
)
def test_only_stop_is_the_models_own_end(word: str, why: str) -> None:
    assert reason(word) == why


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [("1970-01-01T00:01:00.5Z", 60), ("", 0), ("yesterday", 0)],
)
def test_a_moment_is_read_in_seconds(moment: str, seconds: int) -> None:
    assert created(moment) == seconds


# ---- errors


def _error(**fields: object) -> bytes:
    return json.dumps({"error": fields}).encode()


def test_an_error_says_its_status_reason_field_and_delay() -> None:
    details = [
        {"@type": "x/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "d"},
        {"@type": "x/google.rpc.BadRequest", "fieldViolations": [{"field": "contents"}]},
        {"@type": "x/google.rpc.RetryInfo", "retryDelay": "1.5s"},
    ]
    body = _error(code=400, message="no", status="INVALID_ARGUMENT", details=details)
    assert read_error(body) == Said("no", "INVALID_ARGUMENT", "API_KEY_INVALID", "contents", 1.5)
    assert read_error(b"[%b]" % body) == read_error(body)


@pytest.mark.parametrize(
    "message",
    [
        "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        "Unable to submit request because the input token count is 9 but the model supports 8",
    ],
)
def test_a_prompt_that_is_too_long_has_its_word(message: str) -> None:
    said = read_error(_error(code=400, message=message, status="INVALID_ARGUMENT"))
    assert said.code == "context_length_exceeded"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"error": "no"}', b'{"error": {"code": "x"}}']
)
def test_what_is_no_error_of_googles_says_nothing(body: bytes) -> None:
    assert read_error(body) == Said()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("RESOURCE_EXHAUSTED", Code.UPSTREAM_RATE_LIMITED),
        ("UNAVAILABLE", Code.UPSTREAM_OVERLOADED),
        ("INTERNAL", Code.UPSTREAM_ERROR),
    ],
)
def test_an_error_in_a_stream_breaks_it(status: str, code: Code) -> None:
    assert broken({"code": 5, "message": "m", "status": status}) == Broken(code, "m")
    assert broken({"code": "five"}) == Broken(Code.UPSTREAM_ERROR)


def test_our_errors_are_read_as_googles() -> None:
    error = GatewayError(Code.UPSTREAM_RATE_LIMITED, "wait", param="model", retry_after_s=2.25)
    said = read_error(error_body(error))
    assert said == Said("wait", "RESOURCE_EXHAUSTED", "upstream_rate_limited", "model", 2.25)


@pytest.mark.parametrize(
    ("status", "word"), [(413, "INVALID_ARGUMENT"), (500, "INTERNAL"), (504, "DEADLINE_EXCEEDED")]
)
def test_every_status_has_its_word(status: int, word: str) -> None:
    body = error_body(GatewayError(Code.INTERNAL, "m", status=status))
    assert json.loads(body)["error"]["status"] == word


def test_the_list_of_models_has_them_by_googles_names() -> None:
    (told,) = models([model("up/x", ["generateContent"])])["models"]
    assert (told["name"], told["displayName"]) == ("models/up/x", "up/x")
    assert told["supportedGenerationMethods"] == ["generateContent"]


def test_a_signature_lies_in_extra_content() -> None:
    assert signature_of(extra_of("abc")) == "abc"
    junk: list[object] = [None, [], {}, {"google": 1}, {"google": {"thought_signature": 1}}]
    assert [signature_of(one) for one in junk] == [""] * 5
