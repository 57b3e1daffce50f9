"""openai-python in front of Gemini: the same calls as ever, answered from the golden files."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.harness import KEY, Gateway
from tests.vendors import gemini_wire
from tests.vendors.scripted import Vendor

Say = list[dict[str, Any]]
HELLO: Say = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def google() -> Iterator[tuple[Vendor, Gateway]]:
    with gemini_wire.vendor() as up, Gateway(_config(up.url)) as gateway:
        yield up, gateway


def _config(url: str) -> str:
    return f"""
attempts: {{retry_budget_ratio: 0, retry_budget_per_s: 0, max_hold_s: 0}}
keys:
  - {{name: tester, tenant: testers, key: "{KEY}", models: ["*"]}}
backends:
  up: {{provider: gemini, base_url: "{url}/v1beta", credential: AIza-secret}}
models:
  "up/*": up/*
"""


@pytest.fixture
def vendor(google: tuple[Vendor, Gateway]) -> Vendor:
    return google[0]


@pytest.fixture
def client(google: tuple[Vendor, Gateway]) -> Iterator[Any]:
    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{google[1].port}/v1", api_key=KEY, max_retries=0
    ) as client:
        yield client


def _golden(case: str, name: str) -> Any:
    return json.loads((gemini_wire.GOLDEN / case / name).read_bytes())


@pytest.mark.parametrize("case", ["text", "tools", "grounded", "signed_text", "blocked", "safety"])
def test_whole_and_streamed_are_the_same_answer(client: Any, case: str) -> None:
    whole: ChatCompletion = client.chat.completions.create(model=f"up/{case}", messages=HELLO)
    told = _golden(case, "chat_response.json")["choices"][0]
    choice = whole.choices[0]
    said = choice.message.model_dump(exclude_none=True)
    assert said == {key: value for key, value in told["message"].items() if value is not None}
    assert choice.finish_reason == told["finish_reason"]
    with client.chat.completions.stream(model=f"up/{case}", messages=HELLO) as stream:
        for _ in stream:
            pass
        if choice.finish_reason != "content_filter":  # at which the SDK itself gives up
            streamed = stream.get_final_completion()
            content = streamed.choices[0].message.content
            assert (content or "") == (choice.message.content or "")
            assert streamed.usage is None  # nobody asked


def test_the_vendor_is_asked_in_its_own_words(client: Any, vendor: Vendor) -> None:
    asked = _golden("tools", "chat_request.json")
    more = {"thinking": asked.pop("thinking")}
    client.chat.completions.create(**{**asked, "model": "up/tools"}, extra_body=more)
    received = vendor.journal[-1]
    assert received.header("x-goog-api-key") == "AIza-secret"
    assert received.header("authorization") is None
    wanted = _golden("tools", "request.json")
    del wanted["generationConfig"]  # which follows the model's name
    assert json.loads(received.body) | {"generationConfig": {}} == wanted | {"generationConfig": {}}


def test_an_agent_gives_signatures_back_to_the_letter(client: Any, vendor: Vendor) -> None:
    messages: list[Any] = [*HELLO]
    for _ in range(2):
        answer = client.chat.completions.create(model="up/tools", messages=messages)
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": '{"celsius": 3}'})
    client.chat.completions.create(model="up/tools", messages=messages)
    contents = json.loads(vendor.journal[-1].body)["contents"]
    given = _golden("tools", "response.json")["candidates"][0]["content"]
    assert [content for content in contents if content["role"] == "model"] == [given, given]
    results = [part["functionResponse"] for part in contents[2]["parts"]]
    assert [(one["id"], one["name"]) for one in results] == [
        ("fc_1", "weather"),
        ("fc_2", "weather"),
    ]


def test_usage_is_told_at_the_end_of_a_stream(client: Any) -> None:
    *_, last = client.chat.completions.create(
        model="up/tools", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    usage = last.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (90, 75, 165)
    assert usage.prompt_tokens_details.cached_tokens == 64
    assert usage.completion_tokens_details.reasoning_tokens == 45


def test_images_and_files_reach_google(client: Any, vendor: Vendor) -> None:
    asked = _golden("images", "chat_request.json")
    client.chat.completions.create(**{**asked, "model": "up/text"})
    assert json.loads(vendor.journal[-1].body) == _golden("images", "request.json")


def test_an_error_in_a_stream_is_one(client: Any) -> None:
    stream = client.chat.completions.create(model="up/broken_stream", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError) as broken:
        list(stream)
    assert broken.value.code == "upstream_overloaded"


def test_googles_time_to_wait_is_passed_on(client: Any) -> None:
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model="up/status-429", messages=HELLO)
    assert refused.value.code == "upstream_rate_limited"
    assert refused.value.response.headers["retry-after"] == "7"


def test_what_gemini_has_no_word_for_is_refused_before_it_is_asked(
    client: Any, vendor: Vendor
) -> None:
    before = len(vendor.journal)
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="up/text", messages=HELLO, logit_bias={"5": 1})
    assert (refused.value.code, refused.value.param) == ("untranslatable", "logit_bias")
    assert len(vendor.journal) == before


def test_embeddings_come_in_a_batch(client: Any) -> None:
    answer = client.embeddings.create(model="up/embedding", input=["a", "b"])
    assert [one.embedding for one in answer.data] == [[0.0, 0.5], [1.0, 0.5]]
