"""A campaign of hostile requests against one gateway: each is told what is wrong, none gets by.

hostile.py has the rows. Behind the gateway stands a vendor that would answer anything; its journal
has to stay empty.
"""

import random
from collections.abc import Iterator

import pytest

from tests.harness import KEY, Gateway, config_for, until
from tests.http_answers import Answer
from tests.journeys.hostile import AUTH, LIMITED, MAX_BODY, ROWS, Row, ask, sized
from tests.journeys.talking import Talk
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Send, Vendor, response

MODELS = ask(line=b"GET /v1/models HTTP/1.1")


class Campaign:
    """One gateway for all rows, and the number of answers it has given."""

    def __init__(self, gateway: Gateway, vendor: Vendor) -> None:
        self.gateway = gateway
        self.vendor = vendor
        self.answers = 0
        self.rss_bytes = gateway.rss_bytes()

    def play(self, row: Row) -> Answer:
        with Talk(self.gateway) as talk:
            talk.send(row.data)
            answer = talk.answer()
            self.answers += 1
            if row.closes:
                assert answer.closes
                assert talk.rest() == b""
            else:
                assert not answer.closes
                talk.send(MODELS)
                assert talk.answer().status == 200
                self.answers += 1
            return answer


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    key = f"""
  - {{name: limited, tenant: testers, key: "{LIMITED}", models: [m]}}
"""
    with Vendor([Send(response(200, chat_body()))]) as vendor:
        config = config_for(vendor.url, models="  n: up/other-model")
        config = config.replace("\nbackends:", key + "backends:")
        limits = ("--set", f"server.max_body_bytes={MAX_BODY}")
        with Gateway(config, *limits) as gateway:
            yield Campaign(gateway, vendor)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_is_told_what_is_wrong_and_nothing_reaches_the_backend(
    campaign: Campaign, row: Row
) -> None:
    before = len(campaign.vendor.journal)
    answer = campaign.play(row)
    assert (answer.status, answer.code) == (row.status, row.code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert dict(row.headers).items() <= answer.headers.items()
    assert len(answer.body) < 1000
    assert KEY.encode() not in answer.body
    assert len(campaign.vendor.journal) == before


def test_all_wrong_keys_are_told_the_same_and_leave_no_trace(campaign: Campaign) -> None:
    dice = random.Random(1)
    alphabet = [chr(code) for code in (*range(0x21, 0x7F), *range(0xA0, 0x100))]
    keys = ["".join(dice.choices(alphabet, k=dice.randint(12, 60))) for _ in range(10_000)]
    bodies = set()
    for start in range(0, len(keys), 20):  # pipelined
        asked = [
            MODELS.replace(AUTH, b"authorization: Bearer %b\r\n" % key.encode("latin-1"))
            for key in keys[start : start + 20]
        ]
        with Talk(campaign.gateway) as talk:
            talk.send(b"".join(asked))
            answers = [talk.answer() for _ in asked]
        campaign.answers += len(answers)
        assert {answer.status for answer in answers} == {401}
        bodies |= {answer.body for answer in answers}
    assert len(bodies) == 1
    told = campaign.gateway.log_file.read_text() + _metrics(campaign.gateway)
    assert [key for key in keys if key in told or key.encode() in next(iter(bodies))] == []


def test_after_the_campaign_the_gateway_is_as_it_was(campaign: Campaign) -> None:
    gateway = campaign.gateway
    status, _ = gateway.get("/v1/models")
    assert status == 200
    campaign.answers += 1
    until(lambda: len(gateway.lines("exchange")) >= campaign.answers, 20, "too few log lines")
    assert {line["event"] for line in gateway.lines()} == {"ready", "exchange"}
    assert len(gateway.lines("exchange")) == campaign.answers
    assert gateway.metric("gateway_requests_total") == campaign.answers
    assert gateway.metric("gateway_open_exchanges") == 0
    assert gateway.rss_bytes() - campaign.rss_bytes < 40 << 20
    told = gateway.log_file.read_text() + _metrics(gateway)
    for secret in (KEY, LIMITED, "sk-upstream-secret", "hostile", "smuggled", "passwd"):
        assert secret not in told
    assert campaign.vendor.journal == []


def test_a_good_request_still_gets_through(campaign: Campaign) -> None:
    with Talk(campaign.gateway) as talk:
        talk.send(sized(b'{"model":"m","messages":[{"role":"user","content":"good"}]}'))
        assert talk.answer().status == 200
    (received,) = campaign.vendor.journal
    assert b"good" in received.body
    assert received.header("authorization") == "Bearer sk-upstream-secret"
    assert AUTH.decode().split()[-1] not in str(received.headers)


def _metrics(gateway: Gateway) -> str:
    return gateway.get("/metrics", admin=True)[1].decode()
