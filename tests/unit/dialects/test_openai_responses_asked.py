"""A request in Responses, read as a chat; what only OpenAI's servers do is refused by name."""

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParams
from pydantic import TypeAdapter

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.openai_chat import STRICT
from gateway.dialects.openai_responses_ask import write_request
from gateway.dialects.openai_responses_asked import read_request
from gateway.errors import Code, GatewayError
from tests.vendors.openai_wire import tool_call

PARAMS: TypeAdapter[object] = TypeAdapter(CompletionCreateParams)
USER: Document = {"role": "user", "content": "hi"}
CALL: Document = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city":"Bern"}',
    "status": "completed",
}


def _read(input: object = "hi", **fields: object) -> Document:
    chat = read_request({"model": "m", "input": input, **fields}, Losses())
    PARAMS.validate_python(STRICT.write_request(chat, Losses()))
    return chat


def _refused(input: object = "hi", **fields: object) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        read_request({"model": "m", "input": input, **fields}, Losses())
    return raised.value


def test_a_text_is_what_the_user_says() -> None:
    assert _read() == {"model": "m", "messages": [USER]}
    told = _read(instructions="Be brief.", max_output_tokens=9, temperature=0.5, user="u")
    assert told == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, USER],
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "user": "u",
    }


def test_what_the_assistant_does_in_a_row_is_one_message() -> None:
    reasoning = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "sig",
    }
    said = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}],
    }
    output = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    chat = _read([USER, reasoning, said, CALL, {**CALL, "call_id": "call_2"}, output, reasoning])
    assert chat["messages"][1:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "rs_1.sig"}],
            "reasoning_content": "hm",
            "tool_calls": [tool_call(id="call_1"), tool_call(id="call_2")],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {
            "role": "assistant",
            "content": None,
            "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "rs_1.sig"}],
            "reasoning_content": "hm",
        },
    ]


def test_what_a_vendor_hung_on_a_call_comes_back() -> None:
    extra = {"google": {"thought_signature": "s"}}
    chat = read_request({"model": "m", "input": [{**CALL, "extra_content": extra}]}, Losses())
    (message,) = chat["messages"]
    assert message["tool_calls"] == [{**tool_call(id="call_1"), "extra_content": extra}]


def test_two_messages_of_the_assistant_stay_two() -> None:
    says = {"role": "assistant", "content": "a"}
    assert _read([says, says])["messages"] == [says, says]


def test_a_refusal_is_told_as_one() -> None:
    refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    (message,) = _read([refusal])["messages"]
    assert message == {"role": "assistant", "content": None, "refusal": "No."}


def test_parts_keep_what_they_hold() -> None:
    parts = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "https://a/b.png", "detail": "low"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AA", "filename": "a"},
    ]
    given = [{"role": "user", "content": parts}]
    assert _read(given)["messages"][0]["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a"}},
    ]


def test_tools_formats_and_choices_gain_a_level() -> None:
    chat = _read(
        tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}],
        tool_choice={"type": "function", "name": "f"},
        text={"format": {"type": "json_schema", "name": "s", "schema": {}}, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto"},
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        top_logprobs=2,
    )
    function = {"name": "f", "parameters": {"type": "object"}, "strict": True}
    assert chat["tools"] == [{"type": "function", "function": function}]
    assert chat["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert chat["response_format"]["json_schema"] == {"name": "s", "schema": {}}
    assert (chat["verbosity"], chat["reasoning_effort"]) == ("low", "high")
    assert (chat["logprobs"], chat["top_logprobs"]) == (True, 2)
    allowed = {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "f"}],
    }
    assert _read(tool_choice=allowed)["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [{"type": "function", "function": {"name": "f"}}],
        },
    }


def test_what_says_nothing_is_no_loss() -> None:
    chat = _read(
        store=False,
        truncation="disabled",
        background=False,
        previous_response_id=None,
        tools=[],
        text={"format": {"type": "text"}},
        stream_options={"include_obfuscation": False},
        tool_choice="auto",
    )
    assert chat == {"model": "m", "messages": [USER], "tool_choice": "auto"}


@pytest.mark.parametrize("name", ["previous_response_id", "conversation", "prompt"])
def test_what_was_kept_elsewhere_is_refused_and_never_dropped(name: str) -> None:
    with pytest.raises(GatewayError) as raised:
        read_request({"model": "m", "input": "hi", name: "x"}, Losses(drop=True))
    assert (raised.value.code, raised.value.param) == (Code.UNTRANSLATABLE, name)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"tools": [{"type": "web_search"}]}, "tools.0"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input.0"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "x"}]}]},
            "input.0.content.0",
        ),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_image"}]}]},
            "input.0.content.0",
        ),
    ],
)
def test_what_only_openai_does_is_refused_by_name(fields: Document, param: str) -> None:
    error = _refused(**fields)
    assert (error.code, error.param) == (Code.UNTRANSLATABLE, param)


@pytest.mark.parametrize(
    ("input", "code", "param"),
    [
        (7, Code.INVALID_VALUE, "input"),
        ([{"role": "owner", "content": "x"}], Code.INVALID_VALUE, "input.0.role"),
        ([{"role": "user", "content": 7}], Code.INVALID_VALUE, "input.0.content"),
        ([{"content": "x"}], Code.MISSING_VALUE, "input.0.role"),
        ([{**CALL, "call_id": None}], Code.MISSING_VALUE, "input.0.call_id"),
        ([{**CALL, "arguments": {}}], Code.INVALID_VALUE, "input.0.arguments"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], None, "input.0.content.0.text"),
    ],
)
def test_an_item_of_the_wrong_form_is_named(input: object, code: Code | None, param: str) -> None:
    error = _refused(input)
    assert error.code is (code or Code.MISSING_VALUE)
    assert error.param == param


def test_what_is_written_is_read_again() -> None:
    chat: Document = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "look"}]},
            {"role": "assistant", "content": "a", "tool_calls": [tool_call(id="call_1")]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"type": "object"}, "strict": False},
            }
        ],
        "tool_choice": "required",
        "response_format": {"type": "json_object"},
        "reasoning_effort": "low",
        "max_completion_tokens": 5,
    }
    assert read_request(write_request(chat, Losses()), Losses()) == chat
