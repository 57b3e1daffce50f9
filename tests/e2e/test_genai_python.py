"""google-genai in front of Gemini, where bytes pass, and of a backend that speaks OpenAI's chat."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from google import genai
from google.genai import errors, types

from tests.harness import KEY, Gateway
from tests.vendors import gemini_wire
from tests.vendors.scripted import (
    LAST_CHUNK,
    Received,
    Script,
    Send,
    Vendor,
    chunk,
    response,
    stream_head,
)

USAGE: Final = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
ENVELOPE: Final = {"id": "1", "created": 1, "model": "x"}


@dataclass(frozen=True, slots=True)
class House:
    google: Vendor
    other: Vendor
    gateway: Gateway


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with (
        gemini_wire.vendor() as google,
        Vendor(choose=_openai) as other,
        Gateway(_config(google.url, other.url)) as gateway,
    ):
        yield House(google, other, gateway)


def _config(google: str, other: str) -> str:
    return f"""
attempts: {{retry_budget_ratio: 0, retry_budget_per_s: 0, max_hold_s: 0}}
keys:
  - {{name: tester, tenant: testers, key: "{KEY}", models: ["*"]}}
backends:
  google: {{provider: gemini, base_url: "{google}/v1beta", credential: AIza-secret}}
  other: {{provider: openai_compatible, base_url: "{other}/v1"}}
models:
  other: other/x
  "*": google/*
"""


@pytest.fixture
def client(house: House) -> genai.Client:
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{house.gateway.port}")
    return genai.Client(api_key=KEY, http_options=options)


# ---- a vendor that calls a tool first, and says what the tool said then


def _openai(request: Received) -> Script:
    asked = json.loads(request.body)
    if asked.get("stream"):
        return [Send(_streamed({"content": "said: "}, {"content": "hello"}))]
    results = [one["content"] for one in asked["messages"] if one["role"] == "tool"]
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if results:
        message["content"] = f"said: {results[-1]}"
    else:
        function = {"name": "weather", "arguments": '{"city":"Oslo"}'}
        message["tool_calls"] = [{"id": "call_x", "type": "function", "function": function}]
        message["reasoning_content"] = "Oslo, then."
    reason = "stop" if results else "tool_calls"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return [Send(response(body=_json({**ENVELOPE, "choices": [choice], "usage": USAGE})))]


def _streamed(*deltas: dict[str, Any]) -> bytes:
    choices = [{"index": 0, "delta": delta} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "length"})
    events = [_json({**ENVELOPE, "choices": [choice]}) for choice in choices]
    events += [_json({**ENVELOPE, "choices": [], "usage": USAGE}), b"[DONE]"]
    sent = b"".join(chunk(b"data: %b\n\n" % event) for event in events)
    return stream_head() + sent + LAST_CHUNK


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


# ---- the same language on both sides


def test_an_answer_passes_as_it_came(client: genai.Client, house: House) -> None:
    answer = client.models.generate_content(model="tools", contents="hi")
    assert answer.function_calls
    assert [call.id for call in answer.function_calls] == ["fc_1", "fc_2"]
    asked = house.google.journal[-1]
    assert asked.path == "/v1beta/models/tools:generateContent"
    assert asked.header("x-goog-api-key") == "AIza-secret"
    assert json.loads(asked.body).keys() == {"contents"}


def test_a_stream_passes_as_it_came(client: genai.Client, house: House) -> None:
    events = list(client.models.generate_content_stream(model="text", contents="hi"))
    assert "".join(event.text or "" for event in events) == "3474 km über alles."
    usage = events[-1].usage_metadata
    assert usage is not None
    assert usage.total_token_count == 15
    assert house.google.journal[-1].path.endswith(":streamGenerateContent?alt=sse")


def test_tokens_are_counted(client: genai.Client) -> None:
    assert client.models.count_tokens(model="text", contents="hi").total_tokens == 31


# ---- another's


def weather(city: str) -> str:
    """Of a city."""
    return f"rain in {city}"


def test_an_agent_of_googles_works_on_anothers_model(client: genai.Client, house: House) -> None:
    config = types.GenerateContentConfig(
        tools=[weather],
        temperature=0.5,
        system_instruction="Be brief.",
        thinking_config=types.ThinkingConfig(include_thoughts=True),
    )
    answer = client.models.generate_content(model="other", contents="weather?", config=config)
    assert answer.text == "said: rain in Oslo"
    asked = json.loads(house.other.journal[-1].body)
    assert asked["temperature"] == 0.5
    _, _, said, result = asked["messages"]
    assert [one["role"] for one in asked["messages"]] == ["system", "user", "assistant", "tool"]
    assert said["tool_calls"][0]["id"] == result["tool_call_id"] == "call_x"
    assert said["reasoning_content"] == "Oslo, then."


def test_a_stream_is_translated(client: genai.Client) -> None:
    events = list(client.models.generate_content_stream(model="other", contents="hi"))
    assert "".join(event.text or "" for event in events) == "said: hello"
    last = events[-1]
    assert last.candidates
    assert last.candidates[0].finish_reason is types.FinishReason.MAX_TOKENS
    assert last.usage_metadata is not None
    assert last.usage_metadata.total_token_count == 6


def test_images_reach_another_vendor(client: genai.Client, house: House) -> None:
    image = types.Part.from_bytes(data=b"\xfb\xff\xfe", mime_type="image/png")
    client.models.generate_content(model="other", contents=["what?", image])
    _, seen = json.loads(house.other.journal[-1].body)["messages"][0]["content"]
    assert seen == {"type": "image_url", "image_url": {"url": "data:image/png;base64,+//+"}}


# ---- errors


def test_errors_are_googles(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as refused:
        client.models.generate_content(model="status-429", contents="hi")
    assert (refused.value.code, refused.value.status) == (429, "RESOURCE_EXHAUSTED")
    details = refused.value.details["error"]["details"]
    assert details[0]["reason"] == "upstream_rate_limited"
    assert details[1]["retryDelay"] == "7s"


def test_a_stream_that_breaks_is_an_error(client: genai.Client) -> None:
    with pytest.raises(errors.ServerError) as broken:
        list(client.models.generate_content_stream(model="broken_stream", contents="hi"))
    assert broken.value.code == 503


def test_what_cannot_be_carried_is_named(client: genai.Client) -> None:
    config = types.GenerateContentConfig(cached_content="cachedContents/x")
    with pytest.raises(errors.ClientError, match="cachedContent") as refused:
        client.models.generate_content(model="other", contents="hi", config=config)
    assert refused.value.code == 400
