"""Clients that are slow, that leave, that do not read, or that ask for too much at once."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.harness import KEY, Gateway, config_for, until
from tests.journeys.hostile import AUTH, BODY, CHUNKED, SIZED, ask, sized
from tests.journeys.talking import Talk, cpu_s, seconds_since
from tests.vendors.openai_wire import DONE, chat_body, chat_chunk, chat_events, event
from tests.vendors.scripted import (
    LAST_CHUNK,
    Forever,
    Received,
    Script,
    Send,
    Stall,
    Vendor,
    Wait,
    chunk,
    response,
    stream_head,
    streamed,
)

HURRIED = {
    "header_timeout_s": 0.8, "body_timeout_s": 0.8, "keep_alive_s": 1.5, "write_timeout_s": 1.0,
    "max_body_bytes": 4 << 20,
}  # fmt: skip
TOKEN = event(chat_chunk({"content": "word " * 2000}))
LEFT_S = 1.0  # within which a backend is rid of a client that has gone


def script(request: Received) -> Script:
    """What is played is named by the last word of the request."""
    said = json.loads(request.body)["messages"][-1]["content"]
    begin = Send(stream_head() + b"".join(map(chunk, chat_events(done=False)[:3])))
    end = Send(chunk(chat_events()[-2]) + chunk(DONE) + LAST_CHUNK)
    scripts: dict[str, Script] = {
        "stall": [Stall()],
        "late": [Wait(0.8), Send(response(200, chat_body()))],
        "stream": [Send(streamed(*chat_events()))],
        "slow stream": [begin, Wait(0.8), end],
        "cut": [begin, Stall()],
        "flood": [begin, Forever(chunk(TOKEN))],
    }
    return scripts.get(said) or [Send(response(200, chat_body(said)))]


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with Vendor(choose=script) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def gateway(vendor: Vendor) -> Iterator[Gateway]:
    hurried = [f"server.{key}={value}" for key, value in HURRIED.items()]
    arguments = [word for pair in hurried for word in ("--set", pair)]
    with Gateway(config_for(vendor.url), *arguments) as gateway:
        yield gateway
        assert not gateway.lines("exchange_failed")
        assert "Traceback" not in gateway.log_file.read_text()


def chat(said: str, *, stream: bool = False, version: str = "1.1", headers: bytes = b"") -> bytes:
    document = {"model": "m", "messages": [{"role": "user", "content": said}], "stream": stream}
    line = b"POST /v1/chat/completions HTTP/%b" % version.encode()
    return sized(json.dumps(document).encode(), headers, line=line)


def said(vendor: Vendor, what: str) -> list[Received]:
    return [request for request in vendor.journal if f'"{what}"'.encode() in request.body]


# ---- slow


def test_a_slow_head_is_told_and_closed(gateway: Gateway) -> None:
    start = time.monotonic()
    with Talk(gateway) as talk:
        talk.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
        answer = talk.answer()
        assert (answer.status, answer.code, answer.closes) == (408, "request_timeout", True)
        assert talk.rest() == b""
    assert 0.7 < seconds_since(start) < 5


@pytest.mark.parametrize("framing", [SIZED, CHUNKED], ids=["length", "chunks"])
def test_a_slow_body_is_told_and_no_backend_is_asked(
    gateway: Gateway, vendor: Vendor, framing: bytes
) -> None:
    before = len(vendor.journal)
    with Talk(gateway) as talk:
        talk.send(ask(framing, b"3e\r\n{" if framing is CHUNKED else BODY[:-1]))
        answer = talk.answer()
        assert (answer.status, answer.code, answer.closes) == (408, "request_timeout", True)
        assert talk.rest() == b""
    assert len(vendor.journal) == before


def test_a_body_that_dribbles_is_as_slow_as_one_that_stops(gateway: Gateway) -> None:
    with Talk(gateway) as talk:
        talk.send(ask(SIZED))
        talk.sock.settimeout(0.05)
        for byte in BODY[:-1]:
            talk.send(bytes([byte]))
            try:
                assert talk.answer().status == 408
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("the gateway waited for every byte")


def test_slow_clients_do_not_slow_the_others(gateway: Gateway) -> None:
    talks = [Talk(gateway) for _ in range(150)]
    try:
        for talk in talks:
            talk.send(b"POST /v1/chat/comp")
        for _ in range(10):
            start = time.monotonic()
            assert gateway.post("/v1/chat/completions", json.loads(BODY))[0] == 200
            assert seconds_since(start) < 2
        assert {talk.answer().status for talk in talks} == {408}
    finally:
        for talk in talks:
            talk.sock.close()


@pytest.mark.parametrize("sent", [b"", b"\r\n", chat("hello")], ids=["new", "a line", "kept"])
def test_an_idle_connection_is_closed_without_a_word(gateway: Gateway, sent: bytes) -> None:
    with Talk(gateway) as talk:
        talk.send(sent)
        if len(sent) > 2:
            assert talk.answer().status == 200
        assert talk.rest() == b""


# ---- leaving


@pytest.mark.parametrize("how", ["half_close", "close", "reset"])
def test_a_request_that_is_cut_off_asks_no_backend(
    gateway: Gateway, vendor: Vendor, how: str
) -> None:
    before = len(vendor.journal)
    with Talk(gateway) as talk:
        talk.send(chat("cut off")[:-3])
        time.sleep(0.05)
        if how == "half_close":
            talk.half_close()
            assert talk.rest() == b""
        else:
            (talk.reset if how == "reset" else talk.sock.close)()
    assert gateway.post("/v1/chat/completions", json.loads(BODY))[0] == 200
    assert len(vendor.journal) == before + 1


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(("what", "stream"), [("stall", False), ("stall", True), ("cut", True)])
def test_a_client_that_leaves_frees_the_backend_at_once(
    gateway: Gateway, vendor: Vendor, what: str, stream: bool, how: str
) -> None:
    before = len(said(vendor, what))
    counted = len(_cancelled(gateway))
    with Talk(gateway) as talk:
        talk.send(chat(what, stream=stream))
        if what == "cut":
            talk.until(b" there")
        until(lambda: len(said(vendor, what)) > before, 20, "the backend was not asked")
        left_at = time.monotonic()
        (talk.reset if how == "reset" else talk.sock.close)()
        received = said(vendor, what)[-1]
        assert received.over.wait(5)
    assert received.left_at is not None
    assert received.left_at - left_at < LEFT_S
    until(lambda: len(_cancelled(gateway)) == counted + 1, 20, "no line for it")


def _cancelled(gateway: Gateway) -> list[dict[str, object]]:
    facts = {"outcome": "cancelled", "code": "client_closed_request"}
    return [line for line in gateway.lines("exchange") if facts.items() <= line.items()]


@pytest.mark.parametrize("what", ["hello", "late", "stream", "slow stream"])
def test_a_client_that_half_closes_is_answered(gateway: Gateway, what: str) -> None:
    stream = "stream" in what
    with Talk(gateway) as talk:
        talk.send(chat(what, stream=stream))
        talk.half_close()
        answer = talk.answer()
        assert (answer.status, answer.ended) == (200, True)
        if stream:
            assert answer.body.endswith(DONE)
        assert talk.rest() == b""


# ---- not reading


def test_a_client_that_does_not_read_is_held_back_and_then_cut_off(
    gateway: Gateway, vendor: Vendor
) -> None:
    before, rss_bytes = len(said(vendor, "flood")), gateway.rss_bytes()
    talks = [Talk(gateway) for _ in range(8)]
    try:
        for talk in talks:
            talk.send(chat("flood", stream=True))
        until(lambda: len(said(vendor, "flood")) == before + 8, 20, "not all have begun")
        while not all(request.over.is_set() for request in said(vendor, "flood")):
            assert gateway.rss_bytes() - rss_bytes < 24 << 20
            time.sleep(0.1)
        assert all(request.left_at is not None for request in said(vendor, "flood"))
    finally:
        for talk in talks:
            talk.sock.close()
    line = gateway.until_line("exchange", code="request_timeout", stream=True)
    assert line["outcome"] == "error"


def test_a_client_that_asks_on_without_reading_piles_nothing_up(
    gateway: Gateway, vendor: Vendor
) -> None:
    """The second flood begins when the first has been read, which is never."""
    before = len(said(vendor, "flood"))
    with Talk(gateway) as talk:
        talk.send(chat("flood", stream=True) * 20)
        until(lambda: len(said(vendor, "flood")) > before, 20, "the backend was not asked")
        assert said(vendor, "flood")[-1].over.wait(10)
        assert len(said(vendor, "flood")) == before + 1


# ---- a lot at once


def test_ten_requests_at_once_are_answered_in_order_errors_among_them(gateway: Gateway) -> None:
    asked = [chat(f"number {number}") for number in range(10)]
    asked[3] = sized(b"no JSON")
    asked[5] = ask(line=b"GET /nowhere HTTP/1.1")
    asked[7] = chat("stream", stream=True)
    with Talk(gateway) as talk:
        talk.send(b"".join(asked))
        answers = [talk.answer() for _ in range(10)]
    statuses = [answer.status for answer in answers]
    assert statuses == [200, 200, 200, 400, 200, 404, 200, 200, 200, 200]
    for number in (0, 1, 2, 4, 6, 8, 9):
        assert f"number {number}".encode() in answers[number].body
    assert answers[7].body.endswith(DONE)


def test_a_refusal_behind_an_answer_under_way_comes_behind_it(gateway: Gateway) -> None:
    with Talk(gateway) as talk:
        talk.send(chat("slow stream", stream=True) + b"garbage\r\n\r\n")
        first, second = talk.answer(), talk.answer()
        assert first.body.endswith(DONE)
        assert (second.status, second.closes) == (405, True)
        assert talk.rest() == b""


def test_twenty_thousand_chunks_of_one_byte_are_cheap(gateway: Gateway) -> None:
    body = BODY + b" " * (20_000 - len(BODY))
    data = ask(CHUNKED, b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
    before = cpu_s(gateway)
    with Talk(gateway) as talk:
        talk.send(data)
        assert talk.answer().status == 200
    assert cpu_s(gateway) - before < 1


def test_ten_declared_gigabytes_are_refused_at_once(gateway: Gateway) -> None:
    start, rss_bytes = time.monotonic(), gateway.rss_bytes()
    with Talk(gateway) as talk:
        talk.send(ask(b"content-length: 10000000000\r\n"))
        assert talk.answer().status == 413
    assert seconds_since(start) < 1
    assert gateway.rss_bytes() - rss_bytes < 8 << 20


def test_a_large_document_costs_little_to_refuse(gateway: Gateway) -> None:
    deep = b"[" * 1_500_000 + b"]" * 1_500_000
    digits = b"1" * 3_000_000
    for content in (deep, digits, b'"' + b"\\u0041" * 500_000 + b"\\ud800" + b'"'):
        document = BODY.replace(b'"hostile"', content)
        before = cpu_s(gateway)
        with Talk(gateway) as talk:
            talk.send(sized(document))
            assert talk.answer().status == 400
        assert cpu_s(gateway) - before < 0.5


def test_declared_bodies_cost_nothing_before_they_come(gateway: Gateway) -> None:
    rss_bytes = gateway.rss_bytes()
    talks = [Talk(gateway) for _ in range(200)]
    try:
        for talk in talks:
            talk.send(ask(b"content-length: %d\r\n" % HURRIED["max_body_bytes"], b"{"))
        time.sleep(0.2)
        assert gateway.rss_bytes() - rss_bytes < 16 << 20
    finally:
        for talk in talks:
            talk.sock.close()


def test_beyond_the_cap_a_connection_is_told_and_the_others_are_served(vendor: Vendor) -> None:
    with Gateway(config_for(vendor.url), "--set", "server.max_connections=5") as gateway:
        talks = [Talk(gateway) for _ in range(5)]
        try:
            for talk in talks:
                talk.send(chat("hello"))
                assert talk.answer().status == 200
            with Talk(gateway) as sixth:
                answer = sixth.answer()
                assert (answer.status, answer.code) == (503, "overloaded")
                assert (answer.headers["retry-after"], answer.closes) == ("1", True)
                assert sixth.rest() == b""
            talks[0].send(chat("hello"))
            assert talks[0].answer().status == 200
        finally:
            for talk in talks:
                talk.sock.close()
        until(lambda: _served(gateway), 20, "no place became free")


def _served(gateway: Gateway) -> bool:
    with Talk(gateway) as talk:
        talk.send(chat("hello"))
        return talk.answer().status == 200


# ---- the ways of HTTP


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/v1/models", "/v1/models/m", "/v1/models/x"]
)
def test_head_is_get_without_its_body(gateway: Gateway, path: str) -> None:
    with Talk(gateway) as talk:
        talk.send(ask(line=b"GET %b HTTP/1.1" % path.encode()))
        got = talk.answer()
        talk.send(ask(line=b"HEAD %b HTTP/1.1" % path.encode()))
        head = talk.answer("HEAD")
        assert (head.status, head.body) == (got.status, b"")
        assert head.headers["content-length"] == str(len(got.body))
        talk.send(chat("hello"))
        assert talk.answer().status == 200


def test_a_body_is_asked_for_and_then_read(gateway: Gateway) -> None:
    with Talk(gateway) as talk:
        talk.send(ask(b"expect: 100-continue\r\n" + SIZED))
        assert talk.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        talk.send(BODY)
        assert talk.answer().status == 200


def test_a_wrong_key_is_told_before_the_body_is_asked_for(gateway: Gateway) -> None:
    with Talk(gateway) as talk:
        talk.send(ask(b"expect: 100-continue\r\n" + SIZED, auth=b""))
        assert talk.until(b"\r\n\r\n").startswith(b"HTTP/1.1 401 ")
        talk.answer()
        assert talk.rest() == b""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_http_1_0_is_answered_in_its_own_way(gateway: Gateway, stream: bool, keep: bool) -> None:
    headers = b"connection: keep-alive\r\n" if keep else b""
    with Talk(gateway) as talk:
        what = "stream" if stream else "hello"
        talk.send(chat(what, stream=stream, version="1.0", headers=headers))
        if keep and not stream:
            assert talk.answer().headers["connection"] == "keep-alive"
            talk.send(chat("hello", version="1.0"))
        data = talk.rest()
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in data
    assert b"transfer-encoding" not in data
    assert data.endswith(DONE if stream else b"}")


def test_trailers_change_nothing(gateway: Gateway, vendor: Vendor) -> None:
    trailers = b"authorization: Bearer no\r\nhost: elsewhere\r\nx-request-id: forged\r\n"
    with Talk(gateway) as talk:
        talk.send(ask(CHUNKED, b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(BODY), BODY, trailers)))
        assert talk.answer().status == 200
    received = vendor.journal[-1]
    assert received.header("authorization") == "Bearer sk-upstream-secret"
    assert "forged" not in str(received.headers)
    assert KEY not in str(received.headers) + received.body.decode()


def test_a_key_may_come_in_either_header(gateway: Gateway) -> None:
    for lines in (AUTH, b"x-api-key: %b\r\n" % KEY.encode(), AUTH.replace(b"Bearer", b"bearer")):
        with Talk(gateway) as talk:
            talk.send(sized(BODY, auth=lines))
            assert talk.answer().status == 200
