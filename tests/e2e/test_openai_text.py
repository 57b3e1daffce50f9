"""openai-python where texts meet chats: either before the other."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion

from tests.harness import KEY, Gateway

CONFIG = f"""
keys:
  - {{name: tester, tenant: testers, key: "{KEY}", models: ["*"]}}
backends:
  texts: {{provider: simulated, operations: [completion]}}
  chats: {{provider: simulated, operations: [chat]}}
models:
  base: texts/base
  chat: chats/chat
"""
HELLO: list[dict[str, str]] = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        Gateway(CONFIG) as gateway,
        openai.OpenAI(
            base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=KEY, max_retries=0
        ) as client,
    ):
        yield client


def test_a_chat_is_had_with_a_model_that_continues_texts(client: Any) -> None:
    asked = {"model": "base", "messages": HELLO, "seed": 1}
    whole: ChatCompletion = client.chat.completions.create(**asked)
    assert whole.object == "chat.completion"
    assert whole.choices[0].message.content
    assert whole.usage is not None
    more = {"stream_options": {"include_usage": True}}
    with client.chat.completions.stream(**asked, **more) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.content == whole.choices[0].message.content
    assert streamed.choices[0].finish_reason == whole.choices[0].finish_reason
    assert streamed.usage == whole.usage


def test_a_text_is_completed_by_a_chat(client: Any) -> None:
    asked = {"model": "chat", "prompt": "Once", "max_tokens": 8, "seed": 1, "n": 2}
    whole: Completion = client.completions.create(**asked)
    assert whole.object == "text_completion"
    texts = {choice.index: choice.text for choice in whole.choices}
    assert all(texts.values())
    streamed = dict.fromkeys(texts, "")
    for chunk in client.completions.create(**asked, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert streamed == texts


def test_several_texts_are_completed_by_a_chat(client: Any) -> None:
    asked = {"model": "chat", "prompt": ["One", "Two"], "n": 2, "echo": True, "seed": 1}
    whole: Completion = client.completions.create(**asked)
    texts = {choice.index: choice.text for choice in whole.choices}
    assert [text[:3] for _, text in sorted(texts.items())] == ["One", "One", "Two", "Two"]
    assert min(map(len, texts.values())) > 3
    streamed = dict.fromkeys(texts, "")
    more = {"stream": True, "stream_options": {"include_usage": True}}
    for chunk in client.completions.create(**asked, **more):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert streamed == texts
    assert chunk.usage == whole.usage


@pytest.mark.parametrize(
    ("ask", "param"),
    [
        (lambda c: c.completions.create(model="chat", prompt="x", suffix="y"), "suffix"),
        (lambda c: c.completions.create(model="chat", prompt=[1, 2]), "prompt"),
        (
            lambda c: c.chat.completions.create(model="base", messages=HELLO, tools=[TOOL]),
            "tools",
        ),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(client: Any, ask: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client)
    assert (raised.value.code, raised.value.param) == ("untranslatable", param)
