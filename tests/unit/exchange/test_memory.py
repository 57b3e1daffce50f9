"""That a value that is odd is no answer, and what is kept. The rest: tests/journeys."""

import asyncio
import json
import math
import time

import pytest

from gateway.chat.document import Document
from gateway.chat.operation import Operation
from gateway.exchange.caller import Caller
from gateway.exchange.pipeline import Gateway
from gateway.policy.access import ANONYMOUS
from gateway.policy.caching import Entry, agreement, compared, keepable, pack, unpack
from gateway.stores.memory import MemoryStore
from gateway.wire.http import RequestHead
from tests.unit.config.reading import read
from tests.unit.exchange.serving import CONFIG as SERVED
from tests.unit.exchange.serving import Client, Serving, serving, until
from tests.unit.runtime.running import running
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body, chat_chunk, chat_events, event, usage
from tests.vendors.scripted import Script, Send, Stall, Wait, chunk, response, stream_head, streamed

DIGEST, OTHER = b"d" * 32, b"e" * 32
ANSWER = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}


PACED = """
backends: {sim: {provider: simulated, first_content_s: 0, tokens_per_second: 100000, tokens: 40}}
models:
  m:
    targets: [{use: sim/lorem}]
    cache: {enabled: true, replay_tokens_per_s: 1}
    timeouts: {total_s: 1}
"""


@looped
async def test_a_replay_ends_with_the_deadline_and_is_whole() -> None:
    with running() as house:
        house.runtime.swap(read(PACED))
        gateway, told = Gateway(house.runtime), []
        asked = {"model": "m", "stream": True, "temperature": 0, "max_tokens": 40}
        body = json.dumps({**asked, "messages": [{"role": "user", "content": "slowly"}]}).encode()
        head = RequestHead(b"POST", b"/v1/chat/completions", b"", {}, 0)
        caller = Caller(house.runtime.snapshot, ANONYMOUS, None, math.inf, b"", head)
        for _ in range(2):
            client = Client()
            began = time.monotonic()
            await gateway.exchange(caller, Operation.CHAT, body, client.outlet())
            told.append((client.headers["x-gateway-cache"], time.monotonic() - began))
            assert client.body.endswith(b"data: [DONE]\n\n")
        (first, _), (again, took_s) = told
        assert (first, again) == ("miss", "hit")
        assert 0.9 < took_s < 5  # at a token a second it would be 40


def test_a_value_that_is_not_of_this_key_is_a_miss() -> None:
    raw = pack(DIGEST, Entry(ANSWER, 1.0, "a/b"))
    assert unpack(DIGEST, raw) == Entry(ANSWER, 1.0, "a/b")
    flipped = raw.replace(b'"x"', b'"y"')  # JSON still
    assert flipped != raw
    for odd in (b"", raw[:-1], raw[1:], b"9" + raw[1:], raw[:40], pack(OTHER, Entry({}, 0, ""))):
        assert unpack(DIGEST, odd) is None
    assert unpack(DIGEST, flipped) is None


def test_only_what_is_complete_and_unfiltered_is_kept() -> None:
    assert keepable(ANSWER)
    assert keepable({"data": []})
    for reason in ("content_filter", None, "error"):
        assert not keepable({"choices": [{"finish_reason": reason}]})
    assert not keepable({"choices": []})
    assert not keepable({})
    used = {**ANSWER, "usage": {"completion_tokens": 9}}
    assert keepable(used, 9)
    assert not keepable(used, 8)


def test_answers_are_compared_without_what_is_another_each_time() -> None:
    assert compared({**ANSWER, "id": "a"}, {**ANSWER, "id": "b", "created": 9}) == "same"
    finish = [{**ANSWER["choices"][0], "finish_reason": "length"}]
    assert compared(ANSWER, {"choices": finish}) == "text"
    assert compared(ANSWER, {"choices": [{"message": {"content": "y"}}]}) == "different"


def calling(arguments: str, id: str) -> Document:
    call = {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}
    message = {"content": None, "tool_calls": [call]}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


def test_calls_are_the_same_without_their_ids_and_differ_by_what_they_say() -> None:
    assert compared(calling("{}", "a"), calling("{}", "b")) == "same"
    assert compared(calling("{}", "a"), calling("[]", "a")) == "different"


