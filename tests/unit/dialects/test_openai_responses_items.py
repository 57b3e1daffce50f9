"""Items and the response around them; reasoning that goes back as it came."""

import json

import pytest
from openai.types.responses import Response

from gateway.chat.deltas import CallPart, Extra, Logprobs, Reasoning, Refusal, Text
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects import openai_responses_items as made


def test_our_seal_holds_id_and_content() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": made.signature("rs_1", "a.b")}
    item = made.unsigned(block)
    assert item is not None
    assert (item["id"], item["encrypted_content"]) == ("rs_1", "a.b")
    assert list(made.deltas(item, 0)) == [
        Reasoning(0, "hm"),
        Reasoning(0, signature="rs_1.a.b"),
    ]


@pytest.mark.parametrize("signature", ["", "ErUB...", "rs_1"])
def test_another_vendors_signature_is_no_item(signature: str) -> None:
    assert made.unsigned({"type": "thinking", "thinking": "x", "signature": signature}) is None


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": "hm\n", "signature": "ErUB=="},
        {"type": "thinking", "thinking": "", "signature": "ErUB=="},
        {"type": "thinking", "thinking": "hm", "signature": "rs_1.gAAAA=="},
        {"type": "redacted_thinking", "data": "xyz"},
    ],
)
def test_blocks_of_any_vendor_survive_two_turns(block: Document) -> None:
    item = made.reasoning_item(
        "rs_1", block.get("thinking", ""), block.get("signature", ""), block.get("data", "")
    )
    assert made.block(item)[1] == block


def test_openais_own_reasoning_survives_where_turns_were_passed_through() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA=="}
    block = made.block(item)[1]
    assert block is not None
    assert made.unsigned(block) == item


def test_reasoning_without_a_seal_is_text() -> None:
    assert made.block(made.reasoning_item("rs_1", "hm")) == ("hm", None)
    content = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}
    assert made.block(content) == ("hm", None)


def test_annotations_have_a_level_more_in_chats() -> None:
    flat = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
    assert made.flat(made.nested(flat)) == flat
    assert made.nested(made.nested(flat)) == made.nested(flat)
    assert made.flat(flat) == flat


def test_an_answer_is_items_in_the_order_of_its_making() -> None:
    message = {
        "content": "a",
        "refusal": "no",
        "reasoning_content": "hm and more",
        "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
        "tool_calls": [{"id": "call_1", "function": {"name": "f", "arguments": "{}"}}],
    }
    answer = {"id": "c", "choices": [{"message": message, "finish_reason": "tool_calls"}]}
    items = made.items(answer)
    assert "extra_content" not in items[3]
    assert [(item["type"], item["id"]) for item in items] == [
        ("reasoning", "rs_c_0"),
        ("reasoning", "rs_c_1"),
        ("message", "msg_c_2"),
        ("function_call", "fc_c_3"),
    ]
    assert items[1]["summary"] == [{"type": "summary_text", "text": " and more"}]
    assert [part["type"] for part in items[2]["content"]] == ["output_text", "refusal"]
    assert made.items({"id": "c", "choices": []}) == []


def test_a_response_says_again_what_was_asked() -> None:
    request = {
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
        "verbosity": "low",
        "reasoning_effort": "high",
        "parallel_tool_calls": False,
        "metadata": {"a": "b"},
    }
    shell = made.response(request, id="c", model="m", created=7, status="completed", output=[])
    response = Response.model_validate(made.ended(shell, "length", Usage(5, 4, 1, 2, 1)))
    assert response.id == "resp_c"
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.parallel_tool_calls is False
    assert response.tools[0].type == "function"
    assert response.usage is not None
    assert response.usage.total_tokens == 9


def test_allowed_tools_are_said_again() -> None:
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}
    request = {"tool_choice": {"type": "allowed_tools", "allowed_tools": allowed}}
    shell = made.response(request, id="c", model="m", created=7, status="completed", output=[])
    assert shell["tool_choice"] == {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "f"}],
    }


def test_usage_is_read_as_it_is_written_and_never_believed_blindly() -> None:
    usage = Usage(5, 4, 1, 2, 1)
    assert made.usage_of(json.dumps(made.written(usage)).encode()) == usage
    assert made.counted({"usage": None}) is None
    assert made.usage_of(b'{"input_tokens":-1}') is None
    assert made.usage_of(b'{"input_tokens":"many"}') is None


@pytest.mark.parametrize(
    ("response", "called", "reason"),
    [
        ({"status": "completed"}, False, "stop"),
        ({"status": "completed"}, True, "tool_calls"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            True,
            "length",
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            False,
            "content_filter",
        ),
        ({"status": "incomplete"}, False, "length"),
    ],
)
def test_why_a_response_ended(response: Document, called: bool, reason: str) -> None:
    assert made.ending(response, called=called) == reason


def test_whole_items_are_read() -> None:
    token = {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}
    annotation = {"type": "url_citation", "url": "u"}
    item = made.message_item(
        "msg_1", [made.text_part("a", [annotation], [token]), made.refusal_part("no")]
    )
    assert list(made.deltas(item, 0)) == [
        Text(0, "a"),
        Logprobs(0, [token]),
        Extra(0, {"annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]}),
        Refusal(0, "no"),
    ]
    call = made.call_item("fc_1", "call_1", "f", "{}")
    assert list(made.deltas(call, 3)) == [CallPart(0, 3, "call_1", "f", "{}")]
    assert list(made.deltas({"type": "web_search_call"}, 0)) == []
