"""What is the same request in other spelling, by language; and what only looks like it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chat.document import Document
from gateway.dialects.canonical import canonical
from gateway.wire import json

HI = [{"role": "user", "content": "hi"}]
TEXT = [{"type": "text", "text": "hi"}]
SCHEMA = {"type": "object", "properties": {"b": {}, "a": {}}}


def chat(**more: Any) -> Document:
    return {"messages": HI, **more}


def google(**config: Any) -> Document:
    return {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": config}


def openai_tool(schema: Document) -> Document:
    return {"type": "function", "function": {"name": "f", "parameters": schema}}


RESULT = {"type": "tool_result", "tool_use_id": "t"}
SAME: list[tuple[str, Document, Document]] = [
    ("openai_chat", chat(max_tokens=9), chat(max_completion_tokens=9)),
    ("openai_chat", chat(stop="x"), chat(stop=["x"])),
    ("openai_chat", chat(), chat(n=1, logprobs=False, seed=None)),
    ("openai_chat", chat(), {"messages": [{"role": "user", "content": TEXT, "name": None}]}),
    (
        "openai_chat",
        chat(tools=[openai_tool(SCHEMA)]),
        chat(tools=[openai_tool(SCHEMA)], tool_choice="auto"),
    ),
    (
        "openai_chat",
        chat(tools=[openai_tool(SCHEMA)]),
        chat(tools=[{**openai_tool({}), "function": {
            "strict": False, "parameters": SCHEMA, "description": None, "name": "f"}}]),
    ),
    ("openai_completion", {"prompt": "hi"}, {"prompt": ["hi"], "echo": False, "best_of": 1}),
    ("openai_embeddings", {"input": "hi"}, {"input": ["hi"], "encoding_format": "float"}),
    ("openai_responses", {"input": "hi"}, {"input": [{"type": "message", **HI[0]}]}),
    (
        "openai_responses",
        {"input": HI},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
    ),
    ("anthropic", chat(system="hi"), chat(system=TEXT, service_tier="auto")),
    ("anthropic", chat(), {"messages": [{"role": "user", "content": TEXT}]}),
    (
        "anthropic",
        {"messages": [{"role": "user", "content": [{**RESULT, "content": "hi"}]}]},
        {"messages": [{"role": "user", "content": [{**RESULT, "content": TEXT}]}]},
    ),
    (
        "anthropic",
        chat(tools=[{"name": "f"}]),
        chat(tools=[{"type": "custom", "name": "f"}], tool_choice={"type": "auto"}),
    ),
    ("gemini", google(temperature=0), google(temperature=0.0, candidateCount=1, topK=None)),
    ("gemini", google(topK=1), {"contents": [{"parts": [{"text": "hi"}]}],
                                "generation_config": {"top_k": 1}, "labels": {"a": "b"}}),
    (
        "gemini",
        {**google(), "systemInstruction": {"parts": [{"text": "x"}], "role": "user"}},
        {**google(), "system_instruction": {"parts": [{"text": "x"}]}},
    ),
]  # fmt: skip
OTHER: list[tuple[str, Document, Document]] = [
    ("openai_chat", chat(max_tokens=9), chat(max_tokens=9, max_completion_tokens=9)),
    ("openai_chat", chat(), chat(tool_choice="auto")),
    ("openai_chat", chat(n=1), chat(n=True)),
    ("openai_chat", chat(), {"messages": [{"role": "user", "content": [*TEXT, *TEXT]}]}),
    (
        "openai_chat",
        chat(),
        {"messages": [{"role": "user", "content": [{**TEXT[0], "cache_control": {}}]}]},
    ),
    ("openai_chat", chat(), {"messages": [{"role": "user", "content": ["hi"]}]}),
    ("openai_embeddings", {"input": "hi"}, {"input": ["h", "i"]}),
    ("openai_embeddings", {"input": "hi"}, {"input": "hi", "encoding_format": "base64"}),
    ("anthropic", chat(system="hi"), chat(system=[*TEXT, *TEXT])),
    ("gemini", google(), {**google(), "systemInstruction": {"parts": [{"text": ""}]}}),
    ("unheard_of", chat(n=1), chat()),
]


def form(language: str, asked: Document) -> bytes:
    before = json.write(asked)
    made = sorted_json(canonical(language, asked))
    assert json.write(asked) == before  # it is not changed
    return made


@pytest.mark.parametrize(("language", "one", "other"), SAME)
def test_spelling_does_not_matter(language: str, one: Document, other: Document) -> None:
    assert form(language, one) == form(language, other)
    assert form(language, one) == form(language, canonical(language, one))  # once is enough


@pytest.mark.parametrize(("language", "one", "other"), OTHER)
def test_what_may_not_be_the_same_is_not_made_the_same(
    language: str, one: Document, other: Document
) -> None:
    assert form(language, one) != form(language, other)


@pytest.mark.parametrize(
    ("language", "around"),
    [
        ("openai_chat", lambda s: chat(tools=[openai_tool(s)])),
        (
            "openai_chat",
            lambda s: chat(response_format={"type": "json_schema", "json_schema": {"schema": s}}),
        ),
        (
            "openai_responses",
            lambda s: {"input": "x", "tools": [{"name": "f", "parameters": s}]},
        ),
        (
            "openai_responses",
            lambda s: {"input": "x", "text": {"format": {"type": "json_schema", "schema": s}}},
        ),
        ("anthropic", lambda s: chat(tools=[{"name": "f", "input_schema": s}])),
        ("anthropic", lambda s: chat(output_config={"format": {"schema": s}})),
        ("gemini", lambda s: google(responseSchema=s)),
        (
            "gemini",
            lambda s: {**google(), "tools": [{"functionDeclarations": [{"parameters": s}]}]},
        ),
    ],
)
def test_the_order_of_a_schema_is_seen_where_keys_are_sorted(language: str, around: Any) -> None:
    turned = {"properties": {"a": {}, "b": {}}, "type": "object"}
    texts = [repr(canonical(language, around(schema))) for schema in (SCHEMA, turned)]
    assert json.write(turned).decode() in texts[1]
    assert json.write(SCHEMA).decode() in texts[0]


LANGUAGES = (
    "openai_chat",
    "openai_completion",
    "openai_embeddings",
    "openai_responses",
    "anthropic",
    "gemini",
)
NAMES = st.sampled_from(
    ["messages", "content", "type", "text", "tools", "function", "parameters", "input", "prompt",
     "system", "contents", "parts", "role", "generationConfig", "responseSchema", "stop", "n",
     "response_format", "json_schema", "output_config", "format", "schema", "tool_choice",
     "functionDeclarations", "systemInstruction", "input_schema", "max_completion_tokens"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, 2.5, "text", "auto", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_whatever_a_document_looks_like_it_has_one_form(odd: Document) -> None:
    before = repr(odd)
    for language in LANGUAGES:
        once = canonical(language, odd)
        assert repr(odd) == before
        assert sorted_json(canonical(language, once)) == sorted_json(once)
        turned = dict(reversed(odd.items()))
        assert sorted_json(canonical(language, turned)) == sorted_json(once)


def sorted_json(document: Document) -> bytes:
    return msgspec.json.encode(document, order="sorted")
