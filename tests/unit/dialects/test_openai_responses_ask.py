"""A chat, asked in Responses: checked by the openai client's own types."""

import json

import pytest
from openai.types.responses import ResponseCreateParams
from pydantic import TypeAdapter

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.openai_responses_ask import write_request
from gateway.errors import Code, GatewayError
from tests.vendors.openai_wire import tool_call

PARAMS: TypeAdapter[object] = TypeAdapter(ResponseCreateParams)
USER: Document = {"role": "user", "content": "hi"}
FUNCTION: Document = {"name": "f", "parameters": {"type": "object"}, "description": "d"}


def _chat(*messages: Document, **fields: object) -> Document:
    return {"model": "m", "messages": list(messages or (USER,)), **fields}


def _sent(chat: Document) -> Document:
    before = json.dumps(chat)
    request = write_request(chat, Losses())
    assert json.dumps(chat) == before
    PARAMS.validate_python(request)
    return request


def test_a_chat_is_asked_and_nothing_is_stored() -> None:
    system = {"role": "developer", "content": "Be brief."}
    assert _sent(_chat(system, USER, max_tokens=9, temperature=0.5)) == {
        "model": "m",
        "temperature": 0.5,
        "input": [{"type": "message", **system}, {"type": "message", **USER}],
        "store": False,
        "max_output_tokens": 9,
    }
    assert _sent(_chat(store=True))["store"] is True


def test_parts_keep_what_they_hold() -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a"}},
        {"type": "file", "file": {"file_url": "https://a/b.pdf"}},
    ]
    (item,) = _sent(_chat({"role": "user", "content": parts}))["input"]
    assert item["content"] == [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "https://a/b.png", "detail": "low"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AA", "filename": "a"},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
    ]


def test_calls_and_their_results_are_items_of_their_own() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    request = _sent(
        _chat(
            USER,
            {"role": "assistant", "content": "Let me see.", "tool_calls": [tool_call(id="a")]},
            {"role": "tool", "tool_call_id": "a", "content": [image]},
            {"role": "tool", "tool_call_id": "b", "content": "no", "is_error": True},
        )
    )
    assert request["input"][1:] == [
        {"type": "message", "role": "assistant", "content": "Let me see."},
        {
            "type": "function_call",
            "call_id": "a",
            "name": "weather",
            "arguments": '{"city":"Bern"}',
        },
        {
            "type": "function_call_output",
            "call_id": "a",
            "output": [
                {
                    "type": "input_image",
                    "image_url": "data:image/png;base64,AA",
                    "detail": "auto",
                }
            ],
        },
        {"type": "function_call_output", "call_id": "b", "output": "Error: no"},
    ]


def test_sealed_reasoning_goes_back_as_it_came_and_others_not_at_all() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "rs_1.sealed.with.dots"},
        {"type": "thinking", "thinking": "mh", "signature": "another vendor's"},
        {"type": "redacted_thinking", "data": "xyz"},
    ]
    message = {"role": "assistant", "content": "a", "thinking_blocks": blocks}
    request = _sent(_chat(USER, message, USER))
    assert request["input"][1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "sealed.with.dots",
    }
    assert [item["type"] for item in request["input"]].count("reasoning") == 1
    assert request["include"] == ["reasoning.encrypted_content"]


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({"reasoning_effort": "high"}, {"effort": "high"}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"effort": "low", "summary": "auto"},
        ),
    ],
)
def test_effort_is_asked_for_and_what_was_thought_comes_sealed(
    fields: Document, reasoning: Document
) -> None:
    request = _sent(_chat(**fields))
    assert request["reasoning"] == reasoning
    assert request["include"] == ["reasoning.encrypted_content"]
    assert "include" not in _sent(_chat(**fields, store=True))
    assert "include" not in _sent(_chat())


def test_tools_formats_and_choices_lose_a_level() -> None:
    schema = {"name": "s", "schema": {"type": "object"}, "strict": True}
    request = _sent(
        _chat(
            tools=[{"type": "function", "function": FUNCTION}],
            tool_choice={"type": "function", "function": {"name": "f"}},
            response_format={"type": "json_schema", "json_schema": schema},
            verbosity="low",
            parallel_tool_calls=False,
        )
    )
    assert request["tools"] == [{"type": "function", **FUNCTION, "strict": False}]
    assert request["tool_choice"] == {"type": "function", "name": "f"}
    assert request["text"] == {"format": {"type": "json_schema", **schema}, "verbosity": "low"}
    assert request["parallel_tool_calls"] is False
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    assert _sent(_chat(tool_choice=choice))["tool_choice"] == {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "f"}],
    }
    assert _sent(_chat(tool_choice="required"))["tool_choice"] == "required"
    assert _sent(_chat(response_format={"type": "json_object"}))["text"] == {
        "format": {"type": "json_object"}
    }


def test_logprobs_are_asked_for_twice() -> None:
    request = _sent(_chat(logprobs=True, top_logprobs=3))
    assert request["top_logprobs"] == 3
    assert request["include"] == ["message.output_text.logprobs"]


def test_what_says_nothing_is_no_loss() -> None:
    quiet: Document = {
        "n": 1,
        "stop": None,
        "frequency_penalty": 0.0,
        "logit_bias": {},
        "logprobs": False,
    }
    assert set(_sent(_chat(**quiet, modalities=["text"]))) == {"model", "input", "store"}


@pytest.mark.parametrize(
    "field",
    [{"n": 2}, {"stop": "x"}, {"seed": 1}, {"presence_penalty": 0.5}, {"top_k": 3}],
)
def test_what_it_has_no_word_for_is_refused_by_name(field: dict[str, object]) -> None:
    (name,) = field
    with pytest.raises(GatewayError) as raised:
        write_request(_chat(**field), Losses())
    assert (raised.value.code, raised.value.param) == (Code.UNTRANSLATABLE, name)
    losses = Losses(drop=True)
    assert name not in write_request(_chat(**field), losses)
    assert losses.dropped == [name]


@pytest.mark.parametrize(
    ("chat", "param"),
    [
        (_chat({"role": "user", "content": [{"type": "input_audio"}]}), "messages.0.content.0"),
        (_chat({"role": "assistant", "content": [{"type": "file"}]}), "messages.0.content.0"),
        (_chat({"role": "user", "name": "bob", "content": "x"}), "messages.0.name"),
        (_chat({"role": "function", "content": "x"}), "messages.0.role"),
        (_chat(tools=[{"type": "custom", "custom": {"name": "c"}}]), "tools.0"),
    ],
)
def test_what_it_does_not_take_is_refused_by_place(chat: Document, param: str) -> None:
    with pytest.raises(GatewayError) as raised:
        write_request(chat, Losses())
    assert raised.value.param == param
    PARAMS.validate_python(write_request(chat, Losses(drop=True)))
