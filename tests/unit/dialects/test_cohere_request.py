"""What Cohere's chat cannot say is refused by name."""

import pytest

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.cohere_request import write
from gateway.errors import Code, GatewayError

HI: Document = {"role": "user", "content": "hi"}
TOOL: Document = {"type": "function", "function": {"name": "t"}}
STRICT: Document = {"type": "function", "function": {"name": "t", "strict": True}}


def _chat(**fields: object) -> Document:
    return {"model": "command-a", "messages": [HI], **fields}


@pytest.mark.parametrize(
    ("chat", "param"),
    [
        (_chat(n=2), "n"),
        (_chat(logprobs=True), "logprobs"),
        (_chat(logit_bias={"1": 1}), "logit_bias"),
        (_chat(something="new"), "something"),
        (_chat(response_format={"type": "grammar"}), "response_format"),
        (_chat(tools=[TOOL], parallel_tool_calls=False), "parallel_tool_calls"),
        (_chat(tools=[TOOL], tool_choice=TOOL), "tool_choice"),
        (_chat(tools=[TOOL, STRICT]), "tools"),
        (_chat(tools=[{"type": "custom"}]), "tools.0.type"),
        (_chat(messages=[{**HI, "name": "me"}]), "messages.0.name"),
        (
            _chat(messages=[{"role": "user", "content": [{"type": "file", "file": {}}]}]),
            "messages.0.content.0",
        ),
        (
            _chat(messages=[{"role": "tool", "content": [{"type": "image_url"}]}]),
            "messages.0.content.0",
        ),
    ],
)
def test_what_it_has_no_word_for_is_refused_by_name(chat: Document, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        write(chat, Losses())
    assert (caught.value.code, caught.value.param) == (Code.UNTRANSLATABLE, param)
    losses = Losses(drop=True)
    write(chat, losses)
    assert losses.dropped == [param]


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({}, None),
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"reasoning_effort": "low"}, {"type": "enabled", "token_budget": 2048}),
        ({"reasoning_effort": "high"}, {"type": "enabled"}),
        ({"thinking": {"type": "disabled"}}, {"type": "disabled"}),
        ({"thinking": {"type": "adaptive"}}, {"type": "enabled"}),
    ],
)
def test_effort_is_a_budget(fields: Document, thinking: object) -> None:
    assert write(_chat(**fields), Losses()).get("thinking") == thinking


def test_a_result_that_says_it_failed_says_it_once() -> None:
    tool = {"role": "tool", "tool_call_id": "1", "content": "Error: x", "is_error": True}
    (written,) = write(_chat(messages=[tool]), Losses())["messages"]
    assert written["content"] == [{"type": "text", "text": "Error: x"}]
