"""openai-python gets what it asks for: blocking or not, whole or streamed, from both backends."""

import asyncio
import json
import time

import openai
import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessageParam,
)
from openai.types.responses import Response, ResponseStreamEvent

from tests.e2e.conftest import NARROW_KEY, Caller, House
from tests.e2e.vendor import asked_for
from tests.harness import KEY
from tests.vendors.looped import looped

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Good morning to you"}]
BOTH = pytest.mark.parametrize("model", ["m", "demo"])  # the scripted vendor, the simulated model


def text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


# ---- chat


@BOTH
def test_a_chat_is_answered(ask: Caller, model: str) -> None:
    answer: ChatCompletion = ask(
        lambda c: c.chat.completions.create(model=model, messages=HELLO, seed=1)
    )
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0


def test_a_stream_says_what_the_vendor_said(ask: Caller) -> None:
    chunks: list[ChatCompletionChunk] = ask(
        lambda c: c.chat.completions.create(model="m", messages=HELLO, stream=True)
    )
    said = [chunk.choices[0].delta.content for chunk in chunks]
    assert said == ["", "Good", "morning", "to", "you", None]
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_the_simulated_model_says_the_same_whole_and_streamed(ask: Caller) -> None:
    whole: ChatCompletion = ask(
        lambda c: c.chat.completions.create(model="demo", messages=HELLO, seed=3)
    )
    chunks: list[ChatCompletionChunk] = ask(
        lambda c: c.chat.completions.create(model="demo", messages=HELLO, seed=3, stream=True)
    )
    assert text(chunks) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason


@BOTH
def test_a_stream_ends_with_its_usage_for_who_asks(ask: Caller, model: str) -> None:
    chunks: list[ChatCompletionChunk] = ask(
        lambda c: c.chat.completions.create(
            model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    assert chunks[-1].choices == []


@BOTH
def test_a_stream_withholds_its_usage_from_who_does_not_ask(ask: Caller, model: str) -> None:
    chunks: list[ChatCompletionChunk] = ask(
        lambda c: c.chat.completions.create(model=model, messages=HELLO, stream=True)
    )
    assert all(chunk.choices for chunk in chunks)
    assert not any(chunk.usage for chunk in chunks)


def test_the_vendor_is_asked_for_the_usage_all_the_same(ask: Caller, house: House) -> None:
    name = f"counted-{id(ask)}"
    ask(lambda c: c.chat.completions.create(model=f"up/{name}", messages=HELLO, stream=True))
    [seen] = asked_for(name, house.vendor)
    assert json.loads(seen.body)["stream_options"] == {"include_usage": True}


def test_a_tool_is_called_in_a_stream(client: openai.OpenAI) -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    with client.chat.completions.stream(
        model="demo",
        messages=[{"role": "user", "content": "How is the weather?"}],
        tools=[tool],  # type: ignore[list-item]  # a plain dict, as people write it
        tool_choice="required",
    ) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls is not None
    assert message.tool_calls[0].function.name == "weather"
    json.loads(message.tool_calls[0].function.arguments)


# ---- completions, embeddings


@BOTH
def test_a_completion_is_answered(ask: Caller, model: str) -> None:
    answer: Completion = ask(lambda c: c.completions.create(model=model, prompt="Once upon"))
    assert answer.object == "text_completion"
    assert answer.choices[0].text
    assert answer.usage is not None


@BOTH
def test_a_completion_is_streamed(ask: Caller, model: str) -> None:
    whole: Completion = ask(lambda c: c.completions.create(model=model, prompt="Once", seed=4))
    chunks: list[Completion] = ask(
        lambda c: c.completions.create(model=model, prompt="Once", seed=4, stream=True)
    )
    streamed = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    assert streamed == whole.choices[0].text
    assert chunks[-1].choices[0].finish_reason


@BOTH
@pytest.mark.parametrize("form", ["float", "base64"])
def test_texts_are_embedded_each_for_itself(ask: Caller, model: str, form: str) -> None:
    answer: CreateEmbeddingResponse = ask(
        lambda c: c.embeddings.create(model=model, input=["one", "three"], encoding_format=form)
    )
    first, second = (entry.embedding for entry in answer.data)
    assert first != second
    assert answer.usage.prompt_tokens > 0


def test_embeddings_are_the_same_in_numbers_and_packed(ask: Caller) -> None:
    plain: CreateEmbeddingResponse = ask(
        lambda c: c.embeddings.create(model="demo", input="one", encoding_format="float")
    )
    packed: CreateEmbeddingResponse = ask(  # the client unpacks base64 by itself
        lambda c: c.embeddings.create(model="demo", input="one")
    )
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)


# ---- models


def test_models_are_listed_by_the_names_that_clients_use(ask: Caller) -> None:
    listed = ask(lambda c: c.models.list())
    assert {model.id for model in listed.data} == {"m", "demo", "gone"}


def test_a_caller_sees_only_what_it_may_use(client: openai.OpenAI) -> None:
    narrow = client.with_options(api_key=NARROW_KEY)
    assert [model.id for model in narrow.models.list()] == ["m"]


@pytest.mark.parametrize("name", ["m", "up/anything", "up/org/model:7b"])
def test_a_model_is_found_by_its_name(ask: Caller, name: str) -> None:
    found: Model = ask(lambda c: c.models.retrieve(name))
    assert found.id == name


def test_a_wildcard_passes_the_rest_of_the_name_on(ask: Caller) -> None:
    answer: ChatCompletion = ask(
        lambda c: c.chat.completions.create(model="up/org/model:7b", messages=HELLO)
    )
    assert answer.model == "org/model:7b"


# ---- responses


def test_a_response_is_given(ask: Caller) -> None:
    answer: Response = ask(lambda c: c.responses.create(model="demo", input="Hello"))
    assert answer.status == "completed"
    assert answer.output_text
    assert answer.usage is not None


def test_a_response_is_streamed(ask: Caller) -> None:
    whole: Response = ask(lambda c: c.responses.create(model="demo", input="Hello"))
    events: list[ResponseStreamEvent] = ask(
        lambda c: c.responses.create(model="demo", input="Hello", stream=True)
    )
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text
    assert events[-1].type == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))


