"""Anthropic's requests as chat. Whole requests: tests/golden/anthropic."""

import pytest

from gateway.chat.document import Document
from gateway.dialects import anthropic_asked
from gateway.dialects.base import Losses
from gateway.errors import Code, GatewayError

ASKED: Document = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
MARK = {"type": "ephemeral"}


def _read(**fields: object) -> Document:
    return anthropic_asked.read({**ASKED, **fields}, Losses())


def _messages(*messages: Document) -> list[Document]:
    read: list[Document] = _read(messages=list(messages))["messages"]
    return read


def _user(*blocks: Document) -> Document:
    return {"role": "user", "content": list(blocks)}


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("container", {"id": "c"}),
        ("mcp_servers", [{"type": "url"}]),
        ("context_management", {"edits": [{"type": "clear_tool_uses_20250919"}]}),
        ("inference_geo", "eu"),
        ("speed", "fast"),
        ("service_tier", "priority"),
        ("thinking.type", {"type": "between_tools"}),
        ("tool_choice.type", {"type": "new"}),
        ("output_config.task_budget", {"task_budget": {}}),
        ("output_config.format.type", {"format": {"type": "regex"}}),
        ("tools.0", [{"type": "web_search_20250305", "name": "web_search"}]),
        ("tools.0.defer_loading", [{"name": "f", "input_schema": {}, "defer_loading": True}]),
        ("something_new", 1),
    ],
)
def test_what_has_no_word_is_refused_by_name(param: str, value: object) -> None:
    with pytest.raises(GatewayError) as refused:
        _read(**{param.partition(".")[0]: value})
    assert (refused.value.code, refused.value.param) == (Code.UNTRANSLATABLE, param)


@pytest.mark.parametrize(
    "fields",
    [
        {"speed": "standard", "mcp_servers": [], "inference_geo": None, "service_tier": "auto"},
        {"diagnostics": {}, "context_management": {"edits": []}, "stop_sequences": []},
        {"tools": [], "metadata": {"user_id": None}, "output_config": {"format": None}},
    ],
)
def test_what_says_nothing_is_no_loss(fields: Document) -> None:
    assert _read(**fields) == _read()


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"type": "search_result", "content": []}, ""),
        ({"type": "container_upload", "file_id": "f"}, ""),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, ".source"),
        ({"type": "document", "source": {"type": "content", "content": []}}, ".source"),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference"}]},
            ".content.0",
        ),
    ],
)
def test_blocks_without_a_word_are_refused_by_name(block: Document, place: str) -> None:
    with pytest.raises(GatewayError) as refused:
        _messages(_user({"type": "text", "text": "x"}, block))
    assert refused.value.param == f"messages.0.content.1{place}"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "tool", "content": "x"}, "messages.0.role"),
        ({"role": "user", "content": 1}, "messages.0.content"),
        (_user({"text": "x"}), "messages.0.content.0"),
        (_user({"type": "text"}), "messages.0.content.0.text"),
        ({"role": "assistant", "content": [{"type": "text"}]}, "messages.0.content.0.text"),
    ],
)
def test_what_is_wrong_is_named(message: Document, param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        _messages(message)
    assert (refused.value.code, refused.value.param) == (Code.INVALID_VALUE, param)


def test_results_of_tools_come_first_each_a_message() -> None:
    read = _messages(
        _user(
            {"type": "tool_result", "tool_use_id": "a", "content": "1", "cache_control": MARK},
            {"type": "tool_result", "tool_use_id": "b", "is_error": True},
            {"type": "text", "text": "go on"},
        )
    )
    assert read == [
        {"role": "tool", "tool_call_id": "a", "content": "1", "cache_control": MARK},
        {"role": "tool", "tool_call_id": "b", "content": "", "is_error": True},
        {"role": "user", "content": "go on"},
    ]


def test_what_the_model_said_is_one_message() -> None:
    signed = {"type": "thinking", "thinking": "a", "signature": "s"}
    redacted = {"type": "redacted_thinking", "data": "d"}
    blocks = [
        signed,
        redacted,
        {"type": "text", "text": "x"},
        {"type": "text", "text": "y", "citations": []},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "cache_control": MARK},
    ]
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    assert _messages({"role": "assistant", "content": blocks}) == [
        {
            "role": "assistant",
            "content": "xy",
            "thinking_blocks": [signed, redacted],
            "reasoning_content": "a",
            "tool_calls": [call],
            "cache_control": MARK,
        }
    ]


def test_the_system_may_speak_midway() -> None:
    said = {"role": "system", "content": [{"type": "text", "text": "Now in French."}]}
    assert _messages(ASKED["messages"][0], said)[1]["content"] == "Now in French."
    assert _read(system=said["content"])["messages"][0] == {
        "role": "system",
        "content": "Now in French.",
    }


def test_a_mark_on_the_whole_lies_on_its_last_block() -> None:
    part = {"type": "text", "text": "hi", "cache_control": MARK}
    assert _read(cache_control=MARK)["messages"] == [{"role": "user", "content": [part]}]
    result = _user({"type": "tool_result", "tool_use_id": "a", "content": "1"})
    assert _read(cache_control=MARK, messages=[result])["messages"][0]["cache_control"] == MARK
    block = {"type": "text", "text": "x", "cache_control": {**MARK, "ttl": "1h"}}
    messages = [_user({"type": "text", "text": "y"}, block)]
    assert _read(cache_control=MARK, messages=messages)["messages"][0]["content"][1] == block


@pytest.mark.parametrize(
    ("fields", "chat"),
    [
        ({"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        ({"output_config": {"effort": "max"}}, {"reasoning_effort": "xhigh"}),
        ({"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"metadata": {"user_id": "u"}}, {"user": "u"}),
        ({"tool_choice": {"type": "none"}}, {"tool_choice": "none"}),
        (
            {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
            {"tool_choice": "required", "parallel_tool_calls": False},
        ),
        (
            {"tool_choice": {"type": "tool", "name": "f"}},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
    ],
)
def test_fields_have_their_words(fields: Document, chat: Document) -> None:
    assert _read(**fields) == {**_read(), **chat}
