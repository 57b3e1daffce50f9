"""Who shares an answer with whom: the key, as it is of what a backend is asked."""

import json
import math
from typing import Any

import msgspec
import pytest

from gateway.chat.operation import Operation
from gateway.config.load import parse
from gateway.dialects.base import Losses
from gateway.exchange.ask import Ask
from gateway.exchange.caller import Caller
from gateway.exchange.sought import Sought, merged
from gateway.policy.access import ANONYMOUS, virtual_key
from gateway.runtime.languages import CLIENTS
from gateway.wire.http import RequestHead
from tests.unit.runtime.running import Running, running
from tests.vendors.looped import looped

CONFIG = """
backends:
  chatting: {provider: openai_compatible, base_url: "http://127.0.0.1:1/v1", operations: [chat]}
  openai: {provider: openai_compatible, base_url: "http://127.0.0.1:1/v1"}
  claude: {provider: anthropic, credential: k}
  google: {provider: gemini, credential: k}
  picky: {provider: cerebras, credential: k}
models:
  chatting: chatting/x
  openai: openai/x
  claude: claude/claude-opus-4-1
  google: google/gemini-2.5-pro
  several: {targets: [{use: claude/claude-opus-4-1}, {use: openai/x}]}
  forced:
    targets: [{use: chatting/x}]
    force: {temperature: 0, seed: 7}
    fallbacks: {any: [openai]}
  dropping: {targets: [{use: google/gemini-2.5-pro}], untranslatable: drop}
  picky: {targets: [{use: picky/x}], untranslatable: drop}
"""
CHAT, MESSAGES, GENERATE = Operation.CHAT, Operation.MESSAGES, Operation.GENERATE
RESPONSES, COMPLETION = Operation.RESPONSES, Operation.COMPLETION
# One question in each client's words, as its SDK writes it.
SAID: dict[Operation, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "temperature": 0},
    MESSAGES: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "temperature": 0},
    GENERATE: {
        "contents": [{"parts": [{"text": "hi"}], "role": "user"}],
        "generationConfig": {"temperature": 0.0, "maxOutputTokens": 9},
    },
    RESPONSES: {"input": "hi", "max_output_tokens": 9, "temperature": 0, "store": False},
    COMPLETION: {"prompt": "hi", "max_tokens": 9, "temperature": 0},
}
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {"a": {}, "b": {}}}}


def sought(
    house: Running, operation: Operation, model: str, passed: bytes = b"", /, **more: object
) -> Sought:
    snapshot, client = house.runtime.snapshot, CLIENTS[operation]
    head, fields = client.read_head(
        json.dumps({"model": model, **SAID[operation], **more}).encode()
    )
    route = snapshot.route(model)
    assert route is not None
    ask = Ask(operation, client, head, fields, route, passed)
    caller = Caller(
        snapshot, ANONYMOUS, None, math.inf, passed, RequestHead(b"POST", b"/", b"", {}, 0)
    )
    return Sought(ask, caller, merged(ask.read(Losses(drop=True)), route))


def digest(one: Sought) -> bytes:
    return one.digest(one.ask.route.targets[0])


@pytest.fixture
def house() -> Running:
    with running() as house:
        providers = house.runtime.providers
        house.runtime.swap(parse(CONFIG, path="c", env={}, known_providers=tuple(providers)))
    return house


@pytest.mark.parametrize(
    ("model", "sharing"),
    [
        ("chatting", {CHAT, MESSAGES, GENERATE, RESPONSES, COMPLETION}),
        ("claude", {CHAT, MESSAGES, GENERATE, RESPONSES, COMPLETION}),
        ("google", {CHAT, MESSAGES, GENERATE, RESPONSES, COMPLETION}),
        ("openai", {CHAT, MESSAGES, GENERATE}),  # the others have doors of their own there
    ],
)
def test_one_question_has_one_entry_whatever_language_it_is_asked_in(
    house: Running, model: str, sharing: set[Operation]
) -> None:
    found = {operation: digest(sought(house, operation, model)) for operation in SAID}
    assert len({found[operation] for operation in sharing}) == 1
    assert len(set(found.values())) == 1 + len(SAID.keys() - sharing)


