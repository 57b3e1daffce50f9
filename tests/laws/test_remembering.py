"""A remembered answer is given to none but those who asked the same, as the same tenant."""

import json
import math
from collections.abc import Iterator
from inspect import get_annotations
from typing import Any

import pytest
from anthropic.types import message_create_params as anthropic_params
from anthropic.types.beta import message_create_params as anthropic_beta_params
from google.genai import types as google_types
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import response_create_params

from gateway.chat.operation import Operation
from gateway.config.load import parse
from gateway.errors import GatewayError
from gateway.exchange.ask import Ask
from gateway.exchange.caller import Caller
from gateway.exchange.sought import Sought, remembered
from gateway.policy.access import VirtualKey, virtual_key
from gateway.runtime.languages import CLIENTS
from gateway.runtime.snapshot import Snapshot
from gateway.wire.http import RequestHead
from tests.unit.runtime.running import running

CHAT, MESSAGES, GENERATE = Operation.CHAT, Operation.MESSAGES, Operation.GENERATE
RESPONSES, COMPLETION = Operation.RESPONSES, Operation.COMPLETION
EMBEDDINGS = Operation.EMBEDDINGS
CONFIG = """
backends:
  openai: {provider: openai, credential: k}
  claude: {provider: anthropic, credential: k}
  google: {provider: gemini, credential: k}
models: {openai: openai/x, claude: claude/claude-opus-4-1, google: google/gemini-2.5-pro}
cache: {enabled: true}
"""
USER = [{"role": "user", "content": "hi"}]
SAID: dict[Operation, dict[str, Any]] = {
    CHAT: {"messages": USER, "temperature": 0},
    MESSAGES: {"messages": USER, "max_tokens": 9, "temperature": 0},
    GENERATE: {
        "contents": [{"parts": [{"text": "hi"}]}],
        "generationConfig": {"temperature": 0},
    },
    RESPONSES: {"input": "hi", "temperature": 0},
    COMPLETION: {"prompt": "hi", "temperature": 0},
    EMBEDDINGS: {"input": "hi"},
}
OWN = {MESSAGES: "claude", GENERATE: "google"}  # whose backend speaks the client's language


@pytest.fixture(scope="module")
def snapshot() -> Iterator[Snapshot]:
    with running() as house:
        known = tuple(house.runtime.providers)
        yield house.runtime.swap(parse(CONFIG, path="c", env={}, known_providers=known))


def key_of(tenant: str) -> VirtualKey:
    return virtual_key("k", tenant, ("*",))


def looked_for(
    snapshot: Snapshot, operation: Operation, said: dict[str, Any], tenant: str = "t"
) -> tuple[Sought | None, str]:
    client, model = CLIENTS[operation], OWN.get(operation, "openai")
    head, fields = client.read_head(json.dumps({"model": model, **said}).encode())
    ask = Ask(operation, client, head, fields, snapshot.routes[model], b"")
    request = RequestHead(b"POST", b"/", b"", {}, 0)
    return remembered(ask, Caller(snapshot, key_of(tenant), None, math.inf, b"", request))


def digest(snapshot: Snapshot, operation: Operation, said: dict[str, Any], tenant: str) -> bytes:
    sought, why = looked_for(snapshot, operation, said, tenant)
    assert sought is not None, why
    return sought.digest(sought.ask.route.targets[0])


# ---- every field of every vendor's SDK

KEY, SILENT = "key", "silent"  # part of the key, or of no matter; else why it is a bypass
UNKNOWN, LIVING, SEVERAL = "unknown_field", "living", "several_choices"
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
TOOL = {"type": "function", "function": {"name": "f"}}

