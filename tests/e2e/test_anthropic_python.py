"""The anthropic client through the gateway: in front of the simulated model, which speaks OpenAI's
languages, and in front of one that answers as Anthropic does.
"""

import json
from collections.abc import Iterator

import anthropic
import pytest

from tests.harness import KEY, Gateway, config_for
from tests.vendors.scripted import Send, Vendor, response

HELLO: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello!"}]
TOOL: anthropic.types.ToolParam = {
    "name": "weather",
    "description": "What the weather is like.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALLED = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-vendor",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_7",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
                    }
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "As it came."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 4},
}
SIMULATED = f"""
keys: [{{name: tester, tenant: testers, key: "{KEY}"}}]
backends: {{sim: {{provider: simulated}}}}
models: {{m: sim/lorem}}
"""


@pytest.fixture(scope="module")
def simulated() -> Iterator[Gateway]:
    with Gateway(SIMULATED) as gateway:
        yield gateway


def client_of(gateway: Gateway) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0)


def test_it_talks_to_a_model_that_speaks_openai_s_language(simulated: Gateway) -> None:
    with client_of(simulated) as client:
        whole = client.messages.create(model="m", max_tokens=50, messages=HELLO)
        with client.messages.stream(model="m", max_tokens=50, messages=HELLO) as stream:
            streamed = stream.get_final_message()
    assert isinstance(whole.content[0], anthropic.types.TextBlock)
    assert isinstance(streamed.content[0], anthropic.types.TextBlock)
    assert whole.content[0].text == streamed.content[0].text != ""
    assert whole.usage.output_tokens == streamed.usage.output_tokens > 0
    assert whole.stop_reason == streamed.stop_reason


def test_errors_are_of_its_own_kinds(simulated: Gateway) -> None:
    with client_of(simulated) as client:
        with pytest.raises(anthropic.NotFoundError, match="does not exist"):
            client.messages.create(model="nobody", max_tokens=5, messages=HELLO)
        with pytest.raises(anthropic.BadRequestError):
            client.messages.create(model="m", max_tokens=5, messages=[])
    bad = anthropic.Anthropic(base_url=simulated.url, api_key="sk-wrong", max_retries=0)
    with bad, pytest.raises(anthropic.AuthenticationError) as raised:
        bad.messages.create(model="m", max_tokens=5, messages=HELLO)
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["type"] == "error"


def test_tokens_are_counted_or_estimated(simulated: Gateway) -> None:
    with client_of(simulated) as client:
        counted = client.messages.count_tokens(model="m", messages=HELLO)
    assert 0 < counted.input_tokens < 50


def test_a_tool_is_called_and_its_result_goes_back() -> None:
    script = [Send(response(200, json.dumps(CALLED).encode()))]
    with (
        Vendor(script) as vendor,
        Gateway(config_for(vendor.url)) as gateway,
        client_of(gateway) as client,
    ):
        said = client.messages.create(model="m", max_tokens=50, messages=HELLO, tools=[TOOL])
        (call,) = said.content
        assert isinstance(call, anthropic.types.ToolUseBlock)
        assert (call.id, call.name, call.input) == ("call_7", "weather", {"city": "Bern"})
        assert said.stop_reason == "tool_use"
        client.messages.create(
            model="m",
            max_tokens=50,
            tools=[TOOL],
            messages=[
                *HELLO,
                {"role": "assistant", "content": said.content},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": call.id, "content": "Sunny."}
                    ],
                },
            ],
        )
        asked = json.loads(vendor.journal[-1].body)
    assert asked["model"] == "real-model"
    assert [message["role"] for message in asked["messages"]] == ["user", "assistant", "tool"]
    assert asked["messages"][1]["tool_calls"][0]["id"] == "call_7"
    assert asked["messages"][2] == {
        "role": "tool",
        "tool_call_id": "call_7",
        "content": "Sunny.",
    }


def test_its_own_language_passes_as_it_comes() -> None:
    body = json.dumps(MESSAGE).encode()
    with Vendor([Send(response(200, body))]) as vendor:
        config = f"""
keys: [{{name: tester, tenant: testers, key: "{KEY}"}}]
backends: {{claude: {{provider: anthropic, base_url: "{vendor.url}", credential: sk-ant}}}}
models: {{m: claude/claude-opus}}
"""
        with Gateway(config) as gateway, client_of(gateway) as client:
            raw = client.messages.with_raw_response.create(
                model="m", max_tokens=5, messages=HELLO, extra_body={"brand_new": {"a": 1}}
            )
            seen = vendor.journal[-1]
    assert raw.text() == body.decode()
    asked = json.loads(seen.body)
    assert (asked["model"], asked["brand_new"]) == ("claude-opus", {"a": 1})
    headers = {name.lower(): value for name, value in seen.headers}
    assert headers["x-api-key"] == "sk-ant"
    assert headers["anthropic-version"] == "2023-06-01"
