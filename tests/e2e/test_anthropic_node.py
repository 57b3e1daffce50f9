"""Anthropic's client in Node, in front of a model that speaks OpenAI's language."""

from typing import Any, Final

import pytest

from tests.e2e.node import Node, NodeError, missing

REASON = missing()
if REASON is not None:
    pytest.skip(f"no client in Node here: {REASON}", allow_module_level=True)

TOOL: Final = {
    "name": "weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def test_a_stream_says_what_the_whole_answer_says(node: Node) -> None:
    whole = node("message", model="demo")
    streamed = node("messageStream", model="demo")
    assert streamed["events"][0]["type"] == "message_start"
    assert streamed["events"][-1]["type"] == "message_stop"
    for answer in (whole, streamed["final"]):
        assert answer["content"][0]["type"] == "text"
        assert answer["content"][0]["text"]
        assert answer["stop_reason"] == "end_turn"
    assert streamed["final"]["usage"]["output_tokens"] == whole["usage"]["output_tokens"] > 0


def test_a_tool_is_called_and_its_result_taken(node: Node) -> None:
    asked: dict[str, Any] = {"model": "demo", "tools": [TOOL]}
    final = node("messageStream", **asked, tool_choice={"type": "any"})["final"]
    assert final["stop_reason"] == "tool_use"
    (call,) = final["content"]
    assert (call["name"], list(call["input"])) == ("weather", ["city"])
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "rain"}
    turns = [
        {"role": "user", "content": "How is it in Bern?"},
        {"role": "assistant", "content": final["content"]},
        {"role": "user", "content": [result]},
    ]
    assert node("message", **asked, messages=turns)["content"][-1]["text"]


def test_tokens_are_counted_and_errors_are_its_own(node: Node) -> None:
    assert node("counted", model="demo")["input_tokens"] > 0
    with pytest.raises(NodeError) as raised:
        node("message", model="nobody's")
    assert (raised.value.kind, raised.value.status) == ("NotFoundError", 404)
    assert raised.value.request_id
