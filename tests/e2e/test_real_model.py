"""A real language model behind the gateway, and the switch to it under load by one line of YAML."""

import itertools
import math
import operator
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.e2e.real_model import NAME, Model, missing
from tests.harness import KEY, ROOT, Gateway, config_for, until

REASON = missing()
if REASON is not None:
    pytest.skip(f"no real model here: {REASON}", allow_module_level=True)

ASK: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the capital of France?"}
]
# Found anew each time: a prompt that is half in memory is added up in another order.
AFRESH = {"cache_prompt": False}
WORKERS = 4
SWITCHED_S = 2.0


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as running:
        yield running


@pytest.fixture(scope="module")
def client(model: Model) -> Iterator[openai.OpenAI]:
    config = config_for(model.url, models=f"  smol: up/{NAME}")
    with (
        Gateway(config) as gateway,
        openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0) as client,
    ):
        yield client


def test_a_chat_is_answered_and_the_same_again(client: openai.OpenAI) -> None:
    first, second = (
        client.chat.completions.create(
            model="smol", messages=ASK, max_tokens=16, temperature=0, extra_body=AFRESH
        )
        for _ in range(2)
    )
    assert first.choices[0].message.content
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.usage is not None
    assert 0 < first.usage.completion_tokens <= 16
    assert first.usage.prompt_tokens > 5


