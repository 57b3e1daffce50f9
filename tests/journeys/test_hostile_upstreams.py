"""Backends that do wrong, whole answers: each fault has its own status and word, shows nothing of
the backend, ends in time, and leaves the gateway and its next answer as they were.
"""

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from tests.journeys.stage import SECRET, Stage, stage
from tests.vendors.openai_wire import chat_body, error_body
from tests.vendors.scripted import (
    LAST_CHUNK,
    Close,
    Forever,
    Reset,
    Script,
    Send,
    Stall,
    Vendor,
    Wait,
    chunk,
    response,
    stream_head,
)

OK = b"HTTP/1.1 200 OK\r\n"
JSON = b"content-type: application/json\r\n"
BODY = chat_body("must not be seen")
TRACE = (
    b"<html><h1>Internal</h1>Traceback (most recent call last): app.py at internal.host "
    b"with sk-upstream-secret</html>"
)


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    with stage() as made:
        yield made


def refused(status: int, code: str | None = None, kind: str = "server_error") -> Script:
    return [Send(response(status, error_body("As the vendor says.", type=kind, code=code)))]


def plain(status: int, body: bytes, headers: bytes = JSON) -> Script:
    return [Send(response(status, body, headers))]


def framed(headers: bytes, body: bytes = BODY) -> Script:
    return [Send(OK + JSON + headers + b"\r\n" + body), Stall()]


def check(on: Stage, script: Script, status: int, code: str, *, within_s: float = 2.0) -> None:
    """The error when alone; then the vendor is well again."""
    on.plays(script)
    answer = on.ask()
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.seconds < within_s
    assert answer.headers["x-gateway-attempts"] == "1"
    assert on.played == 1
    assert b"must not be seen" not in answer.body
    on.check_well()


def check_stood_in_for(on: Stage, script: Script) -> None:
    """Another target answers where there is one."""
    on.plays(script)
    answer = on.ask("pair")
    assert (answer.status, answer.text) == (200, "from the other")
    assert answer.headers["x-gateway-attempts"] == "2"
    assert answer.headers["x-gateway-model"] == "good/real-model"


# ---- what it says with its status (U4 to U17)


@pytest.mark.parametrize("status", [400, 404, 413, 415, 422])
def test_a_refusal_is_the_caller_s_with_the_vendor_s_words(on: Stage, status: int) -> None:
    said = f"temperature: too hot; key {SECRET}, see http://127.0.0.1:{on.bad.port}/v1/docs"
    script = plain(status, error_body(said, type="x", param="temperature"))
    check(on, script, status, "upstream_refused")
    on.plays(script)
    answer = on.ask("pair")  # the other would say the same: it is not asked
    assert answer.status == status
    assert answer.headers["x-gateway-attempts"] == "1"
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["param"] == "temperature"
    assert answer.error["message"].startswith("temperature: too hot; key ***, see ")


@pytest.mark.parametrize(
    ("status", "word", "told", "code"),
    [
        (400, "context_length_exceeded", 400, "context_length_exceeded"),
        (400, "content_policy_violation", 400, "content_policy_violation"),
        (402, None, 429, "upstream_quota"),
        (429, "insufficient_quota", 429, "upstream_quota"),
        (429, None, 429, "upstream_rate_limited"),
    ],
)
def test_machine_words_are_understood(
    on: Stage, status: int, word: str | None, told: int, code: str
) -> None:
    check(on, refused(status, word), told, code)


@pytest.mark.parametrize("status", [401, 403])
def test_our_key_s_refusal_is_not_the_client_s(on: Stage, status: int) -> None:
    script = plain(status, error_body(f"Incorrect API key provided: {SECRET}", type="auth"))
    check(on, script, 502, "upstream_auth_error")
    check_stood_in_for(on, script)


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [
        (408, 504, "upstream_timeout"),
        (500, 502, "upstream_error"),
        (501, 502, "upstream_unsupported"),
        (405, 502, "upstream_unsupported"),
        (409, 409, "upstream_conflict"),
        (502, 502, "upstream_error"),
        (503, 503, "upstream_overloaded"),
        (504, 504, "upstream_error"),
        (520, 502, "upstream_error"),
        (529, 503, "upstream_overloaded"),
        (429, 429, "upstream_rate_limited"),
        (402, 429, "upstream_quota"),
    ],
)
def test_a_failing_backend_is_stood_in_for(on: Stage, status: int, told: int, code: str) -> None:
    check(on, refused(status), told, code)
    check_stood_in_for(on, refused(status))