# Each field with a value, and what it makes of a request. A field that is new in an SDK is missing
# here: put it where it belongs, in gateway/policy/caching.py if it is to be remembered.
CHAT_FIELDS: dict[str, tuple[object, str]] = {
    "audio": ({"voice": "v", "format": "wav"}, KEY),
    "frequency_penalty": (1, KEY),
    "function_call": ("none", UNKNOWN),
    "functions": ([{"name": "f"}], UNKNOWN),
    "logit_bias": ({"1": 1}, KEY),
    "logprobs": (True, KEY),
    "max_completion_tokens": (9, KEY),
    "max_tokens": (9, KEY),
    "messages": ([{"role": "user", "content": "ho"}], KEY),
    "metadata": ({"a": "b"}, SILENT),
    "modalities": (["text", "audio"], KEY),
    "model": ("openai", SILENT),
    "moderation": ({"type": "x"}, LIVING),
    "n": (2, SEVERAL),
    "parallel_tool_calls": (False, KEY),
    "prediction": ({"type": "content", "content": "x"}, KEY),
    "presence_penalty": (1, KEY),
    "prompt_cache_key": ("x", SILENT),
    "prompt_cache_options": ({"a": 1}, SILENT),
    "prompt_cache_retention": ("24h", SILENT),
    "reasoning_effort": ("low", KEY),
    "response_format": (SCHEMA, KEY),
    "safety_identifier": ("x", SILENT),
    "seed": (7, KEY),
    "service_tier": ("flex", KEY),
    "stop": (["x"], KEY),
    "store": (True, LIVING),
    "stream_options": ({"include_usage": True}, SILENT),
    "temperature": (1, "not_deterministic"),
    "tool_choice": ("required", KEY),
    "tools": ([TOOL], KEY),
    "top_logprobs": (2, KEY),
    "top_p": (0.5, KEY),
    "user": ("u", SILENT),
    "verbosity": ("low", KEY),
    "web_search_options": ({}, LIVING),
}
COMPLETION_FIELDS: dict[str, tuple[object, str]] = {
    "best_of": (3, UNKNOWN),
    "echo": (True, UNKNOWN),
    "prompt": ("ho", KEY),
    "suffix": ("x", UNKNOWN),
    **{name: CHAT_FIELDS[name] for name in (
        "frequency_penalty", "logit_bias", "max_tokens", "model", "n", "presence_penalty", "seed",
        "stop", "stream_options", "temperature", "top_p", "user")},
    "logprobs": (2, KEY),
}  # fmt: skip
EMBEDDINGS_FIELDS: dict[str, tuple[object, str]] = {
    "dimensions": (9, KEY),
    "encoding_format": ("base64", KEY),
    "input": ("ho", KEY),
    "model": ("openai", SILENT),
    "user": ("u", SILENT),
}
RESPONSES_FIELDS: dict[str, tuple[object, str]] = {
    "access_programs": (["x"], UNKNOWN),
    "background": (True, UNKNOWN),
    "background_options": ({"a": 1}, UNKNOWN),
    "context_management": ([{"type": "compaction"}], UNKNOWN),
    "conversation": ("c", UNKNOWN),
    "image": ({"a": 1}, UNKNOWN),
    "include": (["reasoning.encrypted_content"], KEY),
    "input": ("ho", KEY),
    "instructions": ("x", KEY),
    "max_output_tokens": (9, KEY),
    "max_tool_calls": (1, KEY),
    "parallel_tool_calls": (False, KEY),
    "previous_response_id": ("r", UNKNOWN),
    "prompt": ({"id": "p"}, UNKNOWN),
    "reasoning": ({"effort": "low"}, KEY),
    "store": (True, UNKNOWN),
    "text": ({"verbosity": "low"}, KEY),
    "tools": ([{"type": "function", "name": "f", "parameters": {}, "strict": True}], KEY),
    "truncation": ("auto", UNKNOWN),
    **{name: CHAT_FIELDS[name] for name in (
        "metadata", "model", "moderation", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention", "safety_identifier", "service_tier", "temperature",
        "tool_choice", "top_logprobs", "top_p", "user")},
    "stream_options": ({"include_obfuscation": True}, SILENT),
}  # fmt: skip
MESSAGES_FIELDS: dict[str, tuple[object, str]] = {
    "betas": (None, SILENT),  # the SDK makes a header of it, which is of the key
    "billing_policy": ({"a": 1}, UNKNOWN),
    "cache_control": ({"type": "ephemeral"}, KEY),
    "compaction": ({"a": 1}, UNKNOWN),
    "container": ("c", UNKNOWN),
    "context_management": ({"edits": [{"type": "x"}]}, UNKNOWN),
    "diagnostics": ({"a": 1}, KEY),
    "fallback_credit_token": ("x", UNKNOWN),
    "fallbacks": ([{"model": "x"}], UNKNOWN),
    "inference_geo": ("us", UNKNOWN),
    "max_tokens": (10, KEY),
    "mcp_servers": ([{"type": "url", "url": "u", "name": "n"}], UNKNOWN),
    "messages": ([{"role": "user", "content": "ho"}], KEY),
    "metadata": ({"user_id": "u"}, SILENT),
    "model": ("claude", SILENT),
    "output_config": ({"effort": "low"}, KEY),
    "output_format": ({"type": "json_schema", "schema": {}}, KEY),
    "service_tier": ("standard_only", KEY),
    "speed": ("fast", UNKNOWN),
    "stop_sequences": (["x"], KEY),
    "system": ("x", KEY),
    "thinking": ({"type": "disabled"}, KEY),
    "thread": ({"a": 1}, UNKNOWN),
    "tool_choice": ({"type": "any"}, KEY),
    "tools": ([{"name": "f", "input_schema": {"type": "object"}}], KEY),
    "user_profile_id": ("x", KEY),
    "workspace_id": ("x", UNKNOWN),
}
# Of the request's top, and of its generationConfig.
GENERATE_FIELDS: dict[str, tuple[object, str]] = {
    "cachedContent": ("c", UNKNOWN),
    "labels": ({"a": "b"}, SILENT),
    "safetySettings": ([{"category": "c", "threshold": "OFF"}], KEY),
    "serviceTier": ("flex", UNKNOWN),
    "store": (True, UNKNOWN),
    "systemInstruction": ({"parts": [{"text": "x"}]}, KEY),
    "toolConfig": ({"functionCallingConfig": {"mode": "ANY"}}, KEY),
    "tools": ([{"functionDeclarations": [{"name": "f"}]}], KEY),
}
CONFIG_FIELDS: dict[str, tuple[object, str]] = {
    "audioTimestamp": (True, UNKNOWN),
    "audioTranscriptionConfig": ({"a": 1}, UNKNOWN),
    "candidateCount": (2, SEVERAL),
    "enableAffectiveDialog": (True, UNKNOWN),
    "enableEnhancedCivicAnswers": (True, UNKNOWN),
    "frequencyPenalty": (1, KEY),
    "imageConfig": ({"a": 1}, UNKNOWN),
    "logprobs": (2, KEY),
    "maxOutputTokens": (9, KEY),
    "mediaResolution": ("MEDIA_RESOLUTION_MEDIUM", KEY),
    "modelSelectionConfig": ({"a": 1}, UNKNOWN),
    "presencePenalty": (1, KEY),
    "responseFormat": ({"a": 1}, UNKNOWN),
    "responseJsonSchema": ({"type": "object"}, KEY),
    "responseLogprobs": (True, KEY),
    "responseMimeType": ("application/json", KEY),
    "responseModalities": (["AUDIO"], UNKNOWN),
    "responseSchema": ({"type": "OBJECT"}, KEY),
    "routingConfig": ({"a": 1}, UNKNOWN),
    "seed": (7, KEY),
    "speechConfig": ({"a": 1}, UNKNOWN),
    "stopSequences": (["x"], KEY),
    "temperature": (1, "not_deterministic"),
    "thinkingConfig": ({"thinkingBudget": 0}, KEY),
    "topK": (3, KEY),
    "topP": (0.5, KEY),
    "translationConfig": ({"a": 1}, UNKNOWN),
}
# Of the SDK itself, or of Google's cloud and never sent to a model as they are called here.
GOOGLES_OWN = {
    "automaticContinuation", "automaticFunctionCalling", "continuationToken",
    "generationOutputConfig", "httpOptions", "modelArmorConfig", "shouldReturnHttpResponse",
}  # fmt: skip