# ---- heads


@pytest.mark.parametrize(("model", "giver"), [("m", "up/real-model"), ("demo", "sim/lorem")])
def test_an_answer_says_who_gave_it_and_after_how_many_tries(
    client: openai.OpenAI, model: str, giver: str
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=model,
        messages=HELLO,
        extra_headers={"x-request-id": "mine-1"},
    )
    assert raw.headers["x-gateway-model"] == giver
    assert raw.headers["x-gateway-attempts"] == "1"
    assert raw.headers["server-timing"].startswith("gateway;dur=")
    assert raw.parse()._request_id == raw.headers["x-request-id"] == raw.request_id


def test_a_stream_has_the_same_head(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO, stream=True)
    assert len(list(raw.parse())) == 6
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert raw.headers["x-request-id"] == raw.request_id
    assert raw.headers["x-gateway-model"] == "up/real-model"


# ---- many at once


@looped
async def test_fifty_calls_at_once_each_get_their_own_answer(house: House) -> None:
    async with openai.AsyncOpenAI(
        base_url=house.gateway.base_url, api_key=KEY, max_retries=0
    ) as client:
        kinds = (_chat, _stream, _completion, _embedding, _simulated)
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(kinds[number % 5](client, number))


async def _chat(client: openai.AsyncOpenAI, number: int) -> None:
    answer = await client.chat.completions.create(
        model=f"up/many-{number}", messages=[{"role": "user", "content": f"I am {number}"}]
    )
    assert answer.choices[0].message.content == f"I am {number}"
    assert answer.model == f"many-{number}"


async def _stream(client: openai.AsyncOpenAI, number: int) -> None:
    words = [f"{number}:{place}" for place in range(40)]
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": " ".join(words)}], stream=True
    )
    said = [chunk.choices[0].delta.content async for chunk in stream]
    assert said == ["", *words, None]


async def _completion(client: openai.AsyncOpenAI, number: int) -> None:
    answer = await client.completions.create(model="m", prompt=f"text {number}")
    assert answer.choices[0].text == f"text {number}"


async def _embedding(client: openai.AsyncOpenAI, number: int) -> None:
    answer = await client.embeddings.create(
        model="m", input=["x" * number, "x"], encoding_format="float"
    )
    assert [entry.embedding[1] for entry in answer.data] == [number, 1]


async def _simulated(client: openai.AsyncOpenAI, number: int) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": f"Tell me of {number}"}
    ]
    whole = await client.chat.completions.create(model="demo", messages=messages)
    stream = await client.chat.completions.create(model="demo", messages=messages, stream=True)
    chunks = [chunk async for chunk in stream]
    assert text(chunks) == whole.choices[0].message.content


def test_an_exchange_is_told_in_the_log_under_the_client_s_id(
    client: openai.OpenAI, house: House
) -> None:
    label = f"client-{time.monotonic_ns()}"
    answer = client.chat.completions.create(
        model="m",
        messages=HELLO,
        extra_headers={"x-request-id": label},
    )
    line = house.gateway.until_line("exchange", client_id=label)
    assert line["id"] == answer._request_id
