"""A Gemini client's contents as messages."""

import pytest

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.gemini_seals import Sealed, seal
from gateway.dialects.gemini_spoken import messages, system
from gateway.errors import Code, GatewayError

CALL: Document = {"functionCall": {"name": "f", "args": {}}}


def _said(*parts: Document, role: str = "user") -> list[Document]:
    return messages([{"role": role, "parts": list(parts)}], "", Losses())


@pytest.mark.parametrize(
    "instruction",
    ["a\nb", {"parts": [{"text": "a"}, {"text": "b"}]}, {"text": "a\nb"}],
)
def test_an_instruction_comes_in_three_forms(instruction: object) -> None:
    assert system(instruction, Losses()) == [{"role": "system", "content": "a\nb"}]


@pytest.mark.parametrize("nothing", [None, "", {}, {"parts": []}, {"parts": [{"text": ""}]}])
def test_no_instruction_is_no_message(nothing: object) -> None:
    assert not system(nothing, Losses())


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"executableCode": {}}, "executableCode"),
        ({"fileData": {"fileUri": "gs://b/x", "mimeType": "image/png"}}, "fileData.fileUri"),
        (
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1"}},
            "fileData.fileUri",
        ),
        ({"fileData": {"fileUri": "https://a.b", "mimeType": "video/mp4"}}, "fileData.mimeType"),
        ({"inlineData": {"mimeType": "video/mp4", "data": ""}}, "inlineData.mimeType"),
        ({"text": "x", "videoMetadata": {"fps": 1}}, "videoMetadata"),
    ],
)
def test_what_only_google_knows_is_refused_by_name(part: Document, param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        _said(part)
    assert refused.value.code is Code.UNTRANSLATABLE
    assert refused.value.param == f"contents.0.parts.0.{param}"


def test_instructions_are_text() -> None:
    with pytest.raises(GatewayError, match="instructions are text"):
        system({"parts": [{"inlineData": {}}]}, Losses())


def test_a_role_that_nobody_plays_is_refused() -> None:
    with pytest.raises(GatewayError) as refused:
        _said({"text": "x"}, role="assistant")
    assert (refused.value.code, refused.value.param) == (Code.INVALID_VALUE, "contents.0.role")


def test_a_result_finds_its_call_by_id_or_by_name() -> None:
    result: Document = {"name": "f", "response": {"result": [1]}}
    contents = [
        {"role": "model", "parts": [CALL, {"functionCall": {"id": "x", "name": "f"}}]},
        {"role": "user", "parts": [{"functionResponse": {**result, "id": "x"}}]},
        {"role": "function", "parts": [{"functionResponse": result}]},
    ]
    told = messages(contents, "", Losses())
    assert [message.get("tool_call_id") for message in told] == [None, "x", "call_0_0"]
    assert told[1]["content"] == "[1]"
    with pytest.raises(GatewayError, match="no call before it"):
        messages([*contents, contents[2]], "", Losses())


def test_a_result_may_show_something() -> None:
    shown = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    result = {"id": "1", "name": "f", "response": {"output": "see"}, "parts": [shown]}
    (message,) = _said({"functionResponse": result})
    assert message["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]


def test_thoughts_come_back_with_their_signatures() -> None:
    said = _said(
        {"text": "a", "thought": True},
        {"text": "b", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": seal(Sealed(signature="s"))},
        {"text": "", "thought": True, "thoughtSignature": seal(Sealed(redacted="r"))},
        {"text": "c", "thought": True, "thoughtSignature": "R29vZ2xl"},
        {"text": "answer", "thoughtSignature": "R29vZ2xl"},
        role="model",
    )
    assert said == [
        {
            "role": "assistant",
            "content": "answer",
            "reasoning_content": "abc",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "ab", "signature": "s"},
                {"type": "redacted_thinking", "data": "r"},
            ],
        }
    ]


def test_hidden_thoughts_come_back_with_the_call() -> None:
    blocks = [{"type": "thinking", "thinking": "a", "signature": "s"}]
    (message,) = _said({**CALL, "thoughtSignature": seal(Sealed(blocks=blocks))}, role="model")
    assert message["thinking_blocks"] == blocks
    assert message["reasoning_content"] == "a"
    assert "extra_content" not in message["tool_calls"][0]


def test_googles_signature_of_a_call_is_kept() -> None:
    (message,) = _said({**CALL, "thoughtSignature": "a-_8="}, role="model")
    extra = {"google": {"thought_signature": "a+/8="}}
    assert message["tool_calls"][0]["extra_content"] == extra


def test_a_turn_that_says_nothing_is_no_message() -> None:
    assert not _said({"text": ""}, role="model")
    assert not _said()
