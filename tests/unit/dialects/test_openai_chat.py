"""Chat documents: what OpenAI's vendors are asked, what they answer, what clients may say."""

import json

import pytest
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParams
from pydantic import TypeAdapter

from gateway.chat.document import Document
from gateway.dialects.base import BadAnswer, Losses
from gateway.dialects.openai_chat import CLIENT, STRICT, UPSTREAM
from gateway.errors import Code, GatewayError
from tests.vendors.openai_wire import chat_body, tool_call, usage

PARAMS: TypeAdapter[object] = TypeAdapter(CompletionCreateParams)
USER: Document = {"role": "user", "content": "hi"}


def _chat(*messages: Document, **fields: object) -> Document:
    return {"model": "m", "messages": list(messages or (USER,)), **fields}


def _sent(chat: Document) -> Document:
    """What a vendor of the strict kind is asked, checked by the openai client's types."""
    before = json.dumps(chat)
    request = STRICT.write_request(chat, Losses())
    assert json.dumps(chat) == before
    PARAMS.validate_python(request)
    return request


# ---- requests out


@pytest.mark.parametrize(
    ("budget", "word"), [(1024, "low"), (4095, "low"), (4096, "medium"), (16384, "high")]
)
def test_a_budget_for_thinking_is_an_effort(budget: int, word: str) -> None:
    request = _sent(_chat(thinking={"type": "enabled", "budget_tokens": budget}))
    assert request["reasoning_effort"] == word
    assert "thinking" not in request


def test_an_effort_that_was_said_stands() -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    assert _sent(_chat(thinking=thinking, reasoning_effort="high"))["reasoning_effort"] == "high"


def test_a_stream_is_asked_for_its_usage() -> None:
    assert _sent(_chat(stream=True))["stream_options"] == {"include_usage": True}
    assert "stream_options" not in _sent(_chat(stream=False, stream_options=None))


def test_top_k_goes_where_it_is_known() -> None:
    assert UPSTREAM.write_request(_chat(top_k=3), Losses())["top_k"] == 3
    with pytest.raises(GatewayError) as raised:
        STRICT.write_request(_chat(top_k=3), Losses())
    assert raised.value.param == "top_k"
    losses = Losses(drop=True)
    assert "top_k" not in STRICT.write_request(_chat(top_k=3), losses)
    assert losses.dropped == ["top_k"]


def test_reasoning_goes_back_only_to_those_who_take_it() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
    ]
    chat = _chat(USER, {"role": "assistant", "content": "a", "thinking_blocks": blocks}, USER)
    assert _sent(chat)["messages"][1] == {"role": "assistant", "content": "a"}
    kept = UPSTREAM.write_request(chat, Losses())["messages"][1]
    assert kept == {"role": "assistant", "content": "a", "reasoning_content": "hm"}


def test_hints_about_caches_fall_away() -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    part = {"type": "text", "text": "hi"}
    request = _sent(_chat({"role": "user", "content": [{**part, **cached}]}, tools=[tool | cached]))
    assert request["messages"] == [{"role": "user", "content": [part]}]
    assert request["tools"] == [tool]


@pytest.mark.parametrize(
    ("content", "written"),
    [
        ("no such city", "Error: no such city"),
        ("Error: no such city", "Error: no such city"),
        (
            [{"type": "text", "text": "no"}],
            [{"type": "text", "text": t} for t in ("Error: ", "no")],
        ),
    ],
)
def test_a_tool_that_failed_says_so_in_its_text(content: object, written: object) -> None:
    result = {"role": "tool", "tool_call_id": "a", "content": content, "is_error": True}
    assert _sent(_chat(USER, result))["messages"][1]["content"] == written


def test_what_tools_show_comes_behind_their_results() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    text = {"type": "text", "text": "a map"}
    calls = [tool_call(id="a"), tool_call(id="b")]
    request = _sent(
        _chat(
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "a", "content": [text, image]},
            {"role": "tool", "tool_call_id": "b", "content": "b"},
            USER,
        )
    )
    label = {"type": "text", "text": "Shown by tool call a:"}
    assert request["messages"][1:] == [
        {"role": "tool", "tool_call_id": "a", "content": [text]},
        {"role": "tool", "tool_call_id": "b", "content": "b"},
        {"role": "user", "content": [label, image]},
        USER,
    ]


