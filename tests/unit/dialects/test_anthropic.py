"""What both sides of Messages share. The whole of it against files: tests/golden/anthropic."""

import json

import pytest

from gateway.chat.usage import Usage
from gateway.dialects import anthropic
from gateway.dialects.anthropic import Counts
from gateway.dialects.base import Said
from gateway.errors import Code, GatewayError


def test_cached_tokens_are_added_up_and_told_apart_again() -> None:
    said = Counts(input_tokens=5, output_tokens=7, cache_read_input_tokens=11)
    said.cache_creation_input_tokens = 13
    usage = anthropic.counted(said)
    assert usage == Usage(input=29, output=7, cached=11, cache_write=13)
    assert anthropic.written_counts(usage) == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 13,
        "cache_read_input_tokens": 11,
        "output_tokens": 7,
    }


def test_what_a_later_count_does_not_say_is_as_before() -> None:
    before = Usage(input=29, output=1, cached=11, cache_write=13)
    assert anthropic.counted(Counts(output_tokens=7), before) == Usage(29, 7, 11, 0, 13)
    assert anthropic.counted(Counts(input_tokens=6, output_tokens=7), before) == Usage(
        30, 7, 11, 0, 13
    )


def test_counts_that_no_answer_can_have_are_not_believed() -> None:
    assert anthropic.counted(Counts(input_tokens=-1, output_tokens=7)) is None


@pytest.mark.parametrize(
    ("word", "reason", "back"),
    [
        ("end_turn", "stop", "end_turn"),
        ("tool_use", "tool_calls", "tool_use"),
        ("max_tokens", "length", "max_tokens"),
        ("model_context_window_exceeded", "length", "max_tokens"),
        ("pause_turn", "length", "max_tokens"),
        ("refusal", "content_filter", "refusal"),
        ("whatever", "stop", "end_turn"),
    ],
)
def test_reasons_have_their_words(word: str, reason: str, back: str) -> None:
    assert anthropic.reason(word) == reason
    assert anthropic.stop_reason(reason, "", "") == back


def test_a_refusal_and_a_stop_sequence_are_told() -> None:
    assert anthropic.stop_reason("stop", "", "no") == "refusal"
    assert anthropic.stop_reason("stop", "END", "") == "stop_sequence"


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (Code.INVALID_VALUE, None, "invalid_request_error"),
        (Code.INVALID_API_KEY, None, "authentication_error"),
        (Code.MODEL_NOT_FOUND, None, "not_found_error"),
        (Code.UPSTREAM_RATE_LIMITED, None, "rate_limit_error"),
        (Code.OVERLOADED, None, "overloaded_error"),
        (Code.IDLE_TIMEOUT, None, "timeout_error"),
        (Code.INTERNAL, None, "api_error"),
        (Code.BODY_TOO_LARGE, None, "request_too_large"),
        (Code.UPSTREAM_REFUSED, 402, "billing_error"),
        (Code.UPSTREAM_REFUSED, 422, "invalid_request_error"),
    ],
)
def test_errors_have_their_types_and_keep_our_code(
    code: Code, status: int | None, kind: str
) -> None:
    body = anthropic.error_body(GatewayError(code, "no", param="max_tokens", status=status))
    assert json.loads(body) == {
        "type": "error",
        "error": {
            "type": kind,
            "message": "no",
            "details": {"error_code": code.value, "param": "max_tokens"},
        },
    }
    assert anthropic.read_error(body) == Said("no", kind, code.value)


@pytest.mark.parametrize(
    "body",
    [b"", b"no", b"[]", b"{}", b'{"error":"no"}', b'{"error":{"message":"\xff"}}', b"[" * 9999],
)
def test_an_error_of_another_form_says_nothing(body: bytes) -> None:
    assert anthropic.read_error(body) == Said()


@pytest.mark.parametrize(
    ("model", "version", "adaptive", "thinks", "hears", "most"),
    [
        ("claude-3-haiku-20240307", (3, 0), False, False, False, 4096),
        ("claude-3-5-sonnet-latest", (3, 5), False, False, False, 8192),
        ("claude-3-7-sonnet-20250219", (3, 7), False, True, False, 32_000),
        ("claude-sonnet-4-20250514", (4, 0), False, True, False, 32_000),
        ("anthropic/claude-opus-4.6", (4, 6), True, True, False, 32_000),
        ("us.anthropic.claude-sonnet-4-6-v1:0", (4, 6), True, True, False, 32_000),
        ("claude-opus-4-8", (4, 8), True, True, True, 32_000),
        ("claude-haiku-5-5", (5, 5), True, True, True, 32_000),
        ("claude-opus-5@20260801", (5, 0), True, True, True, 32_000),
        ("kimi-k2", None, False, True, False, 32_000),
    ],
)
def test_what_a_model_can_do_is_told_by_its_version(
    model: str, version: object, adaptive: bool, thinks: bool, hears: bool, most: int
) -> None:
    assert anthropic.version(model) == version
    assert anthropic.adaptive(model) is adaptive
    assert anthropic.thinks(model) is thinks
    assert anthropic.hears_midway(model) is hears
    assert anthropic.max_tokens(model) == most


def test_a_page_of_the_web_is_cited_both_ways() -> None:
    cited = {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "c"}
    annotation = anthropic.annotation({**cited, "encrypted_index": "e"}, 2, 5)
    assert annotation == {
        "type": "url_citation",
        "url_citation": {"start_index": 2, "end_index": 5, "url": "u", "title": "t"},
    }
    assert anthropic.citation(annotation) == {**cited, "cited_text": "", "encrypted_index": ""}


def test_a_place_in_a_document_is_cited_as_it_is() -> None:
    cited = {"type": "page_location", "cited_text": "c", "start_page_number": 1}
    assert anthropic.citation(anthropic.annotation(cited, 2, 5)) == cited
    assert anthropic.citation({"type": "other"}) is None
    assert anthropic.citation("x") is None


def test_the_list_of_models_is_a_page() -> None:
    page = anthropic.models([anthropic.model("a", 0), anthropic.model("b", 1_700_000_000)])
    assert [model["id"] for model in page["data"]] == ["a", "b"]
    assert page["data"][1]["created_at"] == "2023-11-14T22:13:20Z"
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("a", "b", False)
    assert anthropic.models([])["first_id"] is None
