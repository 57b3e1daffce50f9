"""What follows from each way to fail: elsewhere or not, which words, which status, how long."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SITUATIONS, Code, Origin
from gateway.policy.failures import (
    MAX_RETRY_AFTER_S,
    RULES,
    Cause,
    Failure,
    Mark,
    by_status,
    retry_after,
    verdict,
)

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT
SAID = {
    Code.UNTRANSLATABLE,
    Code.UPSTREAM_REFUSED,
    Code.CONTEXT_LENGTH,
    Code.CONTENT_POLICY,
    Code.UPSTREAM_CONFLICT,
}
OURS = {Code.BACKEND_LIMIT}  # a limit of the config's, reached before the backend was asked
OF_THE_CALLER = SAID - {Code.UPSTREAM_CONFLICT, Code.UNTRANSLATABLE}
UPSTREAM = Path(__file__).parents[3] / "gateway/upstream"


def test_there_is_a_rule_for_every_way_that_a_backend_can_fail() -> None:
    theirs = {Origin.UPSTREAM, Origin.QUOTA, Origin.CREDENTIAL}
    assert set(RULES) == {c for c in Code if SITUATIONS[c].origin in theirs} | SAID | OURS


def test_whatever_the_way_out_can_say_has_a_rule() -> None:
    said = {
        word
        for file in UPSTREAM.glob("*.py")
        for word in re.findall(r"Code\.(\w+)", file.read_text())
    }
    assert said
    assert {Code[word] for word in said} - {Code.CLIENT_CLOSED} <= set(RULES)


@pytest.mark.parametrize("code", sorted(RULES))
def test_every_failure_becomes_an_error_that_shows_no_more_than_it_may(code: Code) -> None:
    error = verdict([Failure(code, said="{said} its words", param="messages")])
    assert error.code is code
    assert error.status == SITUATIONS[code].status
    assert ("its words" in error.message) is (code in SAID)
    assert error.message


def test_the_last_failure_has_the_word() -> None:
    error = verdict([Failure(Code.UPSTREAM_REFUSED, 404, "no"), Failure(Code.CONNECT_FAILED)])
    assert error.code is Code.CONNECT_FAILED


def test_what_is_the_callers_fault_is_tried_nowhere_else() -> None:
    assert not any(RULES[code].elsewhere for code in OF_THE_CALLER)
    assert RULES[Code.UPSTREAM_AUTH].elsewhere
    assert not RULES[Code.TOTAL_TIMEOUT].elsewhere


def test_what_is_repeated_is_what_may_pass_the_second_time() -> None:
    """behaviour: connect errors, resets, 408, 409, 429, 5xx and malformed answers."""
    assert {code for code, rule in RULES.items() if rule.again} == {
        Code.CONNECT_FAILED,
        Code.CONNECT_TIMEOUT,
        Code.UPSTREAM_TIMEOUT,
        Code.UPSTREAM_CONFLICT,
        Code.UPSTREAM_RESET,
        Code.UPSTREAM_RATE_LIMITED,
        Code.UPSTREAM_ERROR,
        Code.UPSTREAM_OVERLOADED,
        Code.STREAM_INTERRUPTED,
        Code.STREAM_TRUNCATED,
        Code.BAD_RESPONSE,
    }


def test_no_refusal_and_no_429_speaks_against_a_target() -> None:
    trips = {code for code, rule in RULES.items() if rule.mark in (Mark.TRIPS, Mark.CONNECT)}
    blameless = {*SAID, Code.UPSTREAM_RATE_LIMITED, Code.UPSTREAM_QUOTA, Code.UPSTREAM_AUTH}
    assert not trips & blameless


def test_each_cause_of_a_fallback_has_its_failures() -> None:
    assert RULES[Code.CONTEXT_LENGTH].fallback is Cause.CONTEXT_LENGTH
    assert RULES[Code.CONTENT_POLICY].fallback is Cause.CONTENT_POLICY
    assert RULES[Code.UPSTREAM_RATE_LIMITED].fallback is Cause.RATE_LIMIT
    assert RULES[Code.UPSTREAM_REFUSED].fallback is None
    assert RULES[Code.UPSTREAM_ERROR].fallback is Cause.ANY


def test_a_refusal_without_words_still_says_something() -> None:
    assert verdict([Failure(Code.UPSTREAM_REFUSED, 422)]).message


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Failure(Code.UPSTREAM_REFUSED, 404), 404),
        (Failure(Code.UPSTREAM_REFUSED, 422), 422),
        (Failure(Code.UPSTREAM_REFUSED), 400),
        (Failure(Code.CONTEXT_LENGTH, 413), 400),
        (Failure(Code.UPSTREAM_ERROR, 500), 502),
        (Failure(Code.UPSTREAM_ERROR, 504), 504),
        (Failure(Code.UPSTREAM_AUTH, 401), 502),
        (Failure(Code.UPSTREAM_QUOTA, 402), 429),
        (Failure(Code.BAD_RESPONSE, 200), 502),
        (Failure(Code.UPSTREAM_OVERLOADED, 529), 503),
    ],
)
def test_the_status_that_goes_out_is_ours(failure: Failure, status: int) -> None:
    assert verdict([failure]).status == status


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        (400, "", Code.UPSTREAM_REFUSED),
        (400, "context_length_exceeded", Code.CONTEXT_LENGTH),
        (413, "context_length_exceeded", Code.CONTEXT_LENGTH),
        (400, "string_above_max_length", Code.CONTEXT_LENGTH),
        (400, "content_policy_violation", Code.CONTENT_POLICY),
        (400, "content_filter", Code.CONTENT_POLICY),
        (401, "invalid_api_key", Code.UPSTREAM_AUTH),
        (402, "", Code.UPSTREAM_QUOTA),
        (403, "", Code.UPSTREAM_AUTH),
        (404, "model_not_found", Code.UPSTREAM_REFUSED),
        (405, "", Code.UPSTREAM_UNSUPPORTED),
        (407, "", Code.UPSTREAM_AUTH),
        (408, "", Code.UPSTREAM_TIMEOUT),
        (409, "", Code.UPSTREAM_CONFLICT),
        (413, "", Code.UPSTREAM_REFUSED),
        (415, "", Code.UPSTREAM_REFUSED),
        (421, "", Code.UPSTREAM_UNSUPPORTED),
        (422, "", Code.UPSTREAM_REFUSED),
        (426, "", Code.UPSTREAM_UNSUPPORTED),
        (429, "", Code.UPSTREAM_RATE_LIMITED),
        (429, "rate_limit_exceeded", Code.UPSTREAM_RATE_LIMITED),
        (429, "insufficient_quota", Code.UPSTREAM_QUOTA),
        (500, "", Code.UPSTREAM_ERROR),
        (500, "context_length_exceeded", Code.UPSTREAM_ERROR),
        (501, "", Code.UPSTREAM_UNSUPPORTED),
        (502, "", Code.UPSTREAM_ERROR),
        (503, "", Code.UPSTREAM_OVERLOADED),
        (504, "", Code.UPSTREAM_ERROR),
        (520, "", Code.UPSTREAM_ERROR),
        (529, "", Code.UPSTREAM_OVERLOADED),
        (301, "", Code.UPSTREAM_REDIRECT),
        (304, "", Code.UPSTREAM_REDIRECT),
        (201, "", Code.BAD_RESPONSE),
        (204, "", Code.BAD_RESPONSE),
        (100, "", Code.BAD_RESPONSE),
        (0, "", Code.BAD_RESPONSE),
        (999, "", Code.BAD_RESPONSE),
        (-7, "", Code.BAD_RESPONSE),
    ],
)
def test_a_status_means_one_thing(status: int, word: str, code: Code) -> None:
    failure = by_status(status, word, 3.0)
    assert failure == Failure(code, status, retry_after_s=3.0)


def test_any_status_becomes_an_error_that_a_client_can_read() -> None:
    told = {verdict([by_status(status, "", None)]).status for status in (*range(1000), 10**9)}
    assert min(told) >= 400
    assert max(told) <= 599
    assert not told & {401, 403, 407, 408, 417, 421, 426}  # they would speak of the client


# ---- how long to wait


@pytest.mark.parametrize(
    ("seconds", "milliseconds", "wait_s"),
    [
        (None, None, None),
        (b"0", None, 0.0),
        (b"7", None, 7.0),
        (b" 7 ", None, 7.0),
        (b"0.5", None, 0.5),
        (b"7", b"250", 0.25),
        (None, b"1500.5", 1.5005),
        (b"7", b"soon", 7.0),
        (b"7", b"-1", 7.0),
        (b"7", b"nan", 7.0),
        (b"7", b"", 7.0),
        (b"soon", b"250", 0.25),
        (b"Sun, 06 Nov 1994 08:50:07 GMT", None, 30.0),
        (b"Sunday, 06-Nov-94 08:50:07 GMT", None, 30.0),
        (b"Sun Nov  6 08:50:07 1994", None, 30.0),
        (b"Sun, 06 Nov 1994 08:49:36 GMT", None, 0.0),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", None, 0.0),
        (b"Sun, 06 Nov 1994 09:50:07 +0100", None, 30.0),
    ],
)
def test_a_backend_may_say_how_long_to_wait(
    seconds: bytes | None, milliseconds: bytes | None, wait_s: float | None
) -> None:
    found = retry_after(seconds, milliseconds, NOW)
    assert found == (None if wait_s is None else pytest.approx(wait_s))


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b" ",
        b"soon",
        b"-1",
        b"+1",
        b"nan",
        b"inf",
        b"-inf",
        b"Infinity",
        b"1e9",
        b"1_000",
        b"0x10",
        b"1 2",
        b"1,5",
        b"9" * 400,
        b"\xff",
        b"\xd9\xa3",
        b"Sun, 32 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Foo 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 25:49:37 GMT",
        b"Sun, 06 Nov 99999 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 +9999999999",
        b"06 Nov 1994",
        b"," * 100_000,
    ],
)
def test_junk_says_nothing(junk: bytes) -> None:
    assert retry_after(junk, None, NOW) is None
    assert retry_after(None, junk, NOW) is None


@given(st.binary(max_size=80) | st.text("0123456789 :,-+.GMTSunNov", max_size=40).map(str.encode))
def test_whatever_it_says_is_a_time_or_nothing(value: bytes) -> None:
    for wait_s in (retry_after(value, None, NOW), retry_after(None, value, NOW)):
        assert wait_s is None or 0 <= wait_s < 1e21


def test_what_the_client_is_told_to_wait_has_an_end() -> None:
    for wait_s in (1e20, MAX_RETRY_AFTER_S + 1):
        failure = Failure(Code.UPSTREAM_OVERLOADED, retry_after_s=wait_s)
        assert verdict([failure]).retry_after_s == MAX_RETRY_AFTER_S


def test_a_rate_limit_always_says_how_long() -> None:
    assert verdict([Failure(Code.UPSTREAM_RATE_LIMITED)]).retry_after_s == 1.0
    assert verdict([Failure(Code.UPSTREAM_RATE_LIMITED, retry_after_s=0.2)]).retry_after_s == 0.2
    assert verdict([Failure(Code.UPSTREAM_ERROR)]).retry_after_s is None
