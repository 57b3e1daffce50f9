"""What goes wrong reaches openai-python as the right exception, and is not multiplied by its
retries; a client that leaves is followed by the gateway at once.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from tests.e2e.conftest import MAX_BODY, NARROW_KEY, Caller, House
from tests.e2e.vendor import asked_for, once_refused
from tests.harness import KEY, Gateway, config_for, until
from tests.vendors.looped import looped
from tests.vendors.scripted import Vendor, closed_port

Asks = Callable[[openai.OpenAI], object]
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
SOON_S = 1.0  # within which a vendor must see that its client has left


def chat(client: openai.OpenAI, model: str) -> ChatCompletion:
    return client.chat.completions.create(model=model, messages=HELLO)


@pytest.fixture
def patient(client: openai.OpenAI) -> openai.OpenAI:
    """A client with the retries that it has by default."""
    return client.with_options(max_retries=openai.DEFAULT_MAX_RETRIES)


# ---- refused by the gateway itself

# A row: the request, the exception, its status, type, code, param.
REFUSALS: dict[str, tuple[Asks, type[openai.APIStatusError], int, str, str, str | None]] = {
    "bad value": (
        lambda c: c.chat.completions.create(
            model="m", messages=HELLO, max_tokens=-1
        ),
        openai.BadRequestError, 400, "invalid_request_error", "invalid_value", "max_tokens",
    ),
    "no messages": (
        lambda c: c.chat.completions.create(model="m", messages=[]),
        openai.BadRequestError, 400, "invalid_request_error", "invalid_value", "messages",
    ),
    "no such operation": (
        lambda c: c.moderations.create(model="demo", input="x"),
        openai.BadRequestError, 400, "invalid_request_error", "operation_not_supported", "model",
    ),
    "unknown key": (
        lambda c: chat(c.with_options(api_key="sk-wrong"), "m"),
        openai.AuthenticationError, 401, "authentication_error", "invalid_api_key", None,
    ),
    "model of others": (
        lambda c: chat(c.with_options(api_key=NARROW_KEY), "demo"),
        openai.PermissionDeniedError, 403, "permission_error", "model_not_allowed", "model",
    ),
    "unknown model": (
        lambda c: chat(c, "no-such-model"),
        openai.NotFoundError, 404, "invalid_request_error", "model_not_found", "model",
    ),
    "unknown model looked up": (
        lambda c: c.models.retrieve("no-such-model"),
        openai.NotFoundError, 404, "invalid_request_error", "model_not_found", "model",
    ),
    "unknown path": (
        lambda c: c.vector_stores.list(),
        openai.NotFoundError, 404, "invalid_request_error", "not_found", None,
    ),
    "too large": (
        lambda c: c.embeddings.create(model="m", input="x" * MAX_BODY),
        openai.APIStatusError, 413, "request_too_large", "body_too_large", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_is_the_exception_that_clients_expect(what: str, client: openai.OpenAI) -> None:
    asks, kind, status, family, code, param = REFUSALS[what]
    with pytest.raises(kind) as raised:
        asks(client)
    error = raised.value
    assert error.status_code == status
    assert (error.type, error.code, error.param) == (family, code, param)
    assert error.request_id
    assert error.message


def test_both_kinds_of_client_raise_the_same(ask: Caller) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        ask(lambda c: c.chat.completions.create(model="no", messages=HELLO, stream=True))
    assert raised.value.code == "model_not_found"


# ---- refused by the vendor

# A row: what the vendor answers, the exception, its status and code.
VENDORS = [
    (400, openai.BadRequestError, 400, "upstream_refused"),
    (401, openai.InternalServerError, 502, "upstream_auth_error"),  # our credential, not theirs
    (403, openai.InternalServerError, 502, "upstream_auth_error"),
    (404, openai.NotFoundError, 404, "upstream_refused"),
    (409, openai.ConflictError, 409, "upstream_conflict"),
    (413, openai.APIStatusError, 413, "upstream_refused"),
    (422, openai.UnprocessableEntityError, 422, "upstream_refused"),
    (429, openai.RateLimitError, 429, "upstream_rate_limited"),
    (500, openai.InternalServerError, 502, "upstream_error"),
    (503, openai.InternalServerError, 503, "upstream_overloaded"),
    (529, openai.InternalServerError, 503, "upstream_overloaded"),
]


@pytest.mark.parametrize(("said", "kind", "status", "code"), VENDORS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_vendor_s_refusal_is_told_as_whose_fault_it_was(
    client: openai.OpenAI,
    said: int,
    kind: type[openai.APIStatusError],
    status: int,
    code: str,
    stream: bool,
) -> None:
    with pytest.raises(kind) as raised:
        client.chat.completions.create(model=f"up/status-{said}", messages=HELLO, stream=stream)
    error = raised.value
    assert (error.status_code, error.code) == (status, code)
    assert error.request_id == error.response.headers["x-request-id"]
    if code in ("upstream_refused", "upstream_conflict"):  # the caller's: in the vendor's words
        assert "the vendor's words" in error.message
        assert error.param == "messages"
    else:
        assert "the vendor's words" not in error.message


def test_an_unreachable_backend_is_a_server_s_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        chat(client, "gone")
    assert (raised.value.status_code, raised.value.code) == (502, "connect_failed")


def test_an_unreachable_gateway_is_a_connection_error() -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    with (
        openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        chat(client, "m")


def test_a_stream_that_breaks_ends_in_an_exception(ask: Caller) -> None:
    with pytest.raises(openai.APIError) as raised:
        ask(lambda c: c.chat.completions.create(model="up/breaks", messages=HELLO, stream=True))
    assert raised.value.code == "stream_interrupted"
    assert raised.value.type == "upstream_error"


def test_what_came_before_the_break_has_been_read(client: openai.OpenAI) -> None:
    with client.chat.completions.create(model="up/breaks", messages=HELLO, stream=True) as stream:
        said = [next(stream).choices[0].delta.content for _ in range(3)]
        with pytest.raises(openai.APIError):
            next(stream)
    assert said == ["", "Hello", " there"]


def test_a_cut_download_is_an_exception(client: openai.OpenAI) -> None:
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        client.audio.speech.create(model="up/cuts-sound", voice="alloy", input="hi")


# ---- retries


@pytest.mark.parametrize("said", [400, 401, 404, 422, 500, 502])
def test_a_final_error_is_not_tried_again_by_the_client(
    patient: openai.OpenAI, house: House, said: int
) -> None:
    before = len(asked_for(f"status-{said}", house.vendor))
    with pytest.raises(openai.APIStatusError) as raised:
        chat(patient, f"up/status-{said}")
    tried = len(asked_for(f"status-{said}", house.vendor)) - before
    assert tried == int(raised.value.response.headers["x-gateway-attempts"])


def test_a_dead_backend_is_not_tried_again_by_the_client(
    patient: openai.OpenAI, house: House
) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        patient.chat.completions.create(
            model="gone",
            messages=HELLO,
            extra_headers={"x-request-id": "once-only"},
        )
    assert raised.value.response.headers["x-should-retry"] == "false"
    house.gateway.until_line("exchange", id=raised.value.request_id)
    told = [
        line for line in house.gateway.lines("exchange") if line.get("client_id") == "once-only"
    ]
    assert len(told) == 1


@pytest.fixture
def limited() -> Iterator[tuple[Vendor, openai.OpenAI]]:
    """A vendor that refuses once, for a second, and a client with retries before it."""
    choose = once_refused(429, b"retry-after: 1\r\n")
    with (
        Vendor(choose=choose) as vendor,
        Gateway(config_for(vendor.url)) as gateway,
        openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=1) as client,
    ):
        yield vendor, client


def test_a_rate_limit_is_waited_for_and_tried_again(
    limited: tuple[Vendor, openai.OpenAI],
) -> None:
    vendor, client = limited
    assert chat(client, "m").choices[0].message.content == "hi"
    first, second = vendor.journal
    assert second.at - first.at >= 0.9


# ---- patience


def test_a_client_s_own_timeout_ends_the_vendor_s_work(client: openai.OpenAI, house: House) -> None:
    with _followed(house, "stalls"), pytest.raises(openai.APITimeoutError):
        chat(client.with_options(timeout=0.3), "up/stalls")


def test_a_timeout_that_the_gateway_keeps_is_an_error_with_a_code(client: openai.OpenAI) -> None:
    started = time.monotonic()
    with pytest.raises(openai.InternalServerError) as raised:
        client.chat.completions.create(
            model="up/stalls",
            messages=HELLO,
            extra_headers={"x-request-timeout": "0.5"},
        )
    assert (raised.value.status_code, raised.value.code) == (504, "total_timeout")
    assert 0.4 < time.monotonic() - started < 5


def test_a_closed_stream_ends_the_vendor_s_work(client: openai.OpenAI, house: House) -> None:
    with _followed(house, "halts"):
        stream = client.chat.completions.create(model="up/halts", messages=HELLO, stream=True)
        with stream:
            assert next(iter(stream)).choices


@looped
async def test_a_closed_async_stream_ends_the_vendor_s_work(house: House) -> None:
    async with _client(house) as client:
        with _followed(house, "halts"):
            stream = await client.chat.completions.create(
                model="up/halts", messages=HELLO, stream=True
            )
            async for _ in stream:
                break
            await stream.close()


@looped
async def test_a_cancelled_call_ends_the_vendor_s_work(house: House) -> None:
    async with _client(house) as client:
        with _followed(house, "stalls"):
            before = len(asked_for("stalls", house.vendor))
            call = asyncio.create_task(
                client.chat.completions.create(model="up/stalls", messages=HELLO)
            )
            await asyncio.to_thread(
                until,
                lambda: len(asked_for("stalls", house.vendor)) > before,
                5,
                "the vendor was not asked",
            )
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call


def _client(house: House) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=house.gateway.base_url, api_key=KEY, max_retries=0)


@contextmanager
def _followed(house: House, model: str) -> Iterator[None]:
    """At the end of the block the client has left; so must the vendor's, soon."""
    before = len(asked_for(model, house.vendor))
    yield
    left = time.monotonic()
    [request] = asked_for(model, house.vendor)[before:]
    assert request.over.wait(5), "the vendor still works for nobody"
    assert request.left_at is not None
    assert request.left_at - left <= SOON_S
