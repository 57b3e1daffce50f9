"""What Converse cannot say is refused by name, and everything else is said."""

from typing import Any

import pytest

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.bedrock_request import write
from gateway.errors import Code, GatewayError

HI: Document = {"role": "user", "content": "hi"}
TOOL: Document = {"type": "function", "function": {"name": "t"}}
CALL: Document = {"id": "1", "type": "function", "function": {"name": "t", "arguments": "{}"}}


def _chat(**fields: Any) -> Document:
    return {"model": "anthropic.claude", "messages": [HI], **fields}


def _said(*parts: Document) -> Document:
    return _chat(messages=[{"role": "user", "content": list(parts)}])


@pytest.mark.parametrize(
    ("chat", "param"),
    [
        (_chat(seed=1), "seed"),
        (_chat(n=2), "n"),
        (_chat(logprobs=True), "logprobs"),
        (_chat(logit_bias={"1": 2}), "logit_bias"),
        (_chat(frequency_penalty=0.5), "frequency_penalty"),
        (_chat(something="new"), "something"),
        (_chat(response_format={"type": "json_object"}), "response_format"),
        (_chat(service_tier="scale"), "service_tier"),
        (_chat(model="meta.llama3", top_k=1), "top_k"),
        (_chat(model="meta.llama3", thinking={"type": "enabled"}), "thinking"),
        (_chat(tools=[TOOL], parallel_tool_calls=False), "parallel_tool_calls"),
        (_chat(tools=[{"type": "custom"}]), "tools.0.type"),
        (_chat(tools=[TOOL], tool_choice={"type": "allowed_tools"}), "tool_choice"),
        (_chat(messages=[{**HI, "name": "me"}]), "messages.0.name"),
        (
            _chat(
                tools=[TOOL],
                tool_choice="none",
                messages=[HI, {"role": "assistant", "tool_calls": [CALL]}],
            ),
            "tool_choice",
        ),
        (
            _chat(
                messages=[{"role": "assistant", "tool_calls": [{"function": {"arguments": "[1]"}}]}]
            ),
            "messages.0.tool_calls.0.function.arguments",
        ),
        (
            _chat(messages=[{"role": "system", "content": [{"type": "image_url"}]}]),
            "messages.0.content.0",
        ),
        (_said({"type": "video"}), "messages.0.content.0"),
        (
            _said({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA"}}),
            "messages.0.content.0.image_url.url",
        ),
        (
            _said({"type": "image_url", "image_url": {"url": "s3://b/a.png", "detail": "low"}}),
            "messages.0.content.0.image_url.detail",
        ),
        (
            _said({"type": "file", "file": {"file_id": "f"}}),
            "messages.0.content.0.file.file_id",
        ),
        (
            _said({"type": "file", "file": {"file_url": "https://example.com/a.pdf"}}),
            "messages.0.content.0.file.file_url",
        ),
    ],
)
def test_what_it_has_no_word_for_is_refused_by_name(chat: Document, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        write(chat, Losses())
    assert (caught.value.code, caught.value.param) == (Code.UNTRANSLATABLE, param)
    losses = Losses(drop=True)
    assert param not in write(chat, losses)
    assert losses.dropped == [param]


def test_the_end_of_tools_is_none_at_all() -> None:
    assert "toolConfig" not in write(_chat(tools=[TOOL], tool_choice="none"), Losses())


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [("auto", {"auto": {}}), ("required", {"any": {}}), (None, None)],
)
def test_tools_may_be_chosen(choice: object, wanted: object) -> None:
    config = write(_chat(tools=[TOOL], tool_choice=choice), Losses())["toolConfig"]
    assert config.get("toolChoice") == wanted


def test_novas_top_k_is_where_nova_has_it() -> None:
    asked = write(_chat(model="eu.amazon.nova-pro-v1:0", top_k=9), Losses())
    assert asked["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 9}}


def test_nothing_said_is_no_turn() -> None:
    chat = _chat(messages=[HI, {"role": "assistant", "content": ""}, HI])
    assert write(chat, Losses())["messages"] == [
        {"role": "user", "content": [{"text": "hi"}, {"text": "hi"}]}
    ]


def test_a_refusal_was_said_too() -> None:
    chat = _chat(messages=[HI, {"role": "assistant", "content": None, "refusal": "no"}])
    assert write(chat, Losses())["messages"][1]["content"] == [{"text": "no"}]


def test_a_documents_place_is_kept_where_it_lies_in_s3() -> None:
    chat = _said({"type": "file", "file": {"file_url": "s3://b/x.docx"}})
    assert write(chat, Losses())["messages"][0]["content"] == [
        {
            "document": {
                "format": "docx",
                "name": "document",
                "source": {"s3Location": {"uri": "s3://b/x.docx"}},
            }
        }
    ]
