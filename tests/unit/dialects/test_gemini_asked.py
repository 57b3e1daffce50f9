"""A Gemini client's request in the lingua franca."""

import copy

import pytest

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.gemini_asked import read, schema
from gateway.errors import Code, GatewayError

CONTENTS: list[Document] = [{"parts": [{"text": "hi"}]}]
FUNCTION: Document = {"functionDeclarations": [{"name": "f"}]}


def _read(losses: Losses | None = None, **fields: object) -> Document:
    document = {"model": "m", "contents": CONTENTS, **fields}
    before = copy.deepcopy(document)
    chat = read(document, losses or Losses())
    assert document == before
    return chat


def _configured(**config: object) -> Document:
    chat = _read(generationConfig=config)
    return {name: value for name, value in chat.items() if name not in ("model", "messages")}


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("cachedContent", "c"),
        ("somethingNew", 1),
        ("safetySettings.0", [{"category": "x", "threshold": "BLOCK_LOW_AND_ABOVE"}]),
        ("tools.0.codeExecution", [{"codeExecution": {}}]),
        ("tools.0.googleSearch", [{"googleSearch": {"timeRangeFilter": {}}}]),
        ("generationConfig.speechConfig", {"speechConfig": {}}),
        ("generationConfig.responseModalities", {"responseModalities": ["TEXT", "AUDIO"]}),
        ("generationConfig.responseMimeType", {"responseMimeType": "text/x.enum"}),
    ],
)
def test_what_only_gemini_knows_is_refused_by_name(param: str, value: object) -> None:
    asked: Document = {param.partition(".")[0]: value}
    with pytest.raises(GatewayError) as refused:
        _read(**asked)
    assert (refused.value.code, refused.value.param) == (Code.UNTRANSLATABLE, param)
    losses = Losses(drop=True)
    assert _read(losses, **asked) == _read()
    assert losses.dropped == [param]


@pytest.mark.parametrize(
    "fields",
    [
        {"safetySettings": [{"category": "x", "threshold": "BLOCK_NONE"}, {"threshold": "OFF"}]},
        {"labels": {"a": "b"}, "toolConfig": {}, "tools": []},
        {"generationConfig": {"candidateCount": 1, "responseModalities": ["TEXT"]}},
        {"generationConfig": {"responseMimeType": "text/plain", "stopSequences": [], "seed": None}},
        {"generationConfig": {"thinkingConfig": {"includeThoughts": False}}},
    ],
)
def test_what_asks_for_nothing_is_no_loss(fields: Document) -> None:
    assert _read(**fields) == _read()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"contents": 1}, "contents"),
        ({"generationConfig": {"stopSequences": "x"}}, "generationConfig.stopSequences"),
    ],
)
def test_a_field_of_the_wrong_form_is_named(fields: Document, param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        _read(**fields)
    assert (refused.value.code, refused.value.param) == (Code.INVALID_VALUE, param)


def test_both_spellings_are_read_and_the_users_names_are_left_alone() -> None:
    declared = {"name": "f", "parameters_json_schema": {"properties": {"a_b": {}}}}
    chat = _read(
        system_instruction={"parts": [{"text": "s"}]},
        generation_config={"max_output_tokens": 5},
        tools=[{"function_declarations": [declared]}],
        tool_config={"function_calling_config": {"mode": "NONE"}},
    )
    assert chat["messages"][0] == {"role": "system", "content": "s"}
    assert chat["max_tokens"] == 5
    assert chat["tools"][0]["function"]["parameters"] == {"properties": {"a_b": {}}}
    assert chat["tool_choice"] == "none"


@pytest.mark.parametrize(
    ("thinking", "wanted"),
    [
        ({"thinkingBudget": 0}, {"thinking": {"type": "disabled"}}),
        (
            {"thinkingBudget": 9},
            {"thinking": {"type": "enabled", "budget_tokens": 9, "display": "omitted"}},
        ),
        ({"thinkingBudget": -1}, {"thinking": {"type": "adaptive", "display": "omitted"}}),
        ({"includeThoughts": True}, {"thinking": {"type": "adaptive"}}),
        (
            {"thinkingLevel": "LOW", "includeThoughts": True},
            {"reasoning_effort": "low", "thinking": {"type": "adaptive"}},
        ),
    ],
)
def test_thinking_is_a_budget_or_a_word(thinking: Document, wanted: Document) -> None:
    assert _configured(thinkingConfig=thinking) == wanted


def test_json_is_asked_for_with_or_without_a_schema() -> None:
    assert _configured(responseMimeType="application/json") == {
        "response_format": {"type": "json_object"}
    }
    wanted = _configured(responseMimeType="application/json", responseJsonSchema={"type": "array"})
    assert wanted["response_format"]["json_schema"]["schema"] == {"type": "array"}


@pytest.mark.parametrize(
    ("config", "choice"),
    [
        ({"mode": "AUTO"}, None),
        ({"mode": "ANY"}, "required"),
        (
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
            {"type": "function", "function": {"name": "f"}},
        ),
        (
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "f"}}],
                },
            },
        ),
    ],
)
def test_a_mode_is_a_choice_of_tools(config: Document, choice: object) -> None:
    chat = _read(tools=[FUNCTION], toolConfig={"functionCallingConfig": config})
    assert chat.get("tool_choice") == choice


def test_a_search_is_asked_for_as_openai_has_it() -> None:
    assert _read(tools=[{"googleSearch": {}}])["web_search_options"] == {}


def test_a_schema_of_googles_is_json_schema() -> None:
    told = {
        "type": "OBJECT",
        "title": "t",
        "any_of": [{"type": "STRING", "maxLength": "5"}, {"ref": "#/defs/x"}],
        "defs": {"x": {"type": "NUMBER", "nullable": True}},
        "properties": {"type": {"type": "TYPE_UNSPECIFIED", "minItems": "x", "example": 1}},
        "items": {"type": "STRING"},
    }
    assert schema(told) == {
        "type": "object",
        "title": "t",
        "anyOf": [{"type": "string", "maxLength": 5}, {"$ref": "#/defs/x"}],
        "$defs": {"x": {"type": ["number", "null"]}},
        "properties": {"type": {"minItems": "x"}},
        "items": {"type": "string"},
    }
