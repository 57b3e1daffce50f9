"""What Ollama's chat cannot say is refused by name."""

import pytest

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.ollama_request import write
from gateway.errors import Code, GatewayError

HI: Document = {"role": "user", "content": "hi"}
TOOL: Document = {"type": "function", "function": {"name": "t"}}


def _chat(**fields: object) -> Document:
    return {"model": "qwen3", "messages": [HI], **fields}


def _said(part: Document) -> Document:
    return _chat(messages=[{"role": "user", "content": [part]}])


@pytest.mark.parametrize(
    ("chat", "param"),
    [
        (_chat(n=2), "n"),
        (_chat(logit_bias={"1": 1}), "logit_bias"),
        (_chat(something="new"), "something"),
        (_chat(response_format={"type": "grammar"}), "response_format"),
        (_chat(tools=[TOOL], parallel_tool_calls=False), "parallel_tool_calls"),
        (_chat(tools=[TOOL], tool_choice="required"), "tool_choice"),
        (_chat(tools=[{"type": "custom"}]), "tools.0.type"),
        (_chat(messages=[{**HI, "name": "me"}]), "messages.0.name"),
        (_said({"type": "file", "file": {}}), "messages.0.content.0"),
        (
            _said({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
            "messages.0.content.0.image_url.url",
        ),
        (
            _said(
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AA", "detail": "low"},
                }
            ),
            "messages.0.content.0.image_url.detail",
        ),
        (
            _chat(
                messages=[{"role": "assistant", "tool_calls": [{"function": {"arguments": "x"}}]}]
            ),
            "messages.0.tool_calls.0.function.arguments",
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
    ("fields", "think"),
    [
        ({}, None),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "low"}, True),
        ({"reasoning_effort": "xhigh", "model": "gpt-oss:20b"}, "high"),
        ({"reasoning_effort": "medium", "model": "gpt-oss:20b"}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, True),
        ({"thinking": {"type": "disabled"}}, False),
    ],
)
def test_effort_is_thinking(fields: Document, think: object) -> None:
    assert write(_chat(**fields), Losses()).get("think") == think


def test_no_choice_is_no_tool() -> None:
    assert "tools" not in write(_chat(tools=[TOOL], tool_choice="none"), Losses())
    assert write(_chat(response_format={"type": "json_object"}), Losses())["format"] == "json"
