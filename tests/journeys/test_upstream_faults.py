"""The faults of a backend, row by row (docs/surviving.md lists them), asked whole and streamed: the
status, type and code that a client gets, what the headers say, whether another target may answer,
and what is counted and logged of it. Each is one failed attempt, no more and no less.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.journeys.stage import SECRET, WELL, Answer, Stage, stage
from tests.vendors.openai_wire import DONE, ROLE, chat_body, chat_chunk, chat_events, error_body
from tests.vendors.openai_wire import event as event_of
from tests.vendors.scripted import (
    LAST_CHUNK,
    Close,
    Forever,
    Reset,
    Script,
    Send,
    Stall,
    Wait,
    chunk,
    response,
    stream_head,
    streamed,
)

OK: Final = b"HTTP/1.1 200 OK\r\n"
JSON: Final = b"content-type: application/json\r\n"
HEAD: Final = stream_head()
BODY: Final = chat_body("must not be seen")
ROLE_ONLY: Final = event_of(chat_chunk(ROLE))
TOKENS: Final = chat_events(("All ", "is ", "well"), finish=None, done=False)
TOLD: Final = b"".join(TOKENS)
AUTH_ECHO: Final = error_body(f"Incorrect API key provided: {SECRET}", type="auth")


@dataclass(frozen=True, slots=True)
class Row:
    """One fault before the first content, and the HTTP answer that it becomes."""

    fault: str  # the row of the matrix, and what it is
    whole: Script  # what the backend plays
    status: int
    kind: str
    code: str
    streamed: Script | None = None  # for a streamed request, where that is not the same
    asked: str = "whole, streamed"
    model: str = "calm"
    wait: str | None = None  # retry-after
    final: bool = True  # SDKs are told not to repeat it
    elsewhere: bool = True  # another target answers instead, where there is one
    within_s: float = 2.0

    def script(self, *, stream: bool) -> Script:
        return self.streamed if stream and self.streamed is not None else self.whole


def says(status: int, headers: bytes = b"", body: bytes | None = None) -> Script:
    said = error_body("As the vendor says.") if body is None else body
    return [Send(response(status, said, JSON + headers))]


def _refusals() -> Iterator[Row]:
    for status in (400, 404, 413, 415, 422):
        yield Row(f"U4 {status}", says(status), status, "invalid_request_error",
                  "upstream_refused", final=False, elsewhere=False)  # fmt: skip
    for status in (401, 403):
        yield Row(f"U5 {status}", says(status, body=AUTH_ECHO), 502, "upstream_error",
                  "upstream_auth_error")  # fmt: skip
    quota = says(429, body=error_body(code="insufficient_quota"))
    yield Row("U6 402", says(402), 429, "insufficient_quota", "upstream_quota")
    yield Row("U6 insufficient_quota", quota, 429, "insufficient_quota", "upstream_quota")
    yield Row("U7 408", says(408), 504, "timeout_error", "upstream_timeout")
    yield Row("U7 409", says(409), 409, "invalid_request_error", "upstream_conflict")
    limited = (429, "rate_limit_error", "upstream_rate_limited")
    for name, headers, wait in (
        ("U8 without retry-after", b"", "1"),
        ("U9 seconds", b"retry-after: 7\r\n", "7"),
        ("U9 milliseconds", b"retry-after-ms: 1500\r\n", "2"),
        ("U10 a day", b"retry-after: 86400\r\n", "3600"),
        ("U10 negative", b"retry-after: -5\r\n", "1"),
        ("U10 junk", b"retry-after: soon\r\n", "1"),
    ):
        yield Row(name, says(429, headers), *limited, wait=wait, final=False)


def _failures() -> Iterator[Row]:
    failed = ("upstream_error", "upstream_error")
    overloaded = ("overloaded_error", "upstream_overloaded")
    for status, told in ((500, 502), (502, 502), (504, 504), (520, 502)):
        yield Row(f"U12 {status}", says(status), told, *failed)
    for status in (503, 529):
        yield Row(f"U12 {status}", says(status), 503, *overloaded, final=False)
    for status in (405, 501):
        yield Row(f"U13 {status}", says(status), 502, "upstream_error", "upstream_unsupported")
    yield Row("U14 seconds", says(503, b"retry-after: 9\r\n"), 503, *overloaded, wait="9",
              final=False)  # fmt: skip
    for status in (301, 307):
        yield Row(f"U15 {status}", says(status, b"location: http://internal.host/\r\n"), 502,
                  "upstream_error", "upstream_redirect")  # fmt: skip
    bad = ("upstream_error", "bad_upstream_response")
    broken = ("upstream_error", "protocol_error")
    yield Row("U16 204", [Send(b"HTTP/1.1 204 No Content\r\n\r\n")], 502, *bad)
    yield Row("U16 304", [Send(b"HTTP/1.1 304 Not Modified\r\n\r\n")], 502, "upstream_error",
              "upstream_redirect")  # fmt: skip
    for odd in (b"999", b"000"):
        script: Script = [Send(b"HTTP/1.1 %b Odd\r\ncontent-length: 0\r\n\r\n" % odd)]
        yield Row(f"U16 {odd!r}", script, 502, *broken)
    yield Row("U16 1xx for ever", [Forever(b"HTTP/1.1 100 Continue\r\n\r\n")], 502, *broken)
    yield Row("U17 HTML", says(500, body=b"<h1>Traceback internal.host</h1>"), 502, *failed)
    yield Row("U17 nothing", says(500, body=b""), 502, *failed)
    yield Row("U17 a string", says(500, body=b'{"error":"at internal.host"}'), 502, *failed)
    yield Row("U17 an echo of the 401", says(500, body=AUTH_ECHO), 502, *failed)
    yield Row("U18 8 MB", says(500, body=error_body("x" * (8 << 20))), 502, *failed)
    endless: Script = [Send(stream_head(500, JSON)), Forever(chunk(bytes(65536)))]
    yield Row("U18 endless", endless, 502, *failed, within_s=5.0)


def _bad_answers() -> Iterator[Row]:
    """What is no answer to a whole request is none to a streamed one either."""
    bad = ("upstream_error", "bad_upstream_response")
    broken = ("upstream_error", "protocol_error")
    reset = ("upstream_error", "upstream_reset")
    for name, body in {
        "U19 malformed": BODY[:-1], "U19 empty": b"", "U19 null": b"null", "U19 array": b"[]",
        "U19 HTML": b"<html>", "U19 an error": error_body("must not be seen"), "U20 {}": b"{}",
        "U20 a BOM": b"\xef\xbb\xbf" + BODY, "U21 NaN": BODY[:-1] + b',"x":NaN}',
        "U21 UTF-8": BODY[:-1] + b',"x":"\xff"}', "U21 a surrogate": BODY[:-1] + rb',"x":"\ud800"}',
    }.items():  # fmt: skip
        yield Row(name, [Send(response(200, body))], 502, *bad)
    deep = BODY[:-1] + b',"x":%b%b}' % (b"[" * 200_000, b"]" * 200_000)
    yield Row("U22 deep", [Send(response(200, deep))], 502, *bad)
    digits = BODY[:-1] + b',"x":%b}' % (b"1" * 20_000)
    yield Row("U22 digits", [Send(response(200, digits))], 502, *bad)
    sized = OK + JSON + b"content-length: %d\r\n\r\n" % len(BODY)
    for name, end in (("FIN", Close()), ("RST", Reset())):
        yield Row(f"U23 {name}", [Send(sized + BODY[:-1]), Wait(0.05), end], 502, *reset,
                  asked="whole")  # fmt: skip
        yield Row(f"U30 {name}", [end], 502, *reset)
    for encoding in (b"gzip", b"x-none"):
        coded = b"content-encoding: %b\r\ncontent-length: 3\r\n\r\nabc" % encoding
        yield Row(f"U25 {encoding!r}", [Send(OK + JSON + coded)], 502, *bad)
    for name, headers in {
        "U27 two lengths": b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "U27 length and chunks": b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "U27 300 lines": b"x: y\r\n" * 300 + b"content-length: 0\r\n\r\n",
        "U27 a line of 1 MB": b"x: %b\r\n\r\n" % (b"y" * 1_000_000),
        "U28 a bare CR": b"x: a\rset-cookie: b\r\ncontent-length: 0\r\n\r\n",
        "U28 a control character": b"x: a\x01b\r\ncontent-length: 0\r\n\r\n",
    }.items():
        yield Row(name, [Send(OK + JSON + headers), Stall()], 502, *broken, within_s=1.0)
    for name, size in (("U27 a bad chunk", b"zz\r\n"), ("U27 an overflow", b"f" * 17 + b"\r\n")):
        yield Row(name, [Send(stream_head(200, JSON) + size), Stall()], 502, *broken, within_s=1.0,
                  streamed=[Send(HEAD + size), Stall()])  # fmt: skip
    for name, line in (
        ("SSH", b"SSH-2.0-x\r\n"),
        ("0.9", b"<html>"),
        ("2.0", b"HTTP/2.0 200 OK\r\n\r\n"),
    ):
        yield Row(f"U29 {name}", [Send(line), Stall()], 502, *broken, within_s=1.0)


def _empty_streams() -> Iterator[Row]:
    def row(name: str, script: Script, code: str) -> Row:
        return Row(f"U33 {name}", script, 502, "upstream_error", code, asked="streamed")

    role = Send(HEAD + chunk(ROLE_ONLY))
    error = event_of(error_body("boom at internal.host"))
    yield row("FIN", [role, Close()], "stream_interrupted")
    yield row("RST", [Send(HEAD), Wait(0.05), Reset()], "stream_interrupted")
    yield row("an end", [role, Send(LAST_CHUNK)], "stream_truncated")
    yield row("[DONE] alone", [Send(streamed(DONE))], "stream_truncated")
    yield row("HTML", [Send(streamed(b"<html>\n\n"))], "stream_truncated")
    yield row("garbage", [Send(streamed(b"data: {nonsense\n\n"))], "bad_upstream_response")
    yield row("an error", [Send(streamed(error, DONE))], "upstream_error")
    large = Row("U41 a line without end", [Send(HEAD), Forever(chunk(b"x" * 65536))], 502,
                "upstream_error", "response_too_large", asked="streamed",
                elsewhere=False)  # fmt: skip
    yield large
    yield Row("U45 JSON", [Send(response(200, chat_body()))], 502, "upstream_error",
              "bad_upstream_response", asked="streamed")  # fmt: skip


def _silence() -> Iterator[Row]:
    late = ("timeout_error", "first_token_timeout")
    sized = OK + JSON + b"content-length: %d\r\n\r\n" % len(BODY)
    silences: list[tuple[str, Script, Script]] = [
        ("U32 no head", [Stall()], [Stall()]),
        ("U32 a dribbled head", [Send(OK), Forever(b"x: y\r\n", 0.05)],
         [Send(OK), Forever(b"x: y\r\n", 0.05)]),
        ("U32 no body", [Send(sized), Stall()], [Send(HEAD), Stall()]),
        ("U32 a dribbled body", [Send(sized), Forever(b" ", 0.05)],
         [Send(HEAD), Forever(chunk(b": ping\n\n"), 0.05)]),
        ("U34 the role only", [Send(sized + BODY[:9]), Stall()],
         [Send(HEAD + chunk(ROLE_ONLY)), Stall()]),
    ]  # fmt: skip
    for name, whole, stream in silences:
        yield Row(name, whole, 504, *late, streamed=stream, model="hasty")


ROWS: Final = [*_refusals(), *_failures(), *_bad_answers(), *_empty_streams(), *_silence()]
ASKED: Final = [
    pytest.param(row, way == "streamed", id=f"{row.fault}, {way}")
    for row in ROWS
    for way in row.asked.split(", ")
]


@dataclass
class Tally:
    """What must have been counted and logged by the end."""

    failures: Counter[str] = field(default_factory=Counter)  # attempts, by code
    cuts: Counter[str] = field(default_factory=Counter)  # streams, by cause
    stale: int = 0


@pytest.fixture(scope="module")
def tally() -> Tally:
    return Tally()


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    with stage() as made:
        yield made


@pytest.mark.parametrize(("row", "stream"), ASKED)
def test_before_the_content_a_fault_is_an_honest_status(
    on: Stage, tally: Tally, row: Row, stream: bool
) -> None:
    on.plays(row.script(stream=stream))
    answer = on.ask(row.model, stream=stream)
    error = answer.error
    assert (answer.status, error["type"], error["code"]) == (row.status, row.kind, row.code)
    assert answer.seconds < row.within_s
    assert answer.headers["x-gateway-attempts"] == "1"
    assert answer.headers.get("x-should-retry") == ("false" if row.final else None)
    if row.wait is not None:
        assert answer.headers["retry-after"] == row.wait
    tally.failures[row.code] += 1
    _check_elsewhere(on, tally, row, stream=stream)
    on.check_well()


def _check_elsewhere(on: Stage, tally: Tally, row: Row, *, stream: bool) -> None:
    on.plays(row.script(stream=stream))
    answer = on.ask("hasty-pair" if row.model == "hasty" else "pair", stream=stream)
    tally.failures[row.code] += 1
    if row.elsewhere:
        assert (answer.status, answer.text) == (200, "from the other")
        assert answer.headers["x-gateway-attempts"] == "2"
    else:
        assert (answer.status, answer.error["code"]) == (row.status, row.code)
        assert answer.headers["x-gateway-attempts"] == "1"


# ---- behind the first content

ERROR: Final = event_of(error_body("boom at internal.host"))
VLLM_ERROR: Final = event_of(b'{"object":"error","message":"boom at internal.host","code":500}')
CUTS: Final[dict[str, tuple[Script, str, str, str]]] = {
    "U35 RST": ([Wait(0.05), Reset()], "stream_interrupted", "upstream_error", "calm"),
    "U35 FIN": ([Close()], "stream_interrupted", "upstream_error", "calm"),
    "U35 half a line": ([Send(chunk(TOKENS[1][:30])), Close()], "stream_interrupted",
                        "upstream_error", "calm"),
    "U36 a clean end": ([Send(LAST_CHUNK)], "stream_truncated", "upstream_error", "calm"),
    "U38 a stall": ([Stall()], "idle_timeout", "timeout_error", "hasty"),
    "U39 an error": ([Send(chunk(ERROR + DONE))], "upstream_error", "upstream_error", "calm"),
    "U39 vLLM's": ([Send(chunk(VLLM_ERROR + DONE))], "upstream_error", "upstream_error", "calm"),
    "U40 broken JSON": ([Send(chunk(b"data: {nonsense\n\n" + DONE))], "bad_upstream_response",
                        "upstream_error", "calm"),
    "U40 bad UTF-8": ([Send(chunk(TOKENS[1].replace(b"is", b"\xff") + DONE))],
                      "bad_upstream_response", "upstream_error", "calm"),
    "U41 8 MB": ([Send(chunk(event_of(chat_chunk({"content": "x" * (8 << 20)}))))],
                 "response_too_large", "upstream_error", "calm"),
    "U41 a line without end": ([Forever(chunk(b"x" * 65536))], "response_too_large",
                               "upstream_error", "calm"),
    "U42 endless": ([Forever(chunk(b": p\n\n" + TOKENS[1]), 0.05)], "total_timeout",
                    "timeout_error", "brief"),
    "U42 a flood": ([Forever(chunk(TOKENS[1] * 500))], "total_timeout", "timeout_error", "brief"),
}  # fmt: skip


@pytest.mark.parametrize("fault", CUTS)
def test_behind_the_content_it_is_the_stream_s_last_event(
    on: Stage, tally: Tally, fault: str
) -> None:
    then, code, kind, model = CUTS[fault]
    before = on.gateway.rss_bytes()
    on.plays([Send(HEAD + chunk(TOLD)), *then])
    answer = on.ask(model, stream=True)
    assert (answer.last_error["code"], answer.last_error["type"]) == (code, kind)
    assert answer.body.startswith(TOLD)  # all that had come has reached the client
    assert answer.headers["x-gateway-attempts"] == "1"
    assert on.gateway.rss_bytes() - before < 24e6
    line = on.record(answer.label)
    assert (line["status"], line["outcome"], line["code"]) == (200, "error", code)
    tally.failures[code] += 1
    tally.cuts[code] += 1
    on.check_well()


# ---- no fault of anybody's


def test_a_stale_connection_is_no_failure(on: Stage, tally: Tally) -> None:
    """U31: nothing is counted but that it was stale."""
    on.check_well()
    on.plays([Close()], [Send(response(200, chat_body(WELL)))])
    answer = on.ask()
    assert (answer.text, answer.headers["x-gateway-attempts"]) == (WELL, "1")
    tally.stale += 1


def test_duplicate_keys_in_an_answer_are_no_fault(on: Stage) -> None:
    """U20: what goes out is JSON, as strict as it came."""
    twice = b'{"choices":[],' + chat_body(WELL)[1:]
    on.plays([Send(response(200, twice))])
    answer: Answer = on.ask()
    assert (answer.status, answer.text, answer.body) == (200, WELL, twice)


# ---- told


def test_each_fault_was_counted_and_logged_once(on: Stage, tally: Tally) -> None:
    on.check_well()
    time.sleep(1.1)  # a scrape is kept for a second
    text = on.gateway.get("/metrics", admin=True)[1].decode()
    attempts = _series(text, "gateway_upstream_attempts_total", "outcome")
    del attempts["complete"]
    assert attempts == tally.failures
    assert _series(text, "gateway_streams_interrupted_total", "cause") == tally.cuts
    stale = _series(text, "gateway_upstream_stale_total", "backend")["bad"]
    assert stale >= tally.stale
    logged = Counter(line["code"] for line in on.gateway.lines("attempt_failed"))
    assert logged == tally.failures
    assert all(line["backend"] == "bad" for line in on.gateway.lines("attempt_failed"))
    told = on.gateway.log_file.read_text()
    assert "boom" not in told
    assert "As the vendor says" not in told
    assert SECRET not in told


def _series(text: str, name: str, label: str) -> Counter[str]:
    """The values of a metric's series of the bad backend, by one of their labels."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        series, _, value = line.rpartition(" ")
        if series.startswith(name + "{") and 'backend="bad"' in series:
            found[series.split(f'{label}="')[1].split('"')[0]] += int(float(value))
    return found