def fields_of(*params: type) -> set[str]:
    """As the SDKs declare them, what they inherit included."""
    return {name for one in params for name in get_annotations(one)}


@pytest.mark.parametrize(
    ("params", "table"),
    [
        ([chat_params.CompletionCreateParamsBase], CHAT_FIELDS),
        ([completion_create_params.CompletionCreateParamsBase], COMPLETION_FIELDS),
        ([embedding_create_params.EmbeddingCreateParams], EMBEDDINGS_FIELDS),
        ([response_create_params.ResponseCreateParamsBase], RESPONSES_FIELDS),
        (
            [
                anthropic_params.MessageCreateParamsBase,
                anthropic_beta_params.MessageCreateParamsBase,
            ],
            MESSAGES_FIELDS,
        ),
    ],
    ids=["chat", "completion", "embeddings", "responses", "messages"],
)
def test_every_field_of_a_vendor_s_sdk_is_classified(
    params: list[type], table: dict[str, tuple[object, str]]
) -> None:
    assert fields_of(*params) - table.keys() == set()


def test_every_field_of_google_s_sdk_is_classified() -> None:
    def camel(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(part.capitalize() for part in rest)

    options = {camel(name) for name in google_types.GenerateContentConfig.model_fields}
    wire = {camel(name) for name in google_types.GenerationConfig.model_fields}
    assert options - GENERATE_FIELDS.keys() - CONFIG_FIELDS.keys() - GOOGLES_OWN == set()
    assert wire - CONFIG_FIELDS.keys() == set()


CASES = [
    (operation, name, value, told)
    for operation, table in (
        (CHAT, CHAT_FIELDS),
        (COMPLETION, COMPLETION_FIELDS),
        (EMBEDDINGS, EMBEDDINGS_FIELDS),
        (RESPONSES, RESPONSES_FIELDS),
        (MESSAGES, MESSAGES_FIELDS),
        (GENERATE, GENERATE_FIELDS),
    )
    for name, (value, told) in table.items()
] + [
    (GENERATE, "generationConfig", {"temperature": 0, name: value}, told)
    for name, (value, told) in CONFIG_FIELDS.items()
]


@pytest.mark.parametrize(("operation", "name", "value", "told"), CASES)
def test_a_field_is_what_it_is_said_to_be(
    snapshot: Snapshot, operation: Operation, name: str, value: object, told: str
) -> None:
    said = {**SAID[operation], name: value}
    sought, why = looked_for(snapshot, operation, said)
    if sought is not None:
        same = sought.digest(sought.ask.route.targets[0]) == digest(
            snapshot, operation, SAID[operation], "t"
        )
        why = SILENT if same else KEY
    assert why == told


@pytest.mark.parametrize("operation", [CHAT, RESPONSES, MESSAGES, GENERATE, COMPLETION])
def test_what_nobody_has_classified_is_not_remembered(
    snapshot: Snapshot, operation: Operation
) -> None:
    assert looked_for(snapshot, operation, {**SAID[operation], "brand_new": 1}) == (None, UNKNOWN)


# ---- any two requests

CONTENTS = st.text(max_size=2)
TELLING = {
    CHAT: st.fixed_dictionaries(
        {"content": CONTENTS},
        optional={"seed": st.integers(0, 2), "top_p": st.sampled_from([0.5, 1]), "n": st.just(1),
                  "stop": st.lists(CONTENTS, min_size=1, max_size=2),
                  "max_tokens": st.integers(1, 3)},
    ),
    MESSAGES: st.fixed_dictionaries(
        {"content": CONTENTS},
        optional={"top_k": st.integers(1, 2), "system": CONTENTS,
                  "stop_sequences": st.lists(CONTENTS, min_size=1, max_size=2)},
    ),
    RESPONSES: st.fixed_dictionaries(
        {"content": CONTENTS},
        optional={"instructions": CONTENTS, "max_output_tokens": st.integers(1, 3)},
    ),
    GENERATE: st.fixed_dictionaries(
        {"content": CONTENTS},
        optional={"systemInstruction": CONTENTS.map(lambda text: {"parts": [{"text": text}]})},
    ),
}  # fmt: skip
QUIET: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"stream": st.booleans()}
)
USERS = st.sampled_from([{}, {"user": "a"}, {"user": "b", "metadata": {"c": "d"}}])


