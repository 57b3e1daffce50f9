"""The connections to backends: kept, reused, never mixed up; what is sent on them and what of the
answers' heads comes back; how many there may be.
"""

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness import KEY, until
from tests.journeys.stage import SECRET, Stage, stage
from tests.vendors.openai_wire import chat_body, chat_events
from tests.vendors.scripted import (
    LAST_CHUNK,
    Close,
    Received,
    Reset,
    Script,
    Send,
    Stall,
    Step,
    Vendor,
    Wait,
    chunk,
    response,
    stream_head,
    streamed,
)

GOOD = response(200, chat_body("good"))
FOREIGN = response(200, chat_body("for somebody else"))
STREAM = stream_head() + b"".join(map(chunk, chat_events()))


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    with stage() as made:
        yield made


# ---- reuse


def test_requests_in_turn_share_one_connection(on: Stage) -> None:
    on.plays([Send(GOOD)])
    on.ask()
    before = on.bad.connections
    for stream in (True, False) * 5:
        on.plays([Send(streamed(*chat_events()) if stream else GOOD)])
        assert on.ask(stream=stream).status == 200
    assert on.bad.connections == before


def test_a_last_chunk_that_comes_late_still_spares_the_connection(on: Stage) -> None:
    on.plays([Send(STREAM), Wait(0.05), Send(LAST_CHUNK)])
    on.ask(stream=True)
    connection = on.bad.journal[-1].connection
    time.sleep(0.15)
    on.ask(stream=True)
    assert on.bad.journal[-1].connection == connection


def test_the_connection_used_last_is_used_next(on: Stage) -> None:
    on.plays([Wait(0.2), Send(GOOD)])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: on.ask(), range(4)))
    on.plays([Send(GOOD)])
    used = set()
    for _ in range(8):
        on.ask()
        used.add(on.bad.journal[-1].connection)
    assert len(used) == 1


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + GOOD.partition(b"\r\n")[2],
     b"HTTP/1.0 200 OK\r\n" + GOOD.partition(b"\r\n")[2]],
)  # fmt: skip
def test_a_connection_that_is_to_close_is_not_used_again(on: Stage, answer: bytes) -> None:
    on.plays([Send(answer)])
    for _ in range(2):
        assert on.ask().text == "good"
    one, other = on.bad.journal[-2:]
    assert one.connection != other.connection


@pytest.mark.parametrize("ending", [Close(), Reset()])
@pytest.mark.parametrize("when_s", [0.0, 0.1])
def test_a_stale_connection_costs_nothing(on: Stage, ending: Close | Reset, when_s: float) -> None:
    """The backend hangs up behind an answer, or only when it sees the next request."""
    on.plays([Send(GOOD)])
    on.ask()
    seen = len(on.bad.journal)
    if when_s:
        on.plays([Send(GOOD), Wait(when_s), ending], [Send(GOOD)])
        on.ask()
        time.sleep(0.3)
    else:
        on.plays([ending], [Send(GOOD)])
    answer = on.ask()
    assert (answer.status, answer.text) == (200, "good")
    assert answer.headers["x-gateway-attempts"] == "1"
    last, before = on.bad.journal[-1], on.bad.journal[-2]
    assert last.connection != before.connection
    assert len(on.bad.journal) == seen + 2
    if not when_s:
        assert last.body == before.body  # the very same, once more


def test_a_request_is_repeated_for_staleness_once_only(on: Stage) -> None:
    on.plays([Send(GOOD)])
    on.ask()
    on.plays([Close()])
    answer = on.ask()
    assert (answer.status, answer.error["code"]) == (502, "upstream_reset")
    assert on.played == 2


def test_what_broke_after_a_first_byte_is_not_repeated(on: Stage) -> None:
    on.plays([Send(GOOD)])
    on.ask()
    on.plays([Send(b"HTTP/1.1 200"), Close()])
    answer = on.ask()
    assert (answer.status, answer.error["code"], on.played) == (502, "upstream_reset", 1)


# ---- no byte of one answer in another (U26)

EXTRA: dict[str, list[Step]] = {
    "behind it": [Send(GOOD + FOREIGN)],
    "behind it, in pieces": [Send(GOOD + FOREIGN, piece=90)],
    "a moment later": [Send(GOOD), Wait(0.03), Send(FOREIGN)],
    "half behind, half later": [Send(GOOD + FOREIGN[:20]), Wait(0.03), Send(FOREIGN[20:])],
    "a byte": [Send(GOOD + b"x")],
    "many": [Send(GOOD + FOREIGN * 5)],
    "behind a body too long": [Send(GOOD + b"x" * 999)],
}


