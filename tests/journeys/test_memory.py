"""Answers remembered and shared: one call for what is asked alike, and never a wrong answer."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pytest

from tests.harness import Gateway, until

KEYS = ("sk-first-0123456789abcdef", "sk-second-0123456789abcdef", "sk-plain-0123456789abcdef")
CLIENT = httpx2.Client(timeout=30, limits=httpx2.Limits(max_connections=60))
TOKEN = "admin-0123456789abcdef"
CONFIG = f"""
keys:
  - {{name: first, tenant: one, key: "{KEYS[0]}"}}
  - {{name: second, tenant: two, key: "{KEYS[1]}"}}
  - {{name: plain, tenant: one, key: "{KEYS[2]}", cache: false}}
backends:
  sim: {{provider: simulated, first_content_s: 0.2, tokens_per_second: 1000}}
  slow: {{provider: simulated, first_content_s: 2.0, tokens_per_second: 200}}
  bad: {{provider: simulated, fail_ratio: 1.0, fail_status: 500}}
models:
  m: sim/lorem
  few: {{targets: [{{use: sim/lorem}}], limits: {{requests_per_minute: 3}}}}
  quick: {{targets: [{{use: sim/lorem}}], cache: {{enabled: true, usage: zero}}}}
  seeded: {{targets: [{{use: sim/lorem}}], cache: {{enabled: true, seed: true, verify: 1.0}}}}
  slow: slow/lorem
  failing: bad/lorem
  off: {{targets: [{{use: sim/lorem}}], cache: {{enabled: false}}}}
  forced: {{targets: [{{use: sim/lorem}}], force: {{temperature: 0, seed: 7}}}}