@pytest.mark.parametrize(
    "body",
    [b"", TRACE, b'{"error":"sk-upstream-secret at internal.host"}', b"null", b'{"error":null}',
     b'{"error":{"message":{"a":[]}}}', b"[" * 60000],
)  # fmt: skip
def test_an_error_without_good_words_shows_none(on: Stage, body: bytes) -> None:
    check(on, plain(500, body, b"content-type: text/html\r\n"), 502, "upstream_error")
    check(on, plain(400, body, b"content-type: text/html\r\n"), 400, "upstream_refused")


@pytest.mark.parametrize(
    ("headers", "shortest", "longest"),
    [
        (b"", 1, 60),
        (b"retry-after: 7\r\n", 7, 7),
        (b"retry-after-ms: 1500\r\nretry-after: 9\r\n", 2, 2),
        (b"retry-after: %b\r\n" % formatdate(time.time() + 900, usegmt=True).encode(), 1, 901),
        (b"retry-after: 0\r\n", 1, 1),
        (b"retry-after: 86400\r\n", 3600, 3600),
        (b"retry-after: -5\r\n", 1, 60),
        (b"retry-after: soon\r\n", 1, 60),
        (b"retry-after: inf\r\n", 1, 60),
    ],
)
def test_retry_after_is_told_in_whole_seconds(
    on: Stage, headers: bytes, shortest: int, longest: int
) -> None:
    on.plays(plain(429, error_body(), JSON + headers))
    answer = on.ask()
    assert (answer.status, answer.error["code"]) == (429, "upstream_rate_limited")
    assert answer.error["type"] == "rate_limit_error"
    assert shortest <= int(answer.headers["retry-after"]) <= longest
    assert answer.seconds < 2  # nobody sleeps on a request


def test_an_overloaded_backend_s_retry_after_is_passed_on(on: Stage) -> None:
    on.plays(plain(503, b"", b"retry-after: 9\r\n"))
    answer = on.ask()
    assert (answer.status, answer.headers["retry-after"]) == (503, "9")
    assert answer.error["type"] == "overloaded_error"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(on: Stage, status: int) -> None:
    with Vendor([Send(response(200, BODY))]) as canary:
        there = b"location: %b/v1/chat/completions\r\n" % canary.url.encode()
        check(on, plain(status, b"", there), 502, "upstream_redirect")
        assert canary.connections == 0


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", "bad_upstream_response"),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nhi", "bad_upstream_response"),
        (b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}", "bad_upstream_response"),
        (b"HTTP/1.1 206 Partial\r\ncontent-length: 2\r\n\r\n{}", "bad_upstream_response"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "upstream_redirect"),
        (b"HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\n{}", "protocol_error"),
        (b"HTTP/1.1 000 Odd\r\ncontent-length: 2\r\n\r\n{}", "protocol_error"),
        (b"HTTP/1.1 99 Odd\r\ncontent-length: 2\r\n\r\n{}", "protocol_error"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
         "protocol_error"),
    ],
)  # fmt: skip
def test_an_odd_status_is_a_bad_gateway(on: Stage, head: bytes, code: str) -> None:
    check(on, [Send(head)], 502, code)
    check_stood_in_for(on, [Send(head)])


def test_a_few_interim_answers_are_passed_over(on: Stage) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    on.plays([Send(interim), Send(response(200, chat_body("at last")))])
    answer = on.ask()
    assert (answer.text, "link" in answer.headers) == ("at last", False)


