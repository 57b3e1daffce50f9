"""One remembered answer, read by every vendor's client, whole and streamed."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.harness import KEY, Gateway, until
from tests.vendors.openai_wire import chat_body, tool_call, usage
from tests.vendors.scripted import Send, Vendor, response

CONFIG: Final = f"""
keys:
  - {{name: tester, tenant: testers, key: "{KEY}", models: ["*"]}}
backends:
  sim: {{provider: simulated, first_content_s: 0, tokens_per_second: 500, tokens: 9,
        operations: [chat]}}
  late: {{provider: simulated, first_content_s: 0.4, tokens_per_second: 500, tokens: 9,
         operations: [chat]}}
  caller: {{provider: openai_compatible, base_url: "{{url}}/v1", operations: [chat]}}
models: {{m: sim/lorem, late: late/lorem, calls: caller/x}}
cache: {{enabled: true}}
"""
MOST: Final = 50
CALLED: Final = chat_body(
    finish="tool_calls", calls=[tool_call()], reasoning="Bern, then.", used=usage(7, 3)
)


@dataclass(frozen=True, slots=True)
class Clients:
    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    google: genai.Client


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with (
        Vendor([Send(response(body=CALLED))]) as vendor,
        Gateway(CONFIG.replace("{url}", vendor.url)) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def clients(gateway: Gateway) -> Iterator[Clients]:
    options = types.HttpOptions(base_url=gateway.url)
    with ExitStack() as stack:
        yield Clients(
            stack.enter_context(openai.OpenAI(base_url=gateway.base_url, api_key=KEY)),
            stack.enter_context(anthropic.Anthropic(base_url=gateway.url, api_key=KEY)),
            genai.Client(api_key=KEY, http_options=options),
        )


def chat(on: Clients, said: str, model: str = "m") -> str:
    answer = on.openai.chat.completions.create(
        model=model, messages=[{"role": "user", "content": said}], temperature=0, max_tokens=MOST
    )
    return answer.choices[0].message.content or ""


def chat_in_parts(on: Clients, said: str, model: str = "m") -> str:
    """The newer name of a limit, a text as a part, a stream that says its usage."""
    with on.openai.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": [{"type": "text", "text": said}]}],
        temperature=0.0,
        max_completion_tokens=MOST,
        stream=True,
        stream_options={"include_usage": True},
        user="somebody",
    ) as stream:
        chunks = list(stream)
    assert chunks[-1].usage is not None
    return "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)


def completion(on: Clients, said: str, model: str = "m") -> str:
    answer = on.openai.completions.create(model=model, prompt=said, temperature=0, max_tokens=MOST)
    return answer.choices[0].text


def responses(on: Clients, said: str, model: str = "m") -> str:
    return on.openai.responses.create(
        model=model, input=said, temperature=0, max_output_tokens=MOST
    ).output_text


def responses_streamed(on: Clients, said: str, model: str = "m") -> str:
    with on.openai.responses.stream(
        model=model,
        input=[{"role": "user", "content": said}],
        temperature=0,
        max_output_tokens=MOST,
    ) as stream:
        return stream.get_final_response().output_text


def messages(on: Clients, said: str, model: str = "m") -> str:
    answer = on.anthropic.messages.create(
        model=model, messages=[{"role": "user", "content": said}], max_tokens=MOST,
        extra_body={"temperature": 0},
    )  # fmt: skip
    assert isinstance(answer.content[0], anthropic.types.TextBlock)
    return answer.content[0].text


def messages_streamed(on: Clients, said: str, model: str = "m") -> str:
    with on.anthropic.messages.stream(
        model=model, messages=[{"role": "user", "content": [{"type": "text", "text": said}]}],
        max_tokens=MOST, extra_body={"temperature": 0},
    ) as stream:  # fmt: skip
        return stream.get_final_text()


SETTINGS: Final = types.GenerateContentConfig(temperature=0, max_output_tokens=MOST)


def generate(on: Clients, said: str, model: str = "m") -> str:
    answer = on.google.models.generate_content(model=model, contents=said, config=SETTINGS)
    return answer.text or ""


def generate_streamed(on: Clients, said: str, model: str = "m") -> str:
    told = on.google.models.generate_content_stream(model=model, contents=said, config=SETTINGS)
    return "".join(chunk.text or "" for chunk in told)


Way = Callable[..., str]
WAYS: Final[tuple[Way, ...]] = (
    chat,
    chat_in_parts,
    completion,
    responses,
    responses_streamed,
    messages,
    messages_streamed,
    generate,
    generate_streamed,
)


@pytest.mark.parametrize("first", WAYS)
def test_whoever_asks_first_the_others_are_answered_from_memory(
    gateway: Gateway, clients: Clients, first: Way
) -> None:
    before, asked = len(gateway.lines("exchange")), 1 + len(WAYS)
    said = f"What is remembered of {first.__name__}?"
    told = first(clients, said)
    assert told
    assert {other(clients, said) for other in WAYS} == {told}
    until(lambda: len(gateway.lines("exchange")) == before + asked, 20, "not all is told")
    lines = gateway.lines("exchange")[before:]
    assert [line["cache"] for line in lines] == ["miss", *["hit"] * len(WAYS)]
    assert [line.get("attempts", 0) for line in lines] == [1, *[0] * len(WAYS)]


def test_all_at_once_share_one_call(gateway: Gateway, clients: Clients) -> None:
    before = len(gateway.lines("exchange"))
    with ThreadPoolExecutor(len(WAYS)) as pool:
        told = [pool.submit(way, clients, "All at once?", "late") for way in WAYS]
        assert len({one.result() for one in told}) == 1
    until(lambda: len(gateway.lines("exchange")) == before + len(WAYS), 20, "not all is told")
    lines = gateway.lines("exchange")[before:]
    assert sorted(line["cache"] for line in lines) == ["miss", *["shared"] * (len(WAYS) - 1)]
    assert sum(line.get("attempts", 0) for line in lines) == 1


# ---- more than text

PARAMETERS: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
USER: Final = {"role": "user", "content": "What is it like in Bern?"}


def called_by_chat(on: Clients, stream: bool) -> tuple[str, object]:
    function = {"name": "weather", "description": "How it is.", "parameters": PARAMETERS}
    asked: dict[str, Any] = {
        "model": "calls", "messages": [USER], "temperature": 0, "max_tokens": MOST,
        "tools": [{"type": "function", "function": function}],
    }  # fmt: skip
    if stream:
        with on.openai.chat.completions.stream(**asked) as events:
            answer: Any = events.get_final_completion()
    else:
        answer = on.openai.chat.completions.create(**asked)
    message = answer.choices[0].message
    assert message.reasoning_content == "Bern, then."
    called = message.tool_calls[0].function
    return called.name, json.loads(called.arguments)


def called_by_messages(on: Clients, stream: bool) -> tuple[str, object]:
    tool = {"name": "weather", "description": "How it is.", "input_schema": PARAMETERS}
    asked: dict[str, Any] = {
        "model": "calls", "messages": [USER], "max_tokens": MOST, "tools": [tool],
        "extra_body": {"temperature": 0},
    }  # fmt: skip
    if stream:
        with on.anthropic.messages.stream(**asked) as events:
            answer = events.get_final_message()
    else:
        answer = on.anthropic.messages.create(**asked)
    thought, called = answer.content
    assert isinstance(thought, anthropic.types.ThinkingBlock)
    assert thought.thinking == "Bern, then."
    assert isinstance(called, anthropic.types.ToolUseBlock)
    return called.name, called.input


def called_by_responses(on: Clients, stream: bool) -> tuple[str, object]:
    asked: dict[str, Any] = {
        "model": "calls", "input": USER["content"], "temperature": 0, "max_output_tokens": MOST,
        "tools": [{"type": "function", "name": "weather", "description": "How it is.",
                   "parameters": PARAMETERS, "strict": False}],
    }  # fmt: skip
    if stream:
        with on.openai.responses.stream(**asked) as events:
            output: Any = events.get_final_response().output
    else:
        output = on.openai.responses.create(**asked).output
    (called,) = [item for item in output if item.type == "function_call"]
    return called.name, json.loads(called.arguments)


def called_by_generate(on: Clients, stream: bool) -> tuple[str, object]:
    declared = types.FunctionDeclaration(
        name="weather", description="How it is.", parameters_json_schema=PARAMETERS
    )
    asked: dict[str, Any] = {
        "model": "calls",
        "contents": USER["content"],
        "config": SETTINGS.model_copy(
            update={"tools": [types.Tool(function_declarations=[declared])]}
        ),
    }
    if stream:
        events = list(on.google.models.generate_content_stream(**asked))
        (called,) = [call for event in events for call in event.function_calls or ()]
    else:
        called = (on.google.models.generate_content(**asked).function_calls or [])[0]
    return called.name or "", called.args


def test_tool_calls_and_reasoning_are_remembered_for_all(
    gateway: Gateway, clients: Clients
) -> None:
    before = len(gateway.lines("exchange"))
    # The first one does not ask to see thoughts.
    for way in (called_by_generate, called_by_messages, called_by_chat, called_by_responses):
        for stream in (False, True):
            assert way(clients, stream) == ("weather", {"city": "Bern"})
    until(lambda: len(gateway.lines("exchange")) == before + 8, 20, "not all is told")
    assert [line["cache"] for line in gateway.lines("exchange")[before:]] == ["miss", *["hit"] * 7]