@pytest.mark.parametrize("name", EXTRA)
def test_an_answer_that_nobody_asked_for_reaches_nobody(on: Stage, name: str) -> None:
    for _ in range(3):
        on.plays(EXTRA[name])
        answer = on.ask()
        assert (answer.status, answer.text) == (200, "good")
        time.sleep(0.06)
        connection = on.bad.journal[-1].connection
        on.plays([Send(GOOD)])
        assert on.ask().text == "good"
        assert on.bad.journal[-1].connection != connection


def test_many_at_once_each_get_their_own(on: Stage) -> None:
    """More than was asked for follows one answer in three; each answer echoes its request."""

    def echo(request: Received) -> Script:
        said = json.loads(request.body)["messages"][0]["content"]
        own = response(200, chat_body(said))
        number = int(said)
        return [Wait(0.002 * (number % 5)), Send(own if number % 3 else own + FOREIGN)]

    def ask(number: int) -> bool:
        said = {"messages": [{"role": "user", "content": str(number)}]}
        status, body = on.gateway.post("/v1/chat/completions", {"model": "calm", **said})
        content: str = json.loads(body)["choices"][0]["message"]["content"]
        return status == 200 and content == str(number)

    on.choice = echo
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(300)))


# ---- what is sent, what comes back (V11, V42)