def _request(operation: Operation, content: str, **more: Any) -> dict[str, Any]:
    if operation is RESPONSES:
        return {"temperature": 0, "input": content, **more}
    if operation is GENERATE:
        contents = [{"role": "user", "parts": [{"text": content}]}]
        return {"contents": contents, "generationConfig": {"temperature": 0}, **more}
    said = {"temperature": 0, "messages": [{"role": "user", "content": content}], **more}
    return {"max_tokens": 9, **said} if operation is MESSAGES else said


@pytest.mark.parametrize("operation", TELLING)
def test_two_share_an_answer_if_and_only_if_tenant_and_question_are_the_same(
    snapshot: Snapshot, operation: Operation
) -> None:
    asked = st.tuples(st.sampled_from(["a", "b", "a "]), TELLING[operation])

    @settings(max_examples=60)
    @given(asked, asked, QUIET, st.randoms())
    def holds(one: Any, other: Any, quiet: dict[str, Any], dice: Any) -> None:
        (tenant, said), (another, told) = one, other
        first = digest(snapshot, operation, _request(operation, **said), tenant)
        second = digest(snapshot, operation, _request(operation, **told), another)
        assert (first == second) == (one == other or _alike(operation, one, other))
        spelled = list({**_request(operation, **said), **quiet}.items())
        dice.shuffle(spelled)
        assert digest(snapshot, operation, dict(spelled), tenant) == first

    holds()


