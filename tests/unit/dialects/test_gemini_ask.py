"""Requests in Gemini's words: each field carried, refused by name, or known to be harmless."""

import copy

import pytest

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.gemini_ask import written
from gateway.errors import Code, GatewayError

USER = {"role": "user", "content": "hi"}


def _written(
    *messages: Document, losses: Losses | None = None, ids: bool = True, **fields: object
) -> Document:
    chat = {"model": "gemini-2.5-flash", "messages": list(messages) or [USER], **fields}
    before = copy.deepcopy(chat)
    request = written(chat, losses or Losses(), ids=ids)
    assert chat == before
    return request


def _config(**fields: object) -> Document:
    asked: Document = fields
    config: Document = _written(**asked).get("generationConfig", {})
    return config


def _call(told: str, name: str = "f", arguments: str = "{}", signature: str = "") -> Document:
    call: Document = {
        "id": told,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    if signature:
        call["extra_content"] = {"google": {"thought_signature": signature}}
    return call


def _tool(name: str = "f", **more: object) -> Document:
    return {"type": "function", "function": {"name": name, **more}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logit_bias", {"5": 1}),
        ("prediction", {}),
        ("parallel_tool_calls", False),
        ("store", True),
        ("service_tier", "flex"),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "v"}),
        ("verbosity", "low"),
        ("a_field_of_tomorrow", 1),
        ("tool_choice", {"type": "custom"}),
        ("tools.0.type", [{"type": "custom"}]),
        ("response_format.type", {"type": "grammar"}),
        ("web_search_options.user_location", {"user_location": {}}),
        ("extra_body.x", {"x": 1}),
        ("extra_body.google.x", {"google": {"x": 1}}),
    ],
)
def test_what_gemini_has_no_word_for_is_refused_by_name(name: str, value: object) -> None:
    asked: Document = {name.partition(".")[0]: value}
    with pytest.raises(GatewayError) as refused:
        _written(**asked)
    assert (refused.value.code, refused.value.param) == (Code.UNTRANSLATABLE, name)
    losses = Losses(drop=True)
    assert _written(losses=losses, **asked).keys() <= {
        "contents",
        "generationConfig",
        "tools",
    }
    assert losses.dropped == [name]


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1, "logprobs": False, "store": False, "parallel_tool_calls": True, "tools": []},
        {"user": "u", "metadata": {"a": "b"}, "stream": True, "stream_options": {}},
        {"seed": None, "stop": None, "response_format": {"type": "text"}, "modalities": ["text"]},
        {"service_tier": "auto", "logit_bias": {}, "safety_identifier": "s", "tool_choice": "auto"},
    ],
)
def test_what_asks_for_nothing_is_no_loss(fields: Document) -> None:
    assert _written(**fields) == _written()


def test_settings_have_their_places() -> None:
    assert _config(
        temperature=0,
        top_p=1,
        top_k=2,
        max_completion_tokens=3,
        n=4,
        seed=5,
        stop="END",
        presence_penalty=0.5,
        frequency_penalty=0.25,
        logprobs=True,
        top_logprobs=6,
    ) == {
        "temperature": 0,
        "topP": 1,
        "topK": 2,
        "maxOutputTokens": 3,
        "candidateCount": 4,
        "seed": 5,
        "stopSequences": ["END"],
        "presencePenalty": 0.5,
        "frequencyPenalty": 0.25,
        "responseLogprobs": True,
        "logprobs": 6,
    }


def test_googles_own_fields_go_through() -> None:
    settings = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]
    request = _written(
        safety_settings=settings,
        labels={"a": "b"},
        extra_body={
            "google": {
                "cached_content": "cachedContents/1",
                "thinking_config": {"thinking_budget": 5},
            }
        },
    )
    assert request["safetySettings"] == settings
    assert request["labels"] == {"a": "b"}
    assert request["cachedContent"] == "cachedContents/1"
    assert request["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 5}}


@pytest.mark.parametrize(
    ("model", "fields", "thinking"),
    [
        ("gemini-2.5-pro", {"reasoning_effort": "medium"}, (8192, None, True)),
        ("gemini-2.5-pro", {"reasoning_effort": "xhigh"}, (24576, None, True)),
        ("gemini-3-pro", {"reasoning_effort": "xhigh"}, (None, "HIGH", True)),
        ("gemini-3.1-flash", {"reasoning_effort": "minimal"}, (None, "MINIMAL", True)),
        ("gemini-3-pro", {"reasoning_effort": "none"}, (0, None, None)),
        ("m", {"thinking": {"type": "enabled", "budget_tokens": 5}}, (5, None, True)),
        (
            "m",
            {"thinking": {"type": "enabled", "budget_tokens": 5, "display": "omitted"}},
            (5, None, False),
        ),
        ("m", {"thinking": {"type": "disabled"}, "reasoning_effort": "low"}, (0, None, None)),
        ("m", {"thinking": {"type": "adaptive"}}, (None, None, True)),
        ("m", {"thinking": {"type": "adaptive"}, "reasoning_effort": "low"}, (1024, None, True)),
    ],
)
def test_thinking_is_asked_for_in_tokens_or_levels(
    model: str, fields: Document, thinking: tuple[int | None, str | None, bool | None]
) -> None:
    names = ("thinkingBudget", "thinkingLevel", "includeThoughts")
    told = {name: value for name, value in zip(names, thinking, strict=True) if value is not None}
    assert _config(model=model, **fields) == {"thinkingConfig": told}


def test_images_are_seen_in_one_resolution() -> None:
    def image(detail: str) -> Document:
        return {"type": "image_url", "image_url": {"url": "https://a.b/c", "detail": detail}}

    low = _written({"role": "user", "content": [image("low"), image("low")]})
    assert low["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_LOW"}
    assert "generationConfig" not in _written({"role": "user", "content": [image("high")]})
    with pytest.raises(GatewayError, match="one resolution"):
        _written({"role": "user", "content": [image("high"), image("low")]})


# ---- tools


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [_tool()]}},
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_a_choice_of_tools_is_a_mode(choice: object, config: Document) -> None:
    request = _written(tools=[_tool()], tool_choice=choice)
    assert request["toolConfig"] == {"functionCallingConfig": config}


