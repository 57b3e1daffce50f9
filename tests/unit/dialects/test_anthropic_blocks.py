"""Messages and parts in Anthropic's words. Whole requests: tests/golden/anthropic."""

import base64

import pytest

from gateway.chat.document import Document
from gateway.dialects.anthropic_blocks import conversation, tool_id
from gateway.dialects.base import Losses
from gateway.errors import Code, GatewayError

OLD, NEW = "claude-opus-4-6", "claude-opus-4-8"
USER: Document = {"role": "user", "content": "hi"}
SYSTEM: Document = {"role": "system", "content": "Now in French."}


def _written(*messages: Document, model: str = OLD) -> Document:
    return conversation({"model": model, "messages": list(messages)}, Losses())


def _refused(*messages: Document) -> tuple[Code, str | None]:
    with pytest.raises(GatewayError) as refused:
        _written(*messages)
    return refused.value.code, refused.value.param


def test_what_the_system_says_midway_stays_where_the_model_hears_it() -> None:
    assert _written(USER, SYSTEM) == {"system": "Now in French.", "messages": [USER]}
    said = {"role": "system", "content": [{"type": "text", "text": "Now in French."}]}
    assert _written(USER, SYSTEM, model=NEW) == {"messages": [USER, said]}
    spoken: Document = {"role": "assistant", "content": "Hi."}
    assert _written(USER, spoken, SYSTEM, model=NEW)["system"] == "Now in French."


def test_signed_reasoning_goes_back_first_and_unchanged() -> None:
    blocks = [
        {"type": "thinking", "thinking": "a\u2028b ", "signature": "s=="},
        {"type": "redacted_thinking", "data": "d=="},
        {"type": "thinking", "thinking": "unsigned", "signature": ""},
    ]
    message = {
        "role": "assistant",
        "content": "x",
        "reasoning_content": "hm",
        "thinking_blocks": blocks,
    }
    content = _written(USER, message)["messages"][1]["content"]
    assert content == [*blocks[:2], {"type": "text", "text": "x"}]


def test_empty_text_falls_away() -> None:
    parts = [{"type": "text", "text": ""}, {"type": "text", "text": "x"}]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    called: Document = {"role": "assistant", "content": "", "tool_calls": [call]}
    written = _written({"role": "user", "content": parts}, called)["messages"]
    assert written[0]["content"] == [{"type": "text", "text": "x"}]
    assert [block["type"] for block in written[1]["content"]] == ["tool_use"]


def test_a_refusal_is_among_its_words() -> None:
    written = _written(USER, {"role": "assistant", "content": None, "refusal": "No."})
    assert written["messages"][1]["content"] == [{"type": "text", "text": "No."}]


@pytest.mark.parametrize("arguments", ["{", "[]", "1", None, 5])
def test_arguments_must_be_an_object(arguments: object) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    message: Document = {"role": "assistant", "content": None, "tool_calls": [call]}
    if arguments is None:
        block = _written(USER, message)["messages"][1]["content"][0]
        assert block["input"] == {}
    else:
        param = "messages.1.tool_calls.0.function.arguments"
        assert _refused(USER, message) == (Code.INVALID_VALUE, param)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "name": "bob", "content": "x"}, "messages.0.name"),
        ({"role": "assistant", "content": "x", "audio": {"id": "a"}}, "messages.0.audio"),
        (
            {"role": "assistant", "content": None, "tool_calls": [{"type": "custom"}]},
            "messages.0.tool_calls.0",
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
            "messages.0.content.0",
        ),
        ({"role": "user", "content": [{"type": "video_url"}]}, "messages.0.content.0"),
        (
            {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
            "messages.0.content.0",
        ),
        (
            {
                "role": "user",
                "content": [{"type": "file", "file": {"file_data": "data:image/gif;base64,"}}],
            },
            "messages.0.content.0.file",
        ),
    ],
)
def test_what_has_no_word_is_refused_by_name(message: Document, param: str) -> None:
    assert _refused(message) == (Code.UNTRANSLATABLE, param)


def test_ids_of_others_are_spelled_in_its_letters_and_stay_apart() -> None:
    assert tool_id("toolu_01-A") == "toolu_01-A"
    ids = ["f:0", "f.0", "f_0", "f 0", "ü"]
    spelled = [tool_id(id) for id in ids]
    assert len(set(spelled)) == len(ids)
    assert all(id.isascii() and id.replace("_", "").replace("-", "").isalnum() for id in spelled)


def test_marks_for_the_cache_stay_on_their_blocks() -> None:
    mark = {"type": "ephemeral"}
    result = {"role": "tool", "tool_call_id": "c", "content": "x", "cache_control": mark}
    spoken = {"role": "assistant", "content": "x", "cache_control": mark}
    ruled = {"role": "system", "content": "x", "cache_control": mark}
    written = _written(ruled, result, spoken)
    assert written["system"] == [{"type": "text", "text": "x", "cache_control": mark}]
    for message in written["messages"]:
        assert message["content"][-1]["cache_control"] == mark


def _document(data: str) -> Document:
    part = {"type": "file", "file": {"file_data": data, "filename": "n"}}
    block: Document = _written({"role": "user", "content": [part]})["messages"][0]["content"][0]
    return block


def test_a_file_is_a_document() -> None:
    text = base64.b64encode("grün".encode()).decode()
    assert _document(f"data:text/markdown;charset=utf-8;base64,{text}") == {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "grün"},
        "title": "n",
    }
    assert _document("data:application/pdf;base64,JVBE")["source"] == {
        "type": "base64",
        "media_type": "application/pdf",
        "data": "JVBE",
    }


@pytest.mark.parametrize("data", ["%", "/w=="])
def test_text_that_is_none_is_refused(data: str) -> None:
    part = {"type": "file", "file": {"file_data": f"data:text/plain;base64,{data}"}}
    message: Document = {"role": "user", "content": [part]}
    assert _refused(message) == (Code.INVALID_VALUE, "messages.0.content.0.file.file_data")