def test_a_file_by_its_url_is_refused_by_name() -> None:
    file = {"type": "file", "file": {"file_url": "a"}}
    with pytest.raises(GatewayError) as raised:
        UPSTREAM.write_request(_chat({"role": "user", "content": [file]}), Losses())
    assert raised.value.param == "messages.0.content.0.file.file_url"


# ---- answers in


def test_an_answer_is_put_in_its_normal_form() -> None:
    answer = UPSTREAM.read_response(json.loads(chat_body("Hi", used=usage(7, 3, 1))))
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi"},
            "finish_reason": "stop",
        }
    ]
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 1}


def test_calls_end_an_answer_whatever_the_vendor_says() -> None:
    answer = UPSTREAM.read_response(json.loads(chat_body(calls=[tool_call()])))
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["choices"][0]["message"]["tool_calls"] == [tool_call()]


def test_forms_of_other_vendors_are_read() -> None:
    message = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
            {"type": "text", "text": "yes"},
        ],
        "function_call": {"name": "f", "arguments": {"a": 1}},
        "annotations": [{"type": "url_citation"}],
    }
    document = {"choices": [{"message": message, "finish_reason": "function_call"}]}
    assert UPSTREAM.read_response(document)["choices"][0] == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": "yes",
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
            ],
            "annotations": [{"type": "url_citation"}],
        },
        "finish_reason": "tool_calls",
    }


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"choices": None},
        {"choices": [], "error": {}},
        {"choices": [7]},
        {"choices": [{"message": 7}]},
    ],
)
def test_what_is_no_answer_is_told(document: Document) -> None:
    with pytest.raises(BadAnswer):
        UPSTREAM.read_response(document)


# ---- the client's side


def test_a_request_is_the_lingua_franca_already() -> None:
    chat = _chat(unknown={"a": 1}, tools=[], stop=None)
    assert CLIENT.read_request(chat, Losses()) == chat


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "owner", "content": "hi"}, "messages[0].role"),
        ({"role": "tool", "content": "hi"}, "messages[0].tool_call_id"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [{"type": "text", "text": 7}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": 7}, "messages[0].content"),
    ],
)
def test_a_message_of_the_wrong_form_is_refused_by_name(message: Document, param: str) -> None:
    with pytest.raises(GatewayError) as raised:
        CLIENT.read_request(_chat(message), Losses())
    assert raised.value.status == 400
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("chat", "param"),
    [
        (_chat(functions=[]), "functions"),
        (_chat({"role": "function", "name": "f", "content": "x"}), "messages.0.role"),
    ],
)
def test_the_old_form_of_tools_is_refused_by_name(chat: Document, param: str) -> None:
    with pytest.raises(GatewayError) as raised:
        CLIENT.read_request(chat, Losses())
    assert (raised.value.code, raised.value.param) == (Code.UNTRANSLATABLE, param)


def test_an_answer_satisfies_the_client() -> None:
    answer = UPSTREAM.read_response(json.loads(chat_body("Hi")))
    written = CLIENT.write_response(answer, _chat())
    ChatCompletion.model_validate(written, strict=True)
    assert written["choices"][0]["message"]["refusal"] is None


def test_a_head_says_how_much_may_be_answered() -> None:
    body = json.dumps(_chat(max_tokens=5, max_completion_tokens=9, n=2)).encode()
    head, fields = CLIENT.read_head(body)
    assert (head.max_output, head.choices, head.stream) == (9, 2, None)
    assert set(fields) == {"model", "messages", "max_tokens", "max_completion_tokens", "n"}


def test_what_another_vendor_said_beside_the_text_is_not_for_the_strict_kind() -> None:
    extra = {"extra_content": {"google": {"thought_signature": "s"}}, "images": [{}]}
    said = {"role": "assistant", "content": "hi"}
    chat = {"model": "m", "messages": [{**said, **extra}]}
    assert STRICT.write_request(chat, Losses())["messages"] == [said]
    assert UPSTREAM.write_request(chat, Losses())["messages"] == [{**said, **extra}]