def test_interim_answers_for_ever_end(on: Stage) -> None:
    check(on, [Forever(b"HTTP/1.1 100 Continue\r\n\r\n")], 502, "protocol_error")
    on.plays([Forever(b"HTTP/1.1 102 Processing\r\n\r\n", gap_s=0.2)])
    answer = on.ask("hasty")
    assert (answer.status, answer.error["code"]) == (504, "first_token_timeout")


# ---- what it says in its body (U18 to U25)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"1", b'"text"', b"{", BODY[:-1], BODY + b"x", BODY + BODY, TRACE,
     error_body("must not be seen"), b'{"error":"must not be seen"}', b"{}",
     b'{"choices":null}', b'{"choices":{}}', b"\xef\xbb\xbf" + BODY],
)  # fmt: skip
def test_a_200_that_is_no_answer_is_none(on: Stage, body: bytes) -> None:
    check(on, plain(200, body), 502, "bad_upstream_response")
    check_stood_in_for(on, plain(200, body))


BROKEN = {
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "not UTF-8": b'"\xff\xfe"',
    "cut UTF-8": b'"\xe2\x82"',
    "a lone surrogate": rb'"\ud800"',
    "a control character": b'"\x01"',
    "20 000 digits": b"1" * 20_000,
    "200 000 levels": b"[" * 200_000 + b"]" * 200_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_no_client_gets_json_that_its_parser_breaks_on(on: Stage, name: str) -> None:
    body = BODY.replace(b'"logprobs":null', b'"logprobs":' + BROKEN[name])
    assert body != BODY
    check(on, plain(200, body), 502, "bad_upstream_response")


@pytest.mark.parametrize("name", ["NaN", "a lone surrogate", "20 000 digits"])
def test_nor_on_top_of_it(on: Stage, name: str) -> None:
    check(on, plain(200, BODY[:-1] + b',"x":%b}' % BROKEN[name]), 502, "bad_upstream_response")


def test_an_odd_but_whole_answer_passes(on: Stage) -> None:
    on.plays(plain(200, chat_body("odd"), b""))  # no content type
    answer = on.ask()
    assert (answer.status, answer.text) == (200, "odd")
    assert answer.headers["content-type"] == "application/json"


def test_the_answer_is_passed_on_byte_for_byte(on: Stage) -> None:
    said = b'{"message":{"content":"\xc3\xa4\\u00e4"}}'
    body = b' {"big": 12345678901234567890, "choices":\r\n[ %b]}' % said
    on.plays(plain(200, body))
    assert on.ask().body == body


@pytest.mark.parametrize("ending", [Close(), Reset()])
@pytest.mark.parametrize(
    "head",
    [b"content-length: %d\r\n\r\n" % len(BODY) + BODY[:-1],
     b"transfer-encoding: chunked\r\n\r\n" + chunk(BODY[:50]),
     b"transfer-encoding: chunked\r\n\r\n" + chunk(BODY)[:-9],
     b"transfer-encoding: chunked\r\n\r\n" + chunk(BODY) + LAST_CHUNK[:2]],
)  # fmt: skip
def test_a_cut_body_is_a_reset(on: Stage, head: bytes, ending: Close | Reset) -> None:
    script: Script = [Send(OK + JSON + head), Wait(0.05), ending]
    check(on, script, 502, "upstream_reset")
    check_stood_in_for(on, script)


def test_a_body_to_the_connection_s_end_needs_an_orderly_one(on: Stage) -> None:
    on.plays([Send(OK + JSON + b"\r\n" + chat_body("to the end")), Close()])
    assert on.ask().text == "to the end"
    check(on, [Send(OK + JSON + b"\r\n" + BODY), Wait(0.05), Reset()], 502, "upstream_reset")
    check(on, [Send(OK + JSON + b"\r\n" + BODY[:-1]), Close()], 502, "bad_upstream_response")


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"deflate", b"zstd", b"x-none", b"gzip, br"])
def test_an_encoded_answer_is_not_touched(on: Stage, encoding: bytes) -> None:
    bomb = b"\x1f\x8b\x08" + bytes(1000)
    script = framed(b"content-encoding: %b\r\ncontent-length: 1003\r\n" % encoding, bomb)
    check(on, script, 502, "bad_upstream_response")


