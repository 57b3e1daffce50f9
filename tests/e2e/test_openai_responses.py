"""openai-python's Responses before Responses, before chats, before a model that continues texts."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.harness import KEY, Gateway

CONFIG = f"""
keys:
  - {{name: tester, tenant: testers, key: "{KEY}", models: ["*"]}}
backends:
  chats: {{provider: simulated, operations: [chat]}}
  responses: {{provider: simulated, operations: [responses]}}
  texts: {{provider: simulated, operations: [completion]}}
models:
  chat: chats/chat
  responses: responses/responses
  base: texts/base
"""
CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Bern"]}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "name": "weather", "parameters": CITY, "strict": True}
CHAT_TOOL = {"type": "function", "function": {"name": "weather", "parameters": CITY}}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        Gateway(CONFIG) as gateway,
        openai.OpenAI(
            base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=KEY, max_retries=0
        ) as client,
    ):
        yield client


def _streamed(client: Any, asked: dict[str, Any]) -> Any:
    with client.responses.stream(**asked) as stream:
        stream.until_done()
        return stream.get_final_response()


@pytest.mark.parametrize("model", ["chat", "responses", "base"])
def test_whole_and_streamed_are_the_same_answer(client: Any, model: str) -> None:
    asked = {"model": model, "input": "hi", "temperature": 0.5}
    whole, streamed = client.responses.create(**asked), _streamed(client, asked)
    assert whole.output_text
    assert streamed.output_text == whole.output_text
    assert streamed.usage == whole.usage
    assert streamed.status == "completed"


@pytest.mark.parametrize("model", ["chat", "responses"])
def test_a_call_is_made_and_its_result_goes_back(client: Any, model: str) -> None:
    asked = {"model": model, "input": "hi", "tools": [TOOL], "tool_choice": "required"}
    whole, streamed = client.responses.create(**asked), _streamed(client, asked)
    (call,) = [item for item in whole.output if item.type == "function_call"]
    (same,) = [item for item in streamed.output if item.type == "function_call"]
    assert (call.name, call.arguments) == (same.name, same.arguments)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "7"}
    said = [{"role": "user", "content": "hi"}, *whole.output, result]
    assert client.responses.create(model=model, input=said, tools=[TOOL]).output


def test_a_chat_is_had_with_responses(client: Any) -> None:
    asked = {"model": "responses", "messages": [{"role": "user", "content": "hi"}]}
    whole = client.chat.completions.create(**asked)
    with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
        stream.until_done()
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.content == whole.choices[0].message.content
    assert streamed.usage == whole.usage
    called = client.chat.completions.create(**asked, tools=[CHAT_TOOL], tool_choice="required")
    assert called.choices[0].message.tool_calls[0].function.name == "weather"


def test_an_answer_that_is_cut_is_incomplete(client: Any) -> None:
    cut = client.responses.create(model="chat", input="hi", max_output_tokens=3)
    assert cut.status == "incomplete"
    assert cut.incomplete_details.reason == "max_output_tokens"


def test_what_is_kept_elsewhere_is_refused_by_name(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model="chat", input="hi", previous_response_id="resp_1")
    assert (raised.value.code, raised.value.param) == ("untranslatable", "previous_response_id")
