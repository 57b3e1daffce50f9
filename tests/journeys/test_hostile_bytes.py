"""Bytes that nobody thought of, through the port: no fault, no hang, nothing hidden gets by."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness import Gateway, config_for
from tests.http_answers import answers
from tests.journeys.hostile import BODY, SMUGGLED
from tests.journeys.spoilt import spoilt
from tests.journeys.talking import Talk
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Send, Vendor, response

THROUGH_THE_PORT = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with Vendor([Send(response(200, chat_body()))]) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def gateway(vendor: Vendor) -> Iterator[Gateway]:
    """At the end it is as it was, and has nothing to say of itself."""
    with Gateway(config_for(vendor.url)) as gateway:
        rss_bytes = gateway.rss_bytes()
        yield gateway
        assert gateway.get("/v1/models")[0] == 200
        assert gateway.rss_bytes() - rss_bytes < 32 << 20
        assert gateway.metric("gateway_open_exchanges") == 0
        assert {line["event"] for line in gateway.lines()} <= {"ready", "exchange"}


def _told(gateway: Gateway, pieces: list[bytes]) -> bytes:
    """All that comes back, until the gateway hangs up; a wait of ten seconds fails the test."""
    with Talk(gateway) as talk:
        for data in pieces:
            talk.send(data)
        talk.half_close()
        return talk.rest()


@THROUGH_THE_PORT
@given(spoilt(), st.integers(0, 400))
def test_what_is_spoilt_is_answered_or_refused(
    gateway: Gateway, vendor: Vendor, data: bytes, cut: int
) -> None:
    before = len(vendor.journal)
    final = [a for a in answers(_told(gateway, [data[:cut], data[cut:]])) if a.status >= 200]
    assert all(answer.status == 200 or answer.code for answer in final)
    assert {answer.status for answer in final} <= {200, *range(400, 432), 505}
    served = [answer for answer in final if b"chat.completion" in answer.body]
    asked = vendor.journal[before:]
    assert len(asked) == len(served)
    for request in asked:
        assert request.path == "/v1/chat/completions"
        assert request.body.count(b'"model"') == 1
    # A refusal that closes is the last word: what stands behind it was not read as a request.
    assert not any(answer.closes for answer in final[:-1])


@THROUGH_THE_PORT
@given(st.binary(max_size=600))
def test_garbage_is_refused_and_asks_nobody(gateway: Gateway, vendor: Vendor, data: bytes) -> None:
    before = len(vendor.journal)
    for answer in answers(_told(gateway, [data])):
        assert answer.code is not None
    assert len(vendor.journal) == before


@THROUGH_THE_PORT
@given(st.binary(max_size=200))
def test_garbage_for_a_body_is_refused_and_asks_nobody(
    gateway: Gateway, vendor: Vendor, data: bytes
) -> None:
    before = len(vendor.journal)
    asked = SMUGGLED.partition(b"content-length")[0]
    sized = asked + b"content-length: %d\r\n\r\n%b" % (len(data), data)
    chunked = asked + b"transfer-encoding: chunked\r\n\r\n" + data
    for sent in (sized, chunked):
        for answer in answers(_told(gateway, [sent])):
            assert answer.status < 200 or answer.code is not None
    assert len(vendor.journal) == before


@pytest.mark.parametrize("size", range(0, len(SMUGGLED), 7))
def test_a_request_cut_off_anywhere_asks_nobody(
    gateway: Gateway, vendor: Vendor, size: int
) -> None:
    before = len(vendor.journal)
    assert _told(gateway, [SMUGGLED[:size]]) == b""
    assert len(vendor.journal) == before


def test_a_request_in_single_bytes_is_a_request_like_any_other(
    gateway: Gateway, vendor: Vendor
) -> None:
    before = len(vendor.journal)
    with Talk(gateway) as talk:
        talk.sock.setsockopt(6, 1, 1)  # IPPROTO_TCP, TCP_NODELAY: a packet each
        for byte in SMUGGLED:
            talk.send(bytes([byte]))
        assert talk.answer().status == 200
    (received,) = vendor.journal[before:]
    assert received.body == BODY.replace(b"hostile", b"smuggled").replace(b'"m"', b'"real-model"')