def test_an_error_body_is_read_so_far_only(on: Stage) -> None:
    before = on.gateway.rss_bytes()
    huge = error_body("x" * 8_000_000)
    check(on, [Send(response(500, huge))], 502, "upstream_error")
    endless = stream_head(500, JSON)
    check(on, [Send(endless), Forever(chunk(bytes(65536)))], 502, "upstream_error", within_s=5)
    assert on.gateway.rss_bytes() - before < 20e6
    on.plays([Send(endless), Forever(chunk(b"x"), gap_s=0.05)])  # or so long only
    answer = on.ask("brief")
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")


def test_an_endless_answer_is_too_large(on: Stage) -> None:
    on.check_well()
    before = on.gateway.rss_bytes()
    script: Script = [Send(stream_head(200, JSON)), Forever(chunk(b" " * (1 << 20)))]
    check(on, script, 502, "response_too_large", within_s=20)
    assert on.gateway.rss_bytes() - before < 2 * 64e6


# ---- how it speaks (U26 to U30)

AMBIGUOUS = {
    "two lengths": b"content-length: 5\r\ncontent-length: 6\r\n",
    "the same length twice": b"content-length: 5\r\ncontent-length: 5\r\n",
    "a list of lengths": b"content-length: 5, 5\r\n",
    "a signed length": b"content-length: +5\r\n",
    "a negative length": b"content-length: -5\r\n",
    "an odd length": b"content-length: 1_0\r\n",
    "an overflowing length": b"content-length: 99999999999999999999999\r\n",
    "length and chunks": b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
    "chunks and length": b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
    "an unknown coding": b"transfer-encoding: gzip, chunked\r\n",
    "a coding twice": b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    "a coding that is not last": b"transfer-encoding: chunked, identity\r\n",
    "a bare CR": b"x: a\rb\r\ncontent-length: 5\r\n",
    "a NUL": b"x: a\0b\r\ncontent-length: 5\r\n",
    "a control character": b"x: a\x01b\r\ncontent-length: 5\r\n",
    "no colon": b"nonsense\r\ncontent-length: 5\r\n",
    "a space in a name": b"a b: c\r\ncontent-length: 5\r\n",
    "a space before the colon": b"content-length : 5\r\n",
    "201 lines": b"x: y\r\n" * 201 + b"content-length: 5\r\n",
    "a megabyte of lines": (b"x: %b\r\n" % (b"y" * 8000)) * 130,
    "a megabyte in a line": b"x: " + b"y" * 1_000_000 + b"\r\ncontent-length: 5\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_not_read(on: Stage, name: str) -> None:
    check(on, framed(AMBIGUOUS[name], b"hello"), 502, "protocol_error")


CHUNKS = {
    "no number": b"zz\r\nhello\r\n0\r\n\r\n",
    "a negative one": b"-5\r\nhello\r\n0\r\n\r\n",
    "an overflow": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "too short": b"4\r\nhello\r\n0\r\n\r\n",
    "no line end": b"5\rhello\r\n0\r\n\r\n",
    "endless trailers": b"0\r\n" + b"x: y\r\n" * 20_000,
    "an endless trailer": b"0\r\nx: " + b"y" * 200_000,
}


@pytest.mark.parametrize("name", CHUNKS)
def test_bad_chunks_are_no_answer(on: Stage, name: str) -> None:
    check(on, framed(b"transfer-encoding: chunked\r\n", CHUNKS[name]), 502, "protocol_error")


def test_trailers_are_read_past(on: Stage) -> None:
    body = chunk(chat_body("trailed")) + b"0\r\nset-cookie: a=b\r\nx-t: y\r\n\r\n"
    on.plays([Send(stream_head(200, JSON) + body)])
    answer = on.ask()
    assert (answer.text, "x-t" in answer.headers) == ("trailed", False)


@pytest.mark.parametrize(
    "line",
    [b"SSH-2.0-OpenSSH_9.9\r\n", b"<html>", b"HTTP/0.9 200 OK\r\n\r\n", b"HTTP/2.0 200 OK\r\n\r\n",
     b"HTTP/1.1200 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"ICY 200 OK\r\n\r\n",
     b"\x15\x03\x01\x00\x02\x02\x46", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100],
)  # fmt: skip
def test_what_is_not_http_is_no_answer(on: Stage, line: bytes) -> None:
    check(on, [Send(line), Stall()], 502, "protocol_error")


@pytest.mark.parametrize("ending", [Close(), Reset()])
def test_an_end_before_any_byte_is_a_reset(on: Stage, ending: Close | Reset) -> None:
    on.plays([ending])
    on.ask()  # leaves no warm connection
    check(on, [ending], 502, "upstream_reset")
    check_stood_in_for(on, [ending])


def test_a_backend_that_always_resets_at_once_is_a_failure(on: Stage) -> None:
    on.plays([Close()])
    on.ask()
    on.bad.greeting = [Reset()]
    try:
        answer = on.ask()
        assert answer.status == 502
        assert answer.error["code"] in ("upstream_reset", "connect_failed")
    finally:
        on.bad.greeting = ()
    on.check_well()


# ---- when it says nothing (U32)

HEAD = OK + JSON + b"content-length: %d\r\n\r\n" % len(BODY)
SILENT: dict[str, Script] = {
    "no head": [Stall()],
    "half a head": [Send(OK), Stall()],
    "a head in dribbles": [Send(OK), Forever(b"x: y\r\n", gap_s=0.05)],
    "a head, no body": [Send(HEAD), Stall()],
    "a body in dribbles": [Send(HEAD), Forever(b" ", gap_s=0.05)],
    "half a body": [Send(HEAD + BODY[:9]), Stall()],
}


@pytest.mark.parametrize("name", SILENT)
def test_silence_is_first_token_timeout(on: Stage, name: str) -> None:
    on.plays(SILENT[name])
    answer = on.ask("hasty")
    assert (answer.status, answer.error["code"]) == (504, "first_token_timeout")
    assert answer.error["type"] == "timeout_error"
    assert 0.4 <= answer.seconds < 3
    on.plays(SILENT[name])
    assert on.ask("hasty-pair").text == "from the other"
    on.check_well()


@pytest.mark.parametrize("name", ["no head", "a body in dribbles"])
def test_the_deadline_is_total_timeout(on: Stage, name: str) -> None:
    on.plays(SILENT[name])
    answer = on.ask("brief")
    assert (answer.status, answer.error["code"]) == (504, "total_timeout")
    assert 0.8 <= answer.seconds < 3
    answer = on.ask("calm", headers={"x-request-timeout": "0.5"})
    assert (answer.status, answer.error["code"]) == (504, "total_timeout")
    assert 0.5 <= answer.seconds < 2.5
    on.check_well()


def test_slow_but_in_time_is_good(on: Stage) -> None:
    on.plays([Send(OK), Wait(0.3), Send(response(200, chat_body("slow"))[len(OK) :], 20, 0.02)])
    assert on.ask("patient").text == "slow"


# ---- other operations


@pytest.mark.parametrize(
    ("path", "field", "bad"),
    [("/v1/completions", "prompt", b'{"choices":null}'), ("/v1/embeddings", "input", BODY)],
)
def test_other_operations_fail_alike(on: Stage, path: str, field: str, bad: bytes) -> None:
    for body in (b"{}", b"not JSON", bad, error_body()):
        on.plays(plain(200, body))
        answer = on.ask(path=path, fields={field: "x"})
        assert (answer.status, answer.error["code"]) == (502, "bad_upstream_response")
    assert on.bad.journal[-1].path == path
    on.check_well()