def saying(text: str) -> Document:
    return {"choices": [{"index": 0, "message": {"content": text}}]}


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [("abcd", "abcd", 1), ("abcd", "abXX", 0.5), ("abcd", "ab", 0.5), ("abcd", "Xbcd", 0)],
)
def test_how_far_an_answer_is_from_the_same(before: str, after: str, share: float) -> None:
    assert agreement(saying(before), saying(after)) == share
    assert agreement(saying(after), saying(before)) == share
    assert agreement({"data": []}, {"data": []}) == 0


@looped
async def test_who_leaves_a_call_as_the_last_one_pays_for_what_had_come() -> None:
    words = [event(chat_chunk({"content": word})) for word in ("two", "words")]
    cut: Script = [Send(stream_head()), Send(chunk(b"".join(words))), Stall()]
    async with serving(cut, config=CONFIG) as on:
        client, gateway = Client(), Gateway(on.house.runtime, lambda: 0.0)
        body = json.dumps({**ASKED, "stream": True}).encode()
        going = gateway.exchange(on.caller(), Operation.CHAT, body, client.outlet())
        task = asyncio.ensure_future(going)
        await until(lambda: b"words" in client.sent)
        task.cancel()
        await asyncio.wait([task])
        (line,) = on.house.written.lines("exchange")
        assert (line["outcome"], line["attempts"], line["output_tokens"]) == ("cancelled", 1, 2)
        assert on.house.number("gateway_upstream_attempts_total", "bad", "complete") == 0
        assert on.in_flight == [0, 0]


@looped
async def test_who_shares_an_answer_has_it_whatever_becomes_of_the_backend() -> None:
    script: Script = [Wait(0.1), Send(response(200, chat_body()))]
    async with serving(script, config=CONFIG) as on:
        gateway, clients = Gateway(on.house.runtime, lambda: 0.0), (Client(), Client())
        going = [
            asyncio.ensure_future(
                gateway.exchange(on.caller(), Operation.CHAT, BODY, client.outlet())
            )
            for client in clients
        ]
        await until(lambda: on.bad.journal)
        (target,) = on.route().targets
        target.health.hold(time.monotonic(), 60)
        await asyncio.gather(*going)
        assert [client.headers["x-gateway-cache"] for client in clients] == ["miss", "shared"]
        told = [line["outcome"] for line in on.house.written.lines("exchange")]
        assert told == ["complete", "complete"]


HI = [{"role": "user", "content": "hi"}]
SAID = {"model": "m", "messages": HI, "max_tokens": 50, "temperature": 0}
IN_WORDS: dict[Operation, dict[str, object]] = {
    Operation.MESSAGES: SAID,
    Operation.CHAT: SAID,
    Operation.GENERATE: {
        "model": "m",
        "contents": [{"parts": [{"text": "hi"}]}],
        "generationConfig": {"temperature": 0, "maxOutputTokens": 50},
    },
}


@pytest.mark.parametrize("first", IN_WORDS)
@looped
async def test_who_boards_before_anything_has_come_reads_it_in_his_own_words(
    first: Operation,
) -> None:
    events = chat_events(["Hello", " there"], used=usage(2, 3))
    script: Script = [Wait(0.05), Send(streamed(*events))]
    config = CONFIG.replace("max_in_flight: 1", "operations: [chat]")
    async with serving(script, config=config) as on:
        gateway, clients = Gateway(on.house.runtime, lambda: 0.0), []
        going = []
        for operation in (first, *IN_WORDS):
            body = json.dumps({**IN_WORDS[operation], "stream": True}).encode()
            clients.append(Client())
            road = gateway.exchange(on.caller(), operation, body, clients[-1].outlet())
            going.append(asyncio.ensure_future(road))
            await asyncio.sleep(0)
        await asyncio.gather(*going)
        assert len(on.bad.journal) == 1
        for client in clients:
            assert b"Hello" in client.body
            assert b"there" in client.body
            assert b"error" not in client.body


# ---- where several processes remember in the same place


class Meanwhile(MemoryStore):
    """Another process has put its answer there just before this one is told that it may begin."""

    async def hold(self, key: bytes, holder: bytes, ttl_s: float) -> bool:
        digest = bytes.fromhex(key.decode().rpartition("/")[2])
        found = {**json.loads(chat_body("theirs")), "object": "chat.completion"}
        await self.put(key, pack(digest, Entry(found, self.made_at, "bad/real-model")), 60)
        return await super().hold(key, holder, ttl_s)

    made_at = time.time()