def test_a_streamed_chat_says_the_same_as_the_whole(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(
        model="smol", messages=ASK, max_tokens=16, temperature=0, extra_body=AFRESH
    )
    stream = client.chat.completions.create(
        model="smol",
        messages=ASK,
        max_tokens=16,
        temperature=0,
        extra_body=AFRESH,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert len(chunks) > 3
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_stream_withholds_the_usage_that_only_the_gateway_asked_for(
    client: openai.OpenAI,
) -> None:
    stream = client.chat.completions.create(
        model="smol", messages=ASK, max_tokens=4, temperature=0, stream=True
    )
    chunks = list(stream)
    assert all(chunk.choices for chunk in chunks)
    assert not any(chunk.usage for chunk in chunks)


def test_a_completion_is_the_same_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.completions.create(
        model="smol", prompt="Once upon a time", max_tokens=12, temperature=0, extra_body=AFRESH
    )
    stream = client.completions.create(
        model="smol",
        prompt="Once upon a time",
        max_tokens=12,
        temperature=0,
        extra_body=AFRESH,
        stream=True,
    )
    text = "".join(choice.text for chunk in stream for choice in chunk.choices)
    assert text == whole.choices[0].text != ""
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 12


@pytest.fixture(scope="module")
def texts(model: Model) -> Iterator[openai.OpenAI]:
    """The same model as one that only continues texts. Its name does not tell its template."""
    config = f"""
keys:
  - {{name: tester, tenant: testers, key: "{KEY}"}}
backends:
  texts:
    provider: llamacpp
    base_url: "{model.url}/v1"
    operations: [completion]
    template: chatml
models:
  smol: texts/{NAME}
"""
    with (
        Gateway(config) as gateway,
        openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0) as client,
    ):
        yield client


def test_a_model_of_texts_answers_a_chat_and_ends_by_itself(texts: openai.OpenAI) -> None:
    whole = texts.chat.completions.create(
        model="smol", messages=ASK, max_tokens=48, temperature=0, extra_body=AFRESH
    )
    (choice,) = whole.choices
    assert "Paris" in str(choice.message.content)
    assert choice.finish_reason == "stop"
    assert "<|im_" not in str(choice.message.content)
    assert whole.usage is not None
    assert whole.usage.completion_tokens < 48


def test_so_it_does_in_a_stream_and_over_two_turns(texts: openai.OpenAI) -> None:
    turns: list[ChatCompletionMessageParam] = [
        *ASK,
        {"role": "assistant", "content": "The capital of France is Paris."},
        {"role": "user", "content": "And of Italy? Answer in one short sentence."},
    ]
    chunks = list(
        texts.chat.completions.create(
            model="smol",
            messages=turns,
            max_tokens=48,
            temperature=0,
            extra_body=AFRESH,
            stream=True,
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "Rome" in text
    assert not any(word in text for word in ("<|im_", "user\n", "assistant\n"))
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_embeddings_know_what_is_alike(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(
        model="smol",
        input=["The cat sat on the mat.", "A cat sits on a mat.", "Interest rates rose by 2 %."],
        encoding_format="float",
    )
    cat, same, other = (entry.embedding for entry in answer.data)
    assert _likeness(cat, same) > _likeness(cat, other)
    assert answer.usage.prompt_tokens > 10


def _likeness(one: list[float], two: list[float]) -> float:
    """The cosine of the angle between two vectors."""
    product = float(sum(map(operator.mul, one, two)))
    return product / (math.hypot(*one) * math.hypot(*two))


# ---- remembered


def test_the_second_time_it_is_remembered_and_the_model_would_have_said_the_same(
    model: Model,
) -> None:
    config = config_for(
        model.url,
        models=f"""
  smol:
    targets: [{{use: up/{NAME}}}]
    force: {{temperature: 0, cache_prompt: false}}
    cache: {{enabled: true, verify: 1.0}}
""",
    )
    with (
        Gateway(config) as gateway,
        openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0) as client,
    ):
        told = [_timed(client) for _ in range(3)]
        assert [cache for _, cache, _ in told] == ["miss", "hit", "hit"]
        assert len({text for text, _, _ in told}) == 1
        took, *again = [seconds for _, _, seconds in told]
        assert min(again) < took / 10

        def verified() -> float:
            return gateway.metric("gateway_cache_verifications_total", model="smol", result="same")

        until(lambda: verified() == 2, 10, "not both hits have been asked again, or not the same")


def _timed(client: openai.OpenAI) -> tuple[str, str, float]:
    """What was said, by whom, and how long it took."""
    began = time.monotonic()
    raw = client.chat.completions.with_raw_response.create(
        model="smol", messages=ASK, max_tokens=24
    )
    text = raw.parse().choices[0].message.content or ""
    return text, raw.headers["x-gateway-cache"], time.monotonic() - began


# ---- the switch


@dataclass(slots=True)
class Load:
    """Callers that ask one request after the other, whole and streamed, until told to stop."""

    client: openai.OpenAI
    over: threading.Event = field(default_factory=threading.Event)
    told: list[tuple[float, str]] = field(default_factory=list)  # begun at, answered by

    def run(self) -> None:
        """Raises whatever a request raises."""
        for streamed in itertools.cycle([False, True]):
            if self.over.is_set():
                return
            begun_at = time.monotonic()
            self.told.append((begun_at, self._stream() if streamed else self._whole()))

    def by(self, giver: str) -> list[float]:
        """When the requests began that this target answered."""
        return [begun_at for begun_at, name in list(self.told) if name == giver]

    def _whole(self) -> str:
        raw = self.client.chat.completions.with_raw_response.create(
            model="demo", messages=ASK, max_tokens=8
        )
        assert raw.parse().choices[0].finish_reason
        return raw.headers["x-gateway-model"]

    def _stream(self) -> str:
        raw = self.client.chat.completions.with_raw_response.create(
            model="demo", messages=ASK, max_tokens=8, stream=True
        )
        chunks = list(raw.parse())
        assert chunks[-1].choices[0].finish_reason
        return raw.headers["x-gateway-model"]


def test_one_line_of_yaml_moves_a_model_under_load_and_no_request_fails(model: Model) -> None:
    before = (ROOT / "config.yaml").read_text().replace("http://127.0.0.1:8000", model.url)
    after = before.replace("demo: sim/lorem", f"demo: local/{NAME}")
    assert sum(a != b for a, b in zip(before.splitlines(), after.splitlines(), strict=True)) == 1
    with (
        Gateway(before, env={"GATEWAY_DEMO_KEY": KEY}) as gateway,
        openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0) as client,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        load = Load(client)
        callers = [pool.submit(load.run) for _ in range(WORKERS)]

        def answered(giver: str, times: int) -> None:
            def enough() -> bool:
                return len(load.by(giver)) >= times or any(caller.done() for caller in callers)

            until(enough, 20, f"{giver} does not answer")

        try:
            answered("sim/lorem", WORKERS)
            gateway.file.write_text(after)  # in place, as most editors do
            switched_at = time.monotonic()
            answered(f"local/{NAME}", 2 * WORKERS)
        finally:
            load.over.set()
        for caller in callers:
            caller.result()  # raises what a request has raised
    assert min(load.by(f"local/{NAME}")) - switched_at <= SWITCHED_S
    assert max(load.by("sim/lorem")) - switched_at <= SWITCHED_S