def _alike(operation: Operation, one: Any, other: Any) -> bool:
    """n: 1 is what holds anyway."""
    (tenant, said), (another, told) = one, other
    if operation is not CHAT:
        return False
    return tenant == another and {**said, "n": 1} == {**told, "n": 1}


# ---- every leaf of a request that says a lot

RICH: dict[Operation, dict[str, Any]] = {
    CHAT: {
        "temperature": 0, "seed": 3, "max_tokens": 9, "stop": ["x"], "user": "u",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "http://x/y.png", "detail": "low"}},
            ]},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "4"},
        ],
        "tools": [{"type": "function", "function": {
            "name": "f", "description": "d", "strict": True,
            "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "n", "schema": {"type": "object", "required": ["a", "b"]}}},
        "logit_bias": {"17": 2},
    },
    MESSAGES: {
        "temperature": 0, "max_tokens": 99, "stop_sequences": ["x"], "metadata": {"user_id": "u"},
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "enabled", "budget_tokens": 50},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"a": 1}}},
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image", "source": {
                    "type": "base64", "media_type": "image/png", "data": "aGk="}},
                {"type": "document", "title": "t", "source": {
                    "type": "text", "media_type": "text/plain", "data": "hi"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": "b"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "4", "is_error": True}]},
        ],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    },
    GENERATE: {
        "labels": {"a": "b"},
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": "look"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
                {"fileData": {"mimeType": "image/png", "fileUri": "http://x/y.png"}}]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "c1", "name": "f", "args": {"a_b": "c"}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "4"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": {
            "type": "OBJECT", "propertyOrdering": ["a"]}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        "generationConfig": {
            "temperature": 0, "seed": 3, "stopSequences": ["x"], "topP": 0.5,
            "responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"},
            "thinkingConfig": {"thinkingBudget": 9, "includeThoughts": True},
        },
    },
    RESPONSES: {
        "temperature": 0, "instructions": "be brief", "max_output_tokens": 9, "user": "u",
        "store": False, "include": ["reasoning.encrypted_content"],
        "input": [
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": "http://x/y.png", "detail": "low"}]},
            {"type": "reasoning", "id": "r1", "summary": [], "encrypted_content": "e"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "4"},
        ],
        "tools": [{"type": "function", "name": "f", "strict": True, "parameters": {"a": 1}}],
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"verbosity": "low", "format": {
            "type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    },
}  # fmt: skip
SILENT_LEAVES = {"user", "metadata.user_id", "labels.a"}


def leaves(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*at, name))
    elif isinstance(value, list):
        for nth, inner in enumerate(value):
            yield from leaves(inner, (*at, nth))
    else:
        yield at


def changed(document: Any, at: tuple[str | int, ...]) -> Any:
    """With another value at one leaf."""
    if not at:
        match document:
            case bool():
                return not document
            case str():
                return document + "a"
            case None:
                return "said"
            case number:
                return number + 1
    copy: Any = document.copy()
    copy[at[0]] = changed(document[at[0]], at[1:])
    return copy


@pytest.mark.parametrize("operation", RICH)
def test_whatever_is_changed_in_a_request_it_is_another(
    snapshot: Snapshot, operation: Operation
) -> None:
    said = RICH[operation]
    own, told = digest(snapshot, operation, said, "t"), set()
    for at in leaves(said):
        try:
            sought, _ = looked_for(snapshot, operation, changed(said, at))
        except GatewayError:
            continue  # it is no request any more
        if sought is not None and sought.digest(sought.ask.route.targets[0]) == own:
            told.add(".".join(map(str, at)))
    assert told <= SILENT_LEAVES