def test_strict_functions_are_validated() -> None:
    request = _written(tools=[_tool(strict=True, parameters={"type": "object"})])
    assert request["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    declared = {"name": "f", "parametersJsonSchema": {"type": "object"}}
    assert request["tools"] == [{"functionDeclarations": [declared]}]


def test_results_stand_together_behind_their_calls() -> None:
    shown = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    contents = _written(
        USER,
        {"role": "assistant", "content": "", "tool_calls": [_call("1"), _call("2", "g")]},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "see"}, shown]},
        {"role": "tool", "tool_call_id": "2", "content": '{"a": 1}'},
        USER,
    )["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user", "user"]
    assert [part["functionResponse"] for part in contents[2]["parts"]] == [
        {"name": "f", "response": {"output": "see"}, "id": "1"},
        {"name": "g", "response": {"a": 1}, "id": "2"},
    ]
    data = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    assert contents[3]["parts"] == [{"text": "Shown by f:"}, data, {"text": "hi"}]


def test_ids_are_left_out_where_they_are_not_taken() -> None:
    calls = {"role": "assistant", "tool_calls": [_call("1")]}
    result = {"role": "tool", "tool_call_id": "1", "content": "x"}
    contents = _written(USER, calls, result, ids=False)["contents"]
    assert contents[1]["parts"] == [{"functionCall": {"name": "f", "args": {}}}]
    response = {"name": "f", "response": {"output": "x"}}
    assert contents[2]["parts"] == [{"functionResponse": response}]


def test_a_result_of_no_call_is_refused() -> None:
    with pytest.raises(GatewayError, match="no call before it"):
        _written(USER, {"role": "tool", "tool_call_id": "1", "content": "x"})


def test_a_call_of_another_model_says_that_nobody_signed_it() -> None:
    calls = {"role": "assistant", "tool_calls": [_call("1"), _call("2")]}
    parts = _written(USER, calls, model="gemini-3-pro")["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [
        "skip_thought_signature_validator",
        None,
    ]
    parts = _written(USER, calls, model="gemini-2.5-pro")["contents"][1]["parts"]
    assert not any("thoughtSignature" in part for part in parts)
    signed = {"role": "assistant", "tool_calls": [_call("1", signature="s"), _call("2")]}
    parts = _written(USER, signed, model="gemini-3-pro")["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == ["s", None]


# ---- messages


def test_thoughts_go_back_with_googles_signatures_only() -> None:
    blocks = [
        {"type": "thinking", "thinking": "a", "signature": "google:c2ln"},
        {"type": "thinking", "thinking": "b", "signature": "others"},
        {"type": "redacted_thinking", "data": "others"},
    ]
    message = {"role": "assistant", "content": "c", "reasoning_content": "abd"}
    contents = _written(USER, {**message, "thinking_blocks": blocks})["contents"]
    assert contents[1]["parts"] == [
        {"text": "a", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "b", "thought": True},
        {"text": "d", "thought": True},
        {"text": "c"},
    ]


def test_the_system_speaks_first_and_never_alone() -> None:
    system = {"role": "system", "content": "a"}
    request = _written(USER, {"role": "developer", "content": "b"}, USER, system)
    assert request["systemInstruction"] == {"parts": [{"text": "b"}, {"text": "a"}]}
    assert request["contents"] == [{"role": "user", "parts": [{"text": "hi"}, {"text": "hi"}]}]
    assert _written(system) == {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({**USER, "name": "bob"}, "messages.0.name"),
        ({"role": "assistant", "audio": {"id": "1"}}, "messages.0.audio"),
    ],
)
def test_what_a_message_cannot_say_is_refused(message: Document, param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        _written(message, USER)
    assert refused.value.param == param


def test_a_refusal_is_said_and_an_empty_turn_is_not() -> None:
    refusal = {"role": "assistant", "content": None, "refusal": "no"}
    silence = {"role": "assistant", "content": ""}
    assert _written(USER, refusal, USER)["contents"][1]["parts"] == [{"text": "no"}]
    assert len(_written(USER, silence)["contents"]) == 1


def test_a_texts_signature_goes_back_with_it() -> None:
    extra = {"google": {"thought_signature": "c2ln"}}
    message = {"role": "assistant", "content": "", "extra_content": extra}
    assert _written(USER, message)["contents"][1]["parts"] == [
        {"text": "", "thoughtSignature": "c2ln"}
    ]
