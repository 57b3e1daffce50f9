"""openai-node gets what it asks for, and the right exception where it does not."""

import base64
import time

import pytest

from tests.e2e.conftest import MAX_BODY, NARROW_KEY, House
from tests.e2e.node import Node, NodeError, missing
from tests.e2e.vendor import FILE, SOUND, asked_for

REASON = missing()
if REASON is not None:
    pytest.skip(f"no openai-node here: {REASON}", allow_module_level=True)

BOTH = pytest.mark.parametrize("model", ["m", "demo"])  # the scripted vendor, the simulated model
SOON_S = 1.0


@BOTH
def test_a_chat_is_answered(node: Node, model: str) -> None:
    answer = node("chat", model=model)
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["total_tokens"] > 0


@BOTH
def test_a_stream_says_what_the_whole_answer_says(node: Node, model: str) -> None:
    whole = node("chat", model=model)["choices"][0]
    chunks = node("stream", model=model)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text.replace(" ", "") == whole["message"]["content"].replace(" ", "")
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]


@BOTH
def test_a_stream_ends_with_its_usage_for_who_asks(node: Node, model: str) -> None:
    *said, last = node("stream", model=model, options={"stream_options": {"include_usage": True}})
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] > 0
    assert all(chunk["choices"] for chunk in said)


@BOTH
def test_a_stream_withholds_its_usage_from_who_does_not_ask(node: Node, model: str) -> None:
    assert all(chunk["choices"] for chunk in node("stream", model=model))


@BOTH
def test_a_completion_is_answered_and_streamed(node: Node, model: str) -> None:
    whole = node("completion", model=model)["choices"][0]
    chunks = node("completionStream", model=model)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == whole["text"]


@BOTH
@pytest.mark.parametrize("form", ["float", "base64", None])  # None: packed, unpacked by the client
def test_texts_are_embedded(node: Node, model: str, form: str | None) -> None:
    given = {} if form is None else {"format": form}
    first, second = (
        entry["embedding"] for entry in node("embeddings", model=model, **given)["data"]
    )
    assert first != second


def test_models_are_listed_and_found(node: Node) -> None:
    assert set(node("models")) == {"m", "demo", "gone"}
    assert node("model", model="up/org/any")["id"] == "up/org/any"


def test_a_response_is_given_and_streamed(node: Node) -> None:
    whole = node("response", model="demo")
    events = node("responseStream", model="demo")
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == whole["output_text"] != ""
    assert events[-1]["type"] == "response.completed"


def test_an_answer_has_its_id_in_the_head(node: Node) -> None:
    head = node("head", model="m")
    assert head["id"] == head["headers"]["x-request-id"]
    assert head["headers"]["x-gateway-model"] == "up/real-model"


# ---- errors


@pytest.mark.parametrize(
    ("call", "given", "kind", "status", "code"),
    [
        ("chat", {"model": "no-such"}, "NotFoundError", 404, "model_not_found"),
        ("model", {"model": "no-such"}, "NotFoundError", 404, "model_not_found"),
        ("keyed", {"model": "m", "key": "sk-wrong"}, "AuthenticationError", 401, "invalid_api_key"),
        (
            "keyed", {"model": "demo", "key": NARROW_KEY},
            "PermissionDeniedError", 403, "model_not_allowed",
        ),
        ("chat", {"model": "up/status-400"}, "BadRequestError", 400, "upstream_refused"),
        ("chat", {"model": "up/status-413"}, "APIError", 413, "upstream_refused"),
        ("stream", {"model": "up/status-422"}, "UnprocessableEntityError", 422, "upstream_refused"),
        ("stream", {"model": "up/status-429"}, "RateLimitError", 429, "upstream_rate_limited"),
        ("chat", {"model": "up/status-401"}, "InternalServerError", 502, "upstream_auth_error"),
        ("chat", {"model": "up/status-500"}, "InternalServerError", 502, "upstream_error"),
        ("chat", {"model": "gone"}, "InternalServerError", 502, "connect_failed"),
    ],
)  # fmt: skip
def test_an_error_is_the_exception_that_clients_expect(
    node: Node, call: str, given: dict[str, str], kind: str, status: int, code: str
) -> None:
    with pytest.raises(NodeError) as raised:
        node(call, **given)
    error = raised.value
    assert (error.kind, error.status, error.code) == (kind, status, code)
    assert error.type
    assert error.request_id


def test_a_stream_that_breaks_ends_in_an_exception(node: Node) -> None:
    with pytest.raises(NodeError) as raised:
        node("stream", model="up/breaks")
    assert (raised.value.kind, raised.value.code) == ("APIError", "stream_interrupted")


@pytest.mark.parametrize("said", [400, 401, 500])
def test_a_final_error_is_not_tried_again_by_the_client(
    node: Node, house: House, said: int
) -> None:
    before = len(asked_for(f"status-{said}", house.vendor))
    with pytest.raises(NodeError):
        node("patient", model=f"up/status-{said}")
    once = len(asked_for(f"status-{said}", house.vendor)) - before
    with pytest.raises(NodeError):
        node("chat", model=f"up/status-{said}")  # a client without retries
    assert len(asked_for(f"status-{said}", house.vendor)) - before == 2 * once


# ---- leaving


@pytest.mark.parametrize("call", ["abort", "hurried"])
def test_a_client_that_leaves_ends_the_vendor_s_work(node: Node, house: House, call: str) -> None:
    name = {"abort": "halts", "hurried": "stalls"}[call]
    before = len(asked_for(name, house.vendor))
    if call == "abort":
        assert node(call, model=f"up/{name}")["choices"]
    else:
        with pytest.raises(NodeError) as raised:
            node(call, model=f"up/{name}")
        assert raised.value.kind == "APIConnectionTimeoutError"
    left = time.monotonic()
    [request] = asked_for(name, house.vendor)[before:]
    assert request.over.wait(5), "the vendor still works for nobody"
    assert request.left_at is not None
    assert request.left_at - left <= SOON_S


# ---- relayed


def test_a_recording_is_transcribed_though_it_comes_before_its_model(
    node: Node, house: House
) -> None:
    heard = node("transcription", model="up/node-talk", bytes=3 * MAX_BODY)
    [seen] = asked_for("node-talk", house.vendor)
    assert seen.body.index(b"RIFFRIFF") < seen.body.index(b"node-talk")
    assert seen.body.count(b"RIFF") == 3 * MAX_BODY // 4
    assert heard["text"] == f"{len(seen.body)} bytes heard"


def test_speech_is_heard_byte_by_byte(node: Node) -> None:
    assert base64.b64decode(node("speech", model="m")) == SOUND


def test_a_file_goes_up_and_comes_back(node: Node, house: House) -> None:
    all_of_it = node("file", model="m", text=FILE.decode())
    assert all_of_it["made"]["id"] == all_of_it["found"]["id"] == "file-abc"
    assert all_of_it["content"].encode() == FILE
    assert all_of_it["gone"]["deleted"]
    assert [request.path for request in house.vendor.journal[-4:]] == [
        "/v1/files",
        "/v1/files/file-abc",
        "/v1/files/file-abc/content",
        "/v1/files/file-abc",
    ]
