"""Chat's fields in Anthropic's words. Whole requests: tests/golden/anthropic."""

import pytest

from gateway.chat.document import Document
from gateway.dialects import anthropic_ask
from gateway.dialects.base import Losses
from gateway.errors import Code, GatewayError

OPUS, SONNET_45, HAIKU_3 = "claude-opus-4-6", "claude-sonnet-4-5", "claude-3-haiku-20240307"


def _write(**fields: object) -> Document:
    chat = {"model": OPUS, "messages": [{"role": "user", "content": "hi"}], **fields}
    return anthropic_ask.write(chat, Losses())


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("n", 2),
        ("seed", 0),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"1": 1}),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -0.5),
        ("store", True),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "a"}),
        ("response_format", {"type": "json_object"}),
        ("response_format", "json"),
        ("service_tier", "flex"),
        ("temperature", 1.5),
        ("tool_choice", {"type": "allowed_tools"}),
        ("prediction", {"type": "content"}),
        ("web_search_options", {}),
        ("verbosity", "low"),
        ("something_new", 1),
    ],
)
def test_what_has_no_word_is_refused_by_name(param: str, value: object) -> None:
    with pytest.raises(GatewayError) as refused:
        _write(**{param: value})
    assert (refused.value.code, refused.value.param) == (Code.UNTRANSLATABLE, param)
    losses = Losses(drop=True)
    messages = [{"role": "user", "content": "hi"}]
    written = anthropic_ask.write({"model": OPUS, "messages": messages, param: value}, losses)
    assert losses.dropped == [param]
    assert param not in written


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1, "store": False, "logprobs": False, "top_logprobs": 0, "logit_bias": {}},
        {"presence_penalty": 0, "frequency_penalty": 0.0, "modalities": ["text"], "seed": None},
        {"response_format": {"type": "text"}, "stop": None, "tools": [], "service_tier": "auto"},
        {"stream": False, "stream_options": None, "prompt_cache_key": "k", "metadata": {"a": "b"}},
        {"tool_choice": "auto", "parallel_tool_calls": False, "verbosity": "medium"},
    ],
)
def test_what_says_nothing_is_no_loss(fields: Document) -> None:
    assert _write(**fields) == _write()


def test_a_limit_is_always_said() -> None:
    assert _write()["max_tokens"] == 32_000
    assert _write(model=HAIKU_3)["max_tokens"] == 4096
    assert _write(max_tokens=5)["max_tokens"] == 5
    assert _write(max_tokens=5, max_completion_tokens=6)["max_tokens"] == 6


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ({"user": "u", "safety_identifier": "s"}, "u"),
        ({"safety_identifier": "s"}, "s"),
        ({"metadata": {"user_id": "m"}}, "m"),
    ],
)
def test_a_user_is_an_id_in_the_metadata(fields: Document, user: str) -> None:
    assert _write(**fields)["metadata"] == {"user_id": user}


TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", None, {"type": "auto"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
    ],
)
def test_a_choice_of_tools_has_its_word(choice: object, parallel: object, written: object) -> None:
    asked = _write(tools=[TOOL], tool_choice=choice, parallel_tool_calls=parallel)
    assert asked.get("tool_choice") == written


def test_a_tool_of_another_kind_is_refused() -> None:
    with pytest.raises(GatewayError) as refused:
        _write(tools=[TOOL, {"type": "custom", "custom": {"name": "c"}}])
    assert refused.value.param == "tools.1"


def test_a_schema_keeps_its_description() -> None:
    said = {"name": "n", "description": "d", "schema": {"type": "object"}, "strict": True}
    written = _write(response_format={"type": "json_schema", "json_schema": said})
    form = {"type": "json_schema", "schema": {"type": "object", "description": "d"}}
    assert written["output_config"] == {"format": form}


# ---- thinking


@pytest.mark.parametrize(
    ("model", "effort", "limit", "thinking", "word"),
    [
        (OPUS, "high", None, {"type": "adaptive"}, "high"),
        (OPUS, "minimal", None, {"type": "adaptive"}, "low"),
        (OPUS, "xhigh", 10, {"type": "adaptive"}, "xhigh"),
        (OPUS, "none", None, {"type": "disabled"}, None),
        (SONNET_45, "minimal", None, {"type": "enabled", "budget_tokens": 1024}, None),
        (SONNET_45, "low", None, {"type": "enabled", "budget_tokens": 2048}, None),
        (SONNET_45, "medium", None, {"type": "enabled", "budget_tokens": 8192}, None),
        (SONNET_45, "high", None, {"type": "enabled", "budget_tokens": 16384}, None),
        (SONNET_45, "high", 2000, {"type": "enabled", "budget_tokens": 1999}, None),
    ],
)
def test_effort_is_an_effort_or_a_budget(
    model: str, effort: str, limit: int | None, thinking: Document, word: str | None
) -> None:
    written = _write(model=model, reasoning_effort=effort, max_completion_tokens=limit)
    assert written["thinking"] == thinking
    assert written.get("output_config", {}).get("effort") == word


@pytest.mark.parametrize(("model", "limit"), [(HAIKU_3, None), (SONNET_45, 1024)])
def test_effort_that_cannot_be_is_refused(model: str, limit: int | None) -> None:
    with pytest.raises(GatewayError) as refused:
        _write(model=model, reasoning_effort="high", max_tokens=limit)
    assert refused.value.param == "reasoning_effort"


def test_thinking_that_is_said_goes_as_it_is() -> None:
    thinking = {"type": "enabled", "budget_tokens": 5000}
    assert (
        _write(model=SONNET_45, thinking=thinking, reasoning_effort="low")["thinking"] == thinking
    )
    both = _write(thinking={"type": "adaptive", "display": "omitted"}, reasoning_effort="low")
    assert both["thinking"] == {"type": "adaptive", "display": "omitted"}
    assert both["output_config"] == {"effort": "low"}