cache: {{enabled: true}}
"""
ASKED: dict[str, Any] = {
    "model": "m",
    "temperature": 0,
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "What is remembered?"}],
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway(CONFIG) as running:
        yield running


def ask(
    gateway: Gateway, key: str = KEYS[0], *, headers: dict[str, str] | None = None, **more: Any
) -> httpx2.Response:
    return CLIENT.post(
        f"{gateway.base_url}/chat/completions",
        json={**ASKED, **more},
        headers={"authorization": f"Bearer {key}", "x-request-id": LABEL[0], **(headers or {})},
    )


def text(response: httpx2.Response) -> str:
    """What was said, streamed or whole."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        return str(response.json()["choices"][0]["message"]["content"])
    assert response.text.endswith("data: [DONE]\n\n")
    events = [
        json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: {")
    ]
    return "".join(
        choice["delta"].get("content") or "" for event in events for choice in event["choices"]
    )


LABEL = ["nobody"]  # what every request bears now


class Told:
    """The exchanges that are asked from here on, as the log tells them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        LABEL[0] = self._label = f"label-{id(self)}-{time.monotonic_ns()}"

    def lines(self, count: int) -> list[dict[str, Any]]:
        """Once there are so many, which are all."""
        until(lambda: len(self._found()) >= count, 20, "not all are told")
        assert len(self._found()) == count
        return self._found()

    def _found(self) -> list[dict[str, Any]]:
        lines = self._gateway.lines("exchange")
        return [line for line in lines if line.get("client_id") == self._label]

    def attempts(self, count: int) -> int:
        """How often they have asked a backend."""
        return sum(line.get("attempts", 0) for line in self.lines(count))


def test_fifty_who_ask_alike_at_once_cost_one_call(gateway: Gateway) -> None:
    exchanges = Told(gateway)
    question = [{"role": "user", "content": "fifty at once"}]
    with ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(
                lambda number: ask(gateway, messages=question, stream=number % 2 == 0), range(50)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({text(answer) for answer in answers}) == 1
    assert exchanges.attempts(50) == 1
    told = [answer.headers["x-gateway-cache"] for answer in answers]
    assert told.count("miss") == 1
    assert set(told) <= {"miss", "shared", "hit"}


def test_whole_and_streamed_share_one_entry(gateway: Gateway) -> None:
    question = [{"role": "user", "content": "whole, then streamed"}]
    first = ask(gateway, messages=question)
    assert first.headers["x-gateway-cache"] == "miss"
    exchanges = Told(gateway)
    for more in ({}, {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}):
        again = ask(gateway, messages=question, user="somebody else", **more)
        assert again.headers["x-gateway-cache"] == "hit"
        assert int(again.headers["age"]) >= 0
        assert again.headers["x-gateway-model"] == "sim/lorem"
        assert text(again) == text(first)
    assert exchanges.attempts(3) == 0
    assert first.json()["usage"] == ask(gateway, messages=question).json()["usage"]


def test_hits_sent_ahead_are_answered_in_their_order(gateway: Gateway) -> None:
    requests = []
    for number in range(40):
        stream = number % 2 == 1
        question = [{"role": "user", "content": f"ahead {number % 4}"}]
        body = json.dumps({**ASKED, "messages": question, "stream": stream}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
            f"authorization: Bearer {KEYS[0]}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    for _ in range(3):  # so that each is remembered, and then told again without another look
        with gateway.connect() as client:
            client.sendall(b"".join(requests))
            came = b""
            while came.count(b"HTTP/1.1 200 OK") < 40 or not came.endswith(b"0\r\n\r\n"):
                came += client.recv(1 << 16)
    answers = came.split(b"HTTP/1.1 200 OK")[1:]
    assert all(b"x-gateway-cache: hit" in answer for answer in answers)
    streamed = [b"text/event-stream" in answer for answer in answers]
    assert streamed == [number % 2 == 1 for number in range(40)]
    assert len({a.partition(b"x-request-id")[2][:40] for a in answers}) == 40


def test_a_hit_counts_against_the_limit_of_requests(gateway: Gateway) -> None:
    told = [ask(gateway, model="few") for _ in range(5)]
    assert [answer.status_code for answer in told] == [200, 200, 200, 429, 429]


def test_the_real_client_reads_a_replayed_stream(gateway: Gateway) -> None:
    with openai.OpenAI(base_url=gateway.base_url, api_key=KEYS[0]) as client:
        texts = []
        for _ in range(2):
            with client.chat.completions.create(
                **{**ASKED, "messages": [{"role": "user", "content": "stream"}]}, stream=True
            ) as stream:
                chunks = list(stream)
            texts.append("".join(c.choices[0].delta.content or "" for c in chunks if c.choices))
            assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert texts[0] == texts[1] != ""


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"temperature": 1}, "not_deterministic"),
        ({"n": 2}, "several_choices"),
        ({"brand_new_field": 1}, "unknown_field"),
        ({"model": "off"}, None),
    ],
)
def test_what_may_differ_is_asked_each_time(
    gateway: Gateway, more: dict[str, Any], why: str | None
) -> None:
    exchanges = Told(gateway)
    for _ in range(2):
        answer = ask(gateway, **more)
        assert answer.status_code == 200
        assert answer.headers.get("x-gateway-cache-reason") == why
        assert answer.headers.get("x-gateway-cache") == (why and "bypass")
    assert exchanges.attempts(2) == 2


def test_tenants_never_see_each_other_s_answers(gateway: Gateway) -> None:
    question = [{"role": "user", "content": "whose is it?"}]
    keys = (KEYS[0], KEYS[1], KEYS[0], KEYS[1])
    results = [ask(gateway, key, messages=question) for key in keys]
    assert [result.headers["x-gateway-cache"] for result in results] == [
        "miss",
        "miss",
        "hit",
        "hit",
    ]


def test_a_key_and_a_client_may_do_without(gateway: Gateway) -> None:
    question = [{"role": "user", "content": "fresh, please"}]
    ask(gateway, messages=question)
    plain = ask(gateway, KEYS[2], messages=question)
    assert plain.headers["x-gateway-cache-reason"] == "key"
    for control, told in (("no-store", "bypass"), ("no-cache", "miss"), ("max-age=600", "hit")):
        again = ask(gateway, messages=question, headers={"cache-control": control})
        assert again.headers["x-gateway-cache"] == told


def test_no_caller_can_switch_it_on(gateway: Gateway) -> None:
    asking = {"cache-control": "max-age=3600", "x-gateway-cache": "hit"}
    for key, model, told in ((KEYS[0], "off", None), (KEYS[2], "m", "bypass")):
        for _ in range(2):
            answer = ask(gateway, key, headers=asking, model=model)
            assert answer.headers.get("x-gateway-cache") == told
            assert "age" not in answer.headers


def test_what_a_route_forces_is_remembered_whatever_the_client_asks(gateway: Gateway) -> None:
    told = [ask(gateway, model="forced", temperature=t, seed=t).headers for t in (1, 2)]
    assert [headers["x-gateway-cache"] for headers in told] == ["miss", "hit"]


def test_a_failure_is_shared_as_what_it_is_and_never_kept(gateway: Gateway) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(gateway, model="failing"), range(4)))
    assert {answer.status_code for answer in answers} == {502}
    assert {answer.json()["error"]["code"] for answer in answers} == {"upstream_error"}
    assert ask(gateway, model="failing").status_code == 502


def test_a_hit_may_say_that_it_took_nothing(gateway: Gateway) -> None:
    first, again = ask(gateway, model="quick"), ask(gateway, model="quick")
    assert again.json()["usage"]["total_tokens"] == 0
    assert again.json()["original_usage"]["total_tokens"] == first.json()["usage"]["total_tokens"]


def test_a_seed_counts_where_the_route_says_so_and_hits_are_verified(gateway: Gateway) -> None:
    more: dict[str, Any] = {"model": "seeded", "temperature": 1, "seed": 7}
    assert ask(gateway, **more).headers["x-gateway-cache"] == "miss"
    assert ask(gateway, **more).headers["x-gateway-cache"] == "hit"
    until(
        lambda: gateway.metric("gateway_cache_verifications_total", result="same") == 1,
        10,
        "not verified",
    )


@contextmanager
def waiting(gateway: Gateway, question: object) -> Iterator[None]:
    """A client that asks and leaves at the end of the block."""
    body = json.dumps({**ASKED, "model": "slow", "messages": question, "stream": True}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
        f"authorization: Bearer {KEYS[0]}\r\nx-request-id: {LABEL[0]}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with gateway.connect() as client:
        client.sendall(head.encode() + body)
        until(lambda: gateway.metric("gateway_backend_inflight") == 1, 20, "not asked")
        yield


def test_the_first_one_s_leaving_ends_nothing_for_the_others(gateway: Gateway) -> None:
    question = [{"role": "user", "content": "who leaves?"}]
    exchanges = Told(gateway)
    with ThreadPoolExecutor(1) as pool:
        with waiting(gateway, question):
            follower = pool.submit(ask, gateway, model="slow", messages=question, stream=True)
            time.sleep(0.5)  # it has its seat by then
        answer = follower.result()
    assert answer.headers["x-gateway-cache"] in ("shared", "miss")  # miss: it pays for it now
    assert text(answer)
    assert text(ask(gateway, model="slow", messages=question)) == text(answer)
    told = exchanges.lines(3)
    assert sorted(line.get("attempts", 0) for line in told) == [0, 0, 1]  # who is left pays


def test_when_all_have_left_the_call_ends(gateway: Gateway) -> None:
    question = [{"role": "user", "content": "all leave"}]
    with waiting(gateway, question):
        pass
    until(lambda: gateway.metric("gateway_backend_inflight") == 0, 20, "still in flight")
    asked = ask(gateway, model="slow", messages=question)
    assert asked.headers["x-gateway-cache"] == "miss"


def test_one_answer_is_forgotten_by_the_key_that_its_header_says() -> None:
    with Gateway(CONFIG + f"admin: {{token: {TOKEN}}}\n") as gateway:
        questions = [[{"role": "user", "content": said}] for said in ("keep", "forget", "forget")]
        keys = [
            ask(gateway, messages=question).headers["x-gateway-cache-key"] for question in questions
        ]
        assert keys[0] != keys[1] == keys[2]
        until(lambda: len(gateway.lines("exchange")) == 3, 20, "not told")
        assert [line["cache_key"] for line in gateway.lines("exchange")] == keys
        purged = httpx2.delete(
            f"{gateway.admin}/admin/cache?entry={keys[1]}",
            headers={"authorization": f"Bearer {TOKEN}"},
        )
        assert purged.json() == {"purged": 1}
        told = [ask(gateway, messages=question).headers for question in questions]
        assert [head["x-gateway-cache"] for head in told] == ["hit", "miss", "hit"]


def test_workers_share_what_they_remember_and_the_keeper_may_have_it_forgotten() -> None:
    with Gateway(CONFIG + f"admin: {{token: {TOKEN}}}\nserver: {{workers: 2}}\n") as gateway:
        exchanges = Told(gateway)
        question = [{"role": "user", "content": "on whichever worker"}]
        told = [ask(gateway, messages=question).headers["x-gateway-cache"] for _ in range(12)]
        assert told == ["miss", *["hit"] * 11]
        with ThreadPoolExecutor(16) as pool:
            question = [{"role": "user", "content": "at once, on both"}]
            answers = list(pool.map(lambda _: ask(gateway, messages=question), range(16)))
        assert len({text(answer) for answer in answers}) == 1
        results = [answer.headers["x-gateway-cache"] for answer in answers]
        assert exchanges.attempts(28) == 2, results
        purged = httpx2.delete(
            f"{gateway.admin}/admin/cache?tenant=one", headers={"authorization": f"Bearer {TOKEN}"}
        )
        assert purged.json() == {"purged": 2}
