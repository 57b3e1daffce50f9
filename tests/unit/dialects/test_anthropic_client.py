"""Anthropic's clients: heads, whole answers, counting. Files: tests/golden/anthropic."""

import json

import pytest

from gateway.chat.document import Document
from gateway.dialects import anthropic_client
from gateway.dialects.anthropic_client import CLIENT
from gateway.dialects.base import Losses
from gateway.errors import Code, GatewayError

ASKED: Document = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def _body(**changed: object) -> bytes:
    document = {**ASKED, **changed}
    return json.dumps({key: value for key, value in document.items() if value != "-"}).encode()


def test_the_head_says_what_the_road_needs() -> None:
    head, fields = CLIENT.read_head(_body(stream=True))
    assert (head.model, head.stream, head.wants_usage) == ("m", True, True)
    assert (head.choices, head.max_output) == (1, 9)
    assert list(fields) == ["model", "max_tokens", "messages", "stream"]


@pytest.mark.parametrize(
    ("changed", "code", "param"),
    [
        ({"model": "-"}, Code.MISSING_VALUE, "model"),
        ({"model": ""}, Code.INVALID_VALUE, "model"),
        ({"max_tokens": "-"}, Code.MISSING_VALUE, "max_tokens"),
        ({"max_tokens": -1}, Code.INVALID_VALUE, "max_tokens"),
        ({"messages": []}, Code.INVALID_VALUE, "messages"),
        ({"messages": [{"content": "x"}]}, Code.MISSING_VALUE, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, Code.MISSING_VALUE, "messages[0].content"),
        ({"stream": "yes"}, Code.INVALID_VALUE, "stream"),
        ({"stop_sequences": "END"}, Code.INVALID_VALUE, "stop_sequences"),
        ({"Max_Tokens": 1}, Code.INVALID_VALUE, "max_tokens"),
    ],
)
def test_the_field_at_fault_is_named(changed: Document, code: Code, param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        CLIENT.read_head(_body(**changed))
    assert (refused.value.code, refused.value.param) == (code, param)


def _answer(message: Document, finish: str = "stop") -> Document:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "i", "model": "m", "created": 0, "choices": [choice]}


def _content(message: Document) -> object:
    return CLIENT.write_response(_answer(message), {})["content"]


def test_reasoning_that_nobody_signed_has_an_empty_signature() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": ""}
    text = {"type": "text", "text": "x"}
    assert _content({"content": "x", "reasoning_content": "hm"}) == [thought, text]
    history = [*ASKED["messages"], {"role": "assistant", "content": [thought, text]}]
    read = CLIENT.read_request({**ASKED, "messages": history}, _losses())["messages"][1]
    assert read == {"role": "assistant", "content": "x", "reasoning_content": "hm"}


def test_signed_blocks_are_not_told_twice() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "s"}
    message = {"content": None, "thinking_blocks": [block], "reasoning_content": "hm"}
    assert _content(message) == [block]
    rest = {"type": "thinking", "thinking": "!", "signature": ""}
    assert _content({**message, "reasoning_content": "hm!"}) == [block, rest]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [("", {}), ('{"a":1}', {"a": 1}), ("[1]", {"arguments": "[1]"}), ("{", {"arguments": "{"})],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: str, given: object) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    used = {"type": "tool_use", "id": "c", "name": "f", "input": given}
    assert _content({"content": None, "tool_calls": [call]}) == [used]


def test_a_refusal_is_explained() -> None:
    written = CLIENT.write_response(_answer({"content": None, "refusal": "I won't."}), {})
    assert written["stop_reason"] == "refusal"
    assert written["stop_details"]["explanation"] == "I won't."
    assert written["content"] == []


def test_an_error_is_a_body_or_an_event() -> None:
    error = GatewayError(Code.OVERLOADED, "no")
    body = CLIENT.error_body(error)
    assert json.loads(body)["error"]["type"] == "overloaded_error"
    assert CLIENT.error_event(error) == b"event: error\ndata: " + body + b"\n\n"
    assert CLIENT.heartbeat.startswith(b"event: ping\n")


# ---- counting


def test_what_is_counted_needs_no_max_tokens() -> None:
    head, _ = anthropic_client.read_count_head(_body(max_tokens="-"))
    assert (head.model, head.stream, head.max_output, head.choices) == ("m", None, 0, 1)
    assert head.wants_usage
    with pytest.raises(GatewayError) as refused:
        anthropic_client.read_count_head(b'{"model":"m"}')
    assert refused.value.param == "messages"


def test_a_count_is_one_number() -> None:
    assert anthropic_client.count_body(14) == b'{"input_tokens":14}'


def test_an_estimate_grows_with_all_that_is_said() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "A" * 100_000}}
    pdf = {"type": "document", "source": {"type": "base64", "data": "A" * 100_000}}
    tool = {"name": "f", "input_schema": {"type": "object", "properties": {"a": {}}}}
    few = anthropic_client.estimate(ASKED)
    assert 1 <= few < 20
    said = {"system": "Be brief. " * 100}
    assert 250 < anthropic_client.estimate({**ASKED, **said}) < 350
    for part, least, most in ((image, 1600, 1700), (pdf, 4000, 8000)):
        messages = [{"role": "user", "content": [part]}]
        assert least < anthropic_client.estimate({**ASKED, "messages": messages}) < most
    assert anthropic_client.estimate({**ASKED, "tools": [tool]}) > few + 300


def _losses() -> Losses:
    return Losses()