# What a backend is told in its own language, and OpenAI's could not have said.
@pytest.mark.parametrize(
    ("operation", "model", "one", "other"),
    [
        (MESSAGES, "claude", *({"output_config": {"effort": e}} for e in ("max", "xhigh"))),
        (MESSAGES, "claude", {}, {"messages": [{"role": "user", "content": [
            {"type": "text", "text": "hi", "citations": [{"type": "char_location"}]}]}]}),
        (GENERATE, "google", {}, {"safetySettings": [
            {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}]}),
        (GENERATE, "google", *({"generationConfig": {"temperature": 0, "responseMimeType":
            "application/json", "responseSchema": {"type": "OBJECT", "propertyOrdering": order}}}
            for order in (["a", "b"], ["b", "a"]))),
        (GENERATE, "google", *({"generationConfig": {"temperature": 0, "mediaResolution":
            f"MEDIA_RESOLUTION_{kind}"}} for kind in ("MEDIUM", "UNSPECIFIED"))),
        (RESPONSES, "openai", {}, {"max_tool_calls": 1}),
    ],
)  # fmt: skip
def test_what_a_backend_can_tell_apart_is_not_the_same(
    house: Running,
    operation: Operation,
    model: str,
    one: dict[str, object],
    other: dict[str, object],
) -> None:
    assert digest(sought(house, operation, model, **one)) != digest(
        sought(house, operation, model, **other)
    )


def test_a_schema_s_order_is_the_model_s_order(house: Running) -> None:
    turned = {**TOOL, "input_schema": {"type": "object", "properties": {"b": {}, "a": {}}}}
    for model in ("claude", "openai", "google"):
        found = [digest(sought(house, MESSAGES, model, tools=[t])) for t in (TOOL, turned)]
        assert found[0] != found[1]
        spelled = dict(reversed(TOOL.items()))
        assert digest(sought(house, MESSAGES, model, tools=[spelled])) == found[0]


def test_a_vendor_s_preview_counts_where_it_is_passed_on(house: Running) -> None:
    plain, trace = b"", b"traceparent: 00-x\r\n"
    beta = b"anthropic-beta: context-1m\r\n"
    found = {head: digest(sought(house, MESSAGES, "claude", head)) for head in (plain, trace, beta)}
    assert found[plain] == found[trace] != found[beta]
    assert digest(sought(house, CHAT, "claude", beta)) == found[plain]  # it never gets there


def test_what_a_route_adds_and_forces_is_of_the_key(house: Running) -> None:
    own = sought(house, CHAT, "forced", temperature=1)
    assert digest(own) == digest(sought(house, CHAT, "forced", seed=8))
    fallback = house.runtime.snapshot.routes["openai"]
    other = own.on(fallback)
    assert other.asked["temperature"] == 1  # nothing is forced there
    assert other.digest(fallback.targets[0]) == digest(sought(house, CHAT, "openai", temperature=1))
    assert b"/openai/" in other.place(b"")
    assert own.on(own.ask.route) is own


def test_what_cannot_be_told_is_not_what_was_not_said(house: Running) -> None:
    for model in ("google", "claude", "dropping"):
        biased = sought(house, CHAT, model, logit_bias={"1": 2})
        assert digest(biased) != digest(sought(house, CHAT, model))
        assert digest(biased) != digest(sought(house, CHAT, model, logit_bias={"1": 3})) or (
            model == "dropping"  # and is told so
        )
    assert biased.dropped == ["logit_bias"]
    picky = sought(house, CHAT, "picky", logit_bias={"1": 2})
    digest(picky)
    assert picky.dropped == ["logit_bias"]


def test_who_shares_a_call_shares_it_at_every_target(house: Running) -> None:
    def together(operation: Operation, model: str, **more: object) -> bytes:
        one = sought(house, operation, model, **more)
        return one.together(digest(one))

    alone = sought(house, CHAT, "claude")
    assert alone.together(digest(alone)) == digest(alone)
    # Anthropic's model does not hear how an image is to be seen; OpenAI's does.
    seen = [
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": u, "detail": d}}]}]
        for u, d in (("http://x/y", "low"), ("http://x/y", "high"))
    ]
    ones = [sought(house, CHAT, "several", messages=one) for one in seen]
    assert digest(ones[0]) == digest(ones[1])
    assert ones[0].together(digest(ones[0])) != ones[1].together(digest(ones[1]))
    assert together(CHAT, "several") == together(MESSAGES, "several")
    assert together(CHAT, "forced", stream=True) == together(CHAT, "forced")
    assert together(CHAT, "forced") != together(MESSAGES, "forced")


def test_a_call_that_may_go_on_to_other_models_is_shared_by_whom_they_are_allowed(
    house: Running,
) -> None:
    def together(model: str, *models: str) -> bytes:
        one = sought(house, CHAT, model)
        one.caller = msgspec.structs.replace(one.caller, key=virtual_key("k", "t", models))
        return one.together(digest(one))

    assert together("forced", "*") == together("forced", "*")
    assert together("forced", "forced") != together("forced", "forced", "openai")
    assert together("chatting", "chatting") == together("chatting", "chatting", "openai")


@looped
async def test_what_can_be_purged_together_is_kept_together(house: Running) -> None:
    one = sought(house, CHAT, "several")
    assert one.place(b"d" * 32).decode() == f"cache/tenant%20anonymous/several/{(b'd' * 32).hex()}"
    first, second = one.ask.route.targets
    assert one.digest(first) != one.digest(second)
    assert one.owner == b"tenant anonymous"