UNWANTED = {
    "cookie": "session=1",
    "x-forwarded-for": "10.0.0.1",
    "x-forwarded-host": "evil.test",
    "forwarded": "for=10.0.0.1",
    "x-real-ip": "10.0.0.1",
    "accept-encoding": "gzip, br",
    "accept": "*/*",
    "user-agent": "curl/9",
    "connection": "authorization, x-hop",
    "x-hop": "1",
    "te": "trailers",
    "proxy-authorization": "Basic eDp5",
    "openai-organization": "org-of-the-client",
    "x-stainless-lang": "python",
    "x-custom-host": "http://evil.test",
    "x-gateway-model": "well",
    "x-api-key": KEY,
    "referer": "http://evil.test",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_s_head_is_ours(on: Stage, stream: bool) -> None:
    on.plays([Send(streamed(*chat_events()) if stream else GOOD)])
    path = "/v1/chat/completions?api-version=7&base_url=http://evil.test"
    assert on.ask(headers=UNWANTED, stream=stream, path=path).status == 200
    seen = on.bad.journal[-1]
    agent = seen.header("user-agent")
    assert agent is not None
    assert re.fullmatch(r"llm-gateway/[0-9.]+\S*", agent)
    assert seen.headers == [
        ("host", f"127.0.0.1:{on.bad.port}"),
        ("authorization", f"Bearer {SECRET}"),
        ("user-agent", agent),
        ("accept-encoding", "identity"),
        ("content-type", "application/json"),
        ("traceparent", UNWANTED["traceparent"]),
        ("content-length", str(len(seen.body))),
    ]
    assert (seen.method, seen.path) == ("POST", "/v1/chat/completions")
    assert KEY not in seen.body.decode()


def test_no_field_or_header_chooses_where_a_request_goes(on: Stage) -> None:
    with Vendor([Send(FOREIGN)]) as canary:
        on.plays([Send(GOOD)])
        there = canary.url
        fields = {"api_base": there, "base_url": there, "api_key": "x", "custom_llm_provider": "x"}
        headers = {"x-portkey-custom-host": there, "host": f"127.0.0.1:{canary.port}"}
        assert on.ask(headers=headers, fields=fields).text == "good"
        assert canary.connections == 0
    sent = json.loads(on.bad.journal[-1].body)
    assert sent.items() >= fields.items()  # data like any other
    assert on.bad.journal[-1].header("authorization") == f"Bearer {SECRET}"


@pytest.mark.parametrize("stream", [False, True])
def test_only_harmless_headers_of_an_answer_are_passed_on(on: Stage, stream: bool) -> None:
    kind = b"text/event-stream" if stream else b"application/json"
    headers = b"content-type: %b; charset=x\r\n" % kind + (
        b"set-cookie: a=b\r\nserver: vendor/1\r\nx-goog-api-key: k\r\nauthorization: k\r\n"
        b"x-request-id: vendors\r\nlocation: /x\r\nvia: v\r\nalt-svc: h3\r\ndate: never\r\n"
        b"access-control-allow-origin: *\r\nkeep-alive: timeout=1\r\nx-should-retry: true\r\n"
        b"retry-after: 7\r\ncontent-disposition: x\r\nx-gateway-model: evil\r\n"
        b"openai-processing-ms: 12\r\nx-ratelimit-remaining-requests: 5\r\n"
        b"openai-version: caf\xc3\xa9\r\nx-ratelimit-reset-tokens: a\tb\r\n"
    )
    body = b"".join(map(chunk, chat_events())) + LAST_CHUNK
    on.plays(
        [
            Send(
                stream_head(200, headers) + body
                if stream
                else response(200, b'{"choices":[]}', headers)
            )
        ]
    )
    answer = on.ask(stream=stream)
    ours = {"date", "x-request-id", "x-gateway-model", "x-gateway-attempts", "server-timing"}
    theirs = {"content-type", "openai-processing-ms", "x-ratelimit-remaining-requests"}
    framing = {"cache-control", "x-accel-buffering", "transfer-encoding"}
    assert set(answer.headers) == ours | theirs | (framing if stream else {"content-length"})
    assert answer.headers["openai-processing-ms"] == "12"
    assert answer.headers["x-gateway-model"] == "bad/real-model"
    assert answer.headers["date"] != "never"


# ---- uploads


def upload(on: Stage, body: bytes, length: int) -> socket.socket:
    sock = on.gateway.connect()
    head = (
        f"POST /v1/audio/transcriptions?model=calm HTTP/1.1\r\nhost: x\r\n"
        f"authorization: Bearer {KEY}\r\ncontent-type: application/octet-stream\r\n"
        f"content-length: {length}\r\n\r\n"
    )
    sock.sendall(head.encode() + body)
    return sock


def test_an_answer_before_the_upload_s_end_is_the_answer(on: Stage) -> None:
    on.plays([Send(GOOD)])
    refusal = response(413, b'{"error":{"message":"too big for us"}}')
    on.bad.greeting = [Wait(0.2), Send(refusal), Stall()]
    try:
        with upload(on, bytes(100_000), 4_000_000) as sock:
            time.sleep(0.4)
            sock.sendall(bytes(100_000))
            answer = sock.recv(65536)
    finally:
        on.bad.greeting = ()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"upstream_refused"' in answer
    assert b"too big for us" in answer
    until(lambda: on.bad.open_connections == 0 or on.ask().text == "good", 2, "not well")


def test_an_answer_before_the_upload_s_end_never_meets_another_request(on: Stage) -> None:
    """It is complete, the connection says keep-alive, and yet half a body is owed to it."""
    on.plays([Send(GOOD)])
    on.bad.greeting = [Wait(0.1), Send(response(200, b"early", b"content-type: text/plain\r\n"))]
    try:
        with upload(on, bytes(1000), 2000) as sock:
            answer = sock.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")
            on.bad.greeting = ()
            for _ in range(3):
                assert on.ask().text == "good"
    finally:
        on.bad.greeting = ()
    assert all(entry.path != "/v1/audio/transcriptions" for entry in on.bad.journal)


# ---- how many (bulkhead)


TIGHT = """
  tight: {provider: openai_compatible, base_url: "{bad}/v1", max_in_flight: 1}
"""
TIGHT_MODELS = """
  tight: tight/real-model
  tight-pair: {targets: [{use: tight/real-model}, {use: good/real-model, tier: 2}]}
"""


@pytest.fixture(scope="module")
def narrow() -> Iterator[Stage]:
    with stage(TIGHT_MODELS, TIGHT) as made:
        yield made


def test_no_more_are_in_flight_than_may_be(narrow: Stage) -> None:
    narrow.plays([Wait(1.6), Send(GOOD)])
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(narrow.ask, "tight")
        until(lambda: len(narrow.bad.journal) == 1, 20, "the first has not come")
        pair = pool.submit(narrow.ask, "tight-pair")
        second = pool.submit(narrow.ask, "tight")
        assert pair.result().text == "from the other"
        refused = second.result()
        assert (refused.status, refused.error["code"]) == (503, "no_upstream_available")
        assert refused.error["type"] == "overloaded_error"
        assert int(refused.headers["retry-after"]) >= 1
        assert 0.9 <= refused.seconds < 3
        assert first.result().text == "good"
    assert len(narrow.bad.journal) == 1


def test_who_waits_for_a_place_gets_it(narrow: Stage) -> None:
    narrow.plays([Wait(0.1), Send(GOOD)])
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: narrow.ask("tight"), range(5)))
    assert [answer.text for answer in answers] == ["good"] * 5
    assert len({entry.connection for entry in narrow.bad.journal}) == 1
