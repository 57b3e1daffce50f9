"""Responses: answers in, heads, errors; the ways have tests of their own."""

import json

import pytest
from openai.types.responses import Response, ResponseErrorEvent

from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.base import BadAnswer, Losses
from gateway.dialects.openai_responses import CLIENT, UPSTREAM
from gateway.errors import Code, GatewayError

RESPONSE: Document = {
    "id": "resp_1",
    "object": "response",
    "created_at": 7.0,
    "model": "m",
    "status": "completed",
    "error": None,
    "output": [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": t} for t in ("a", "b")],
            "encrypted_content": "enc",
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "f",
            "arguments": "{}",
            "status": "completed",
        },
    ],
    "usage": {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 9,
    },
}


def test_a_response_is_an_answer() -> None:
    answer = UPSTREAM.read_response(RESPONSE)
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hi",
                "reasoning_content": "a\n\nb",
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "a\n\nb", "signature": "rs_1.enc"}
                ],
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                    }
                ],
            },
            "finish_reason": "tool_calls",
        }
    ]
    assert answer["usage"]["total_tokens"] == 9


def test_the_next_turn_gives_back_what_was_sealed() -> None:
    (choice,) = UPSTREAM.read_response(RESPONSE)["choices"]
    chat = {"model": "m", "messages": [choice["message"]]}
    reasoning, said, call = UPSTREAM.write_request(chat, Losses())["input"]
    assert (reasoning["id"], reasoning["encrypted_content"]) == ("rs_1", "enc")
    assert (said["content"], call["call_id"]) == ("Hi", "call_1")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"output": None},
        {"output": [], "error": {"message": "no"}},
        {"output": [7]},
        {"output": [{"type": "function_call"}]},
    ],
)
def test_what_is_no_answer_is_told(document: Document) -> None:
    with pytest.raises(BadAnswer):
        UPSTREAM.read_response(document)


def test_an_answer_that_passes_is_checked_and_counted() -> None:
    assert UPSTREAM.read_answer(json.dumps(RESPONSE).encode()) == Usage(5, 4, 1, 2)
    assert UPSTREAM.read_answer(b'{"output":[]}') is None


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b'{"output":[],"error":{}}',
        b'{"output":[],"x":"\xff"}',
        b'{"output":[%b]}' % (b"1" * 5000),
    ],
)
def test_an_answer_that_may_not_pass_is_told(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        UPSTREAM.read_answer(body)


def test_a_stream_that_passes_is_watched() -> None:
    head, _ = CLIENT.read_head(b'{"model":"m","input":"hi","stream":true}')
    watch = UPSTREAM.watch(head)
    response = {"id": "resp_1", "usage": RESPONSE["usage"]}
    last = {"type": "response.completed", "response": response}
    stream = b"event: response.completed\ndata: %b\n\n" % json.dumps(last).encode()
    assert watch.feed(stream) == stream
    assert watch.done
    assert watch.usage == Usage(5, 4, 1, 2)
    assert UPSTREAM.watch(head).close() is None


def test_a_head_says_what_the_road_needs() -> None:
    head, fields = CLIENT.read_head(b'{"model":"m","input":[{}],"max_output_tokens":9}')
    assert (head.model, head.stream, head.max_output) == ("m", None, 9)
    assert (head.choices, head.wants_usage) == (1, True)
    assert set(fields) == {"model", "input", "max_output_tokens"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"input":"hi"}', "model"),
        (b'{"model":"m","input":7}', "input"),
        (b'{"model":"m","Input":"hi"}', "input"),
    ],
)
def test_a_head_of_the_wrong_form_is_named(body: bytes, param: str) -> None:
    with pytest.raises(GatewayError) as raised:
        CLIENT.read_head(body)
    assert raised.value.param == param


def test_an_answer_satisfies_the_client() -> None:
    request = CLIENT.read_request({"model": "m", "input": "hi"}, Losses())
    written = CLIENT.write_response(UPSTREAM.read_response(RESPONSE), request)
    response = Response.model_validate(written)
    assert response.output_text == "Hi"
    assert response.id == "resp_1"
    assert UPSTREAM.read_response(written)["choices"][0]["message"]["content"] == "Hi"


def test_errors_have_the_clients_form() -> None:
    error = GatewayError(Code.UPSTREAM_ERROR, "no")
    assert json.loads(CLIENT.error_body(error))["error"]["code"] == "upstream_error"
    name, data = CLIENT.error_event(error).decode().strip().split("\n")
    assert name == "event: error"
    said = ResponseErrorEvent.model_validate_json(data.removeprefix("data: "), strict=True)
    assert said.code == "upstream_error"


def test_the_backends_name_of_the_model_goes_out() -> None:
    _, fields = CLIENT.read_head(b'{"model":"m","input":"hi","unknown":1}')
    addressed = UPSTREAM.addressed(fields, fields["unknown"])
    assert bytes(addressed["model"]) == b"1"
    assert set(addressed) == set(fields)