CONFIG = SERVED + "cache: {{enabled: true}}\n"
ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
BODY = json.dumps(ASKED).encode()


async def asked(on: Serving, **headers: bytes) -> Client:
    client, caller = Client(), on.caller()
    caller.head.headers.update({name.replace("_", "-").encode(): v for name, v in headers.items()})
    gateway = Gateway(on.house.runtime, lambda: 0.0)
    await gateway.exchange(caller, Operation.CHAT, BODY, client.outlet())
    return client


@looped
async def test_what_has_come_just_before_one_s_turn_is_not_asked_again() -> None:
    async with serving([Send(response(200, chat_body("ours")))], config=CONFIG) as on:
        on.house.runtime.shares, on.house.runtime.values = True, Meanwhile()
        client = await asked(on)
        assert b"theirs" in client.body
        assert client.headers["x-gateway-cache"] == "shared"
        assert on.bad.journal == []
        assert on.house.number("gateway_cache_requests_total", "m", "shared") == 1
        assert on.house.number("gateway_cache_requests_total", "m", "miss") == 0
        assert on.house.number("gateway_cache_saved_tokens_total", "m", "output") == 3


@looped
async def test_what_was_too_old_is_not_what_has_come() -> None:
    async with serving([Send(response(200, chat_body("ours")))], config=CONFIG) as on:
        store = Meanwhile()
        store.made_at = 1.0
        on.house.runtime.shares, on.house.runtime.values = True, store
        client = await asked(on)
        assert b"theirs" in client.body  # it was there before, and is no older than is wanted
        client = await asked(on, cache_control=b"max-age=60")
        assert b"ours" in client.body
        assert client.headers["x-gateway-cache"] == "miss"


@looped
async def test_a_call_that_may_be_shared_takes_from_its_backends_limits() -> None:
    config = CONFIG.replace(
        "max_in_flight: 1}}",
        "max_in_flight: 1, limits: {{tokens_per_day: 1000, concurrent: 1}}}}",
    )
    used = chat_body("ours", used={"prompt_tokens": 700, "completion_tokens": 200})
    async with serving([Send(response(200, used))], config=config) as on:
        store = on.house.runtime.memory
        assert (await asked(on)).status == 200
        await until(lambda: store.in_use("backend/bad/concurrent") == 0)
        assert 899 < store.in_use("backend/bad/tokens_per_day") <= 900
        assert (await asked(on)).status == 200  # a hit takes nothing
        refused = await asked(on, cache_control=b"no-cache")
        assert refused.status == 429
        assert json.loads(refused.body)["error"]["code"] == "backend_limit"
        assert len(on.bad.journal) == 1
        assert store.in_use("backend/bad/tokens_per_day") <= 900


class Near(MemoryStore):
    """It has kept what somebody remembered a while ago, and for longer than that was to last."""

    async def get(self, key: bytes) -> bytes | None:
        digest = bytes.fromhex(key.decode().rpartition("/")[2])
        return pack(digest, Entry(json.loads(chat_body("old")), time.time() - 10, "bad/real-model"))


@pytest.mark.parametrize(("ttl_s", "told"), [(60, b"old"), (5, b"ours")])
@looped
async def test_what_is_kept_near_is_no_answer_for_longer_than_it_was_to_last(
    ttl_s: float, told: bytes
) -> None:
    config = SERVED + "cache: {{enabled: true, ttl_s: {ttl_s}}}\n"
    ours = [Send(response(200, chat_body("ours")))]
    async with serving(ours, config=config, ttl_s=ttl_s) as on:
        on.house.runtime.values = Near()
        client = await asked(on)
        assert told in client.body


class Faulty(MemoryStore):
    async def hold(self, key: bytes, holder: bytes, ttl_s: float) -> bool:
        raise RuntimeError("a fault of ours, near a secret")


@looped
async def test_a_fault_of_ours_in_a_shared_call_is_told_by_its_place() -> None:
    async with serving([Send(response(200, chat_body()))], config=CONFIG) as on:
        on.house.runtime.shares, on.house.runtime.values = True, Faulty()
        client = await asked(on)
        assert client.status == 500
        (line,) = on.house.written.lines("exchange_failed")
        assert line["error"] == "RuntimeError"
        assert "secret" not in str(line)
