"""Five wire languages become the same Question, and what a vendor would refuse is refused."""

import json
from collections.abc import Callable, Mapping

import msgspec
import pytest

from gateway.simulated import request
from gateway.simulated.model import Prompt, Question, Tool

SCHEMA = {"type": "object"}
HELLO = {"messages": [{"role": "user", "content": "hello"}]}
CHAT_TOOLS = [
    {"type": "function", "function": {"name": "a"}},
    {"type": "function", "function": {"name": "b", "parameters": SCHEMA}},
]


def body(*parts: Mapping[str, object], **fields: object) -> bytes:
    return json.dumps({k: v for part in parts for k, v in part.items()} | fields).encode()


def test_a_chat_is_read() -> None:
    asked = request.chat(
        body(HELLO, model="m", seed=3, n=2, max_tokens=9, stop="x", stream=True, temperature=1)
    )
    prompts = (Prompt("user: hello", 3),)
    assert asked == Question("m", prompts, 3, 2, max_tokens=9, stop=("x",), stream=True)


def test_the_newer_name_of_the_limit_wins() -> None:
    assert request.chat(body(HELLO, max_tokens=9, max_completion_tokens=5)).max_tokens == 5


def test_usage_in_a_stream_is_asked_for() -> None:
    assert request.chat(body(HELLO, stream_options={"include_usage": True})).stream_usage
    assert not request.chat(body(HELLO, stream_options=None)).stream_usage


def test_the_same_words_are_the_same_prompt_in_every_language() -> None:
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    inputs = [{"type": "input_text", "text": "hello"}]
    spoken = [{"role": "system", "content": "be kind"}, {"role": "user", "content": parts}]
    chat = request.chat(body(messages=spoken))
    kind = [{"type": "text", "text": "be kind"}]
    messages = request.messages(body(HELLO, max_tokens=9, system=kind))
    item = {"type": "message", "role": "user", "content": inputs}
    longer = request.responses(body(input=[item], instructions="be kind"))
    shorter = request.responses(body(input="hello", instructions="be kind"))
    assert chat.prompts == messages.prompts == longer.prompts == shorter.prompts


@pytest.mark.parametrize(
    "said",
    [
        {"role": "user", "content": [{"type": "tool_result", "content": "42"}]},
        {"role": "user", "content": [{"type": "tool_result", "content": [{"text": "42"}]}]},
        {"type": "function_call_output", "call_id": "c", "output": "42", "role": "user"},
    ],
)
def test_what_a_tool_said_is_part_of_the_prompt(said: dict[str, object]) -> None:
    assert request.responses(body(input=[said])).prompts[0].text == "user: 42"


def test_what_is_no_text_is_named() -> None:
    content = [{"type": "image_url", "image_url": {"url": "data:,"}}]
    asked = request.chat(body(messages=[{"role": "user", "content": content}]))
    assert asked.prompts[0].text == "user: [image_url]"


@pytest.mark.parametrize(
    ("choice", "tool"),
    [
        (None, None),
        ("auto", None),
        ("none", None),
        ("required", Tool("a", None)),
        ({"type": "function", "function": {"name": "b"}}, Tool("b", SCHEMA)),
        ({"type": "function", "function": {"name": "unknown"}}, None),
    ],
)
def test_a_chat_s_tool_is_called_when_it_must_be(choice: object, tool: Tool | None) -> None:
    assert request.chat(body(HELLO, tools=CHAT_TOOLS, tool_choice=choice)).tool == tool


def test_without_tools_none_is_called() -> None:
    assert request.chat(body(HELLO, tool_choice="required")).tool is None


@pytest.mark.parametrize(
    "choice",
    ["required", {"type": "function", "name": "b"}, {"type": "allowed_tools", "mode": "required"}],
)
def test_a_response_s_tool_is_called_when_it_must_be(choice: object) -> None:
    tools = [{"type": "function", "name": "b", "parameters": SCHEMA}]
    asked = request.responses(body(input="x", tools=tools, tool_choice=choice))
    assert asked.tool == Tool("b", SCHEMA)


@pytest.mark.parametrize(
    ("choice", "called"),
    [({"type": "any"}, True), ({"type": "tool", "name": "b"}, True), ({"type": "auto"}, False)],
)
def test_a_message_s_tool_is_called_when_it_must_be(choice: object, called: bool) -> None:
    tools = [{"name": "b", "input_schema": SCHEMA}]
    asked = request.messages(body(HELLO, max_tokens=9, tools=tools, tool_choice=choice))
    assert asked.tool == (Tool("b", SCHEMA) if called else None)


@pytest.mark.parametrize(
    ("form", "schema"),
    [
        ({"type": "text"}, None),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, SCHEMA),
    ],
)
def test_a_chat_can_ask_for_json(form: object, schema: object) -> None:
    assert request.chat(body(HELLO, response_format=form)).schema == schema


def test_any_json_object_owns_up_to_being_simulated() -> None:
    asked = request.chat(body(HELLO, response_format={"type": "json_object"}))
    assert asked.schema == {"type": "object", "properties": {"simulated": {"const": True}}}


def test_a_response_can_ask_for_json() -> None:
    form = {"type": "json_schema", "name": "n", "schema": SCHEMA}
    assert request.responses(body(input="x", text={"format": form})).schema == SCHEMA


def test_messages_are_read() -> None:
    asked = request.messages(body(HELLO, max_tokens=9, stop_sequences=["x"], model="c"))
    assert asked == Question("c", (Prompt("user: hello", 3),), max_tokens=9, stop=("x",))


@pytest.mark.parametrize(
    ("given", "prompts"),
    [
        ("ab", [Prompt("ab", 1)]),
        (["ab", "cdefg"], [Prompt("ab", 1), Prompt("cdefg", 2)]),
        ([5, 6, 7], [Prompt("5 6 7", 3)]),
        ([[5, 6], [7]], [Prompt("5 6", 2), Prompt("7", 1)]),
        (None, [Prompt("", 1)]),
    ],
)
def test_a_completion_s_prompts_come_in_four_forms(given: object, prompts: list[Prompt]) -> None:
    assert request.completion(body(prompt=given)).prompts == tuple(prompts)


def test_a_completion_may_ask_for_its_echo() -> None:
    assert request.completion(body(prompt="ab", echo=True)).echo


def test_embeddings_take_the_same_forms() -> None:
    asked = request.embeddings(body(input=[[5, 6], [7]], dimensions=3))
    assert [prompt.tokens for prompt in asked.prompts()] == [2, 1]
    assert asked.dimensions == 3


@pytest.mark.parametrize(
    ("read", "refused", "field"),
    [
        (request.chat, body(), "messages"),
        (request.chat, body(HELLO, n=0), "n"),
        (request.chat, body(HELLO, n=129), "n"),
        (request.chat, body(HELLO, max_tokens=0), "max_tokens"),
        (request.chat, body(HELLO, stream="yes"), "stream"),
        (request.messages, body(HELLO), "max_tokens"),
        (request.responses, body(), "input"),
        (request.responses, body(input="x", previous_response_id="resp_1"), "previous_response_id"),
        (request.responses, body(input="x", conversation="conv_1"), "conversation"),
        (request.embeddings, body(input="x", dimensions=9000), "dimensions"),
    ],
)
def test_a_refusal_names_the_field(
    read: Callable[[bytes], object], refused: bytes, field: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=rf"[`.]{field}\b"):
        read(refused)
