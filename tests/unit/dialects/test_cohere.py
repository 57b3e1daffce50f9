"""Cohere's own client sends what we send, and reads the golden answers that we read."""

import json
from pathlib import Path

import cohere
import httpx
import pytest
from cohere.types import AssistantMessageResponse

from gateway.chat.document import Document
from gateway.chat.fold import fold
from gateway.dialects.base import BadAnswer, Losses, Said
from gateway.dialects.cohere import EMBEDDINGS, UPSTREAM, read_error
from gateway.errors import GatewayError
from tests.vendors import scripted
from tests.vendors.scripted import Send, Vendor

GOLDEN = Path(__file__).parents[2] / "golden" / "cohere"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/request.json"))


def _document(case: str, name: str) -> Document:
    document: Document = json.loads((GOLDEN / case / name).read_bytes())
    return document


@pytest.mark.parametrize("case", CASES)
def test_the_sdk_sends_the_same_and_reads_the_same(case: str) -> None:
    asked = _document(case, "request.json")
    arguments = {key: value for key, value in asked.items() if key != "stream"}
    whole = scripted.response(200, (GOLDEN / case / "response.json").read_bytes())
    stream = scripted.streamed((GOLDEN / case / "stream.txt").read_bytes())
    with Vendor([Send(whole)], [Send(stream)]) as vendor, httpx.Client() as http:
        client = cohere.ClientV2("key", base_url=vendor.url, httpx_client=http)
        answer = client.chat(**arguments)
        events = list(client.chat_stream(**arguments))
        sent = [json.loads(request.body) for request in vendor.journal]
        paths = {request.path for request in vendor.journal}
    assert paths == {"/v2/chat"}
    assert sent == [{**arguments, "stream": False}, {**arguments, "stream": True}]
    assert isinstance(answer.message, AssistantMessageResponse)
    read = _document(case, "chat_response.json")["choices"][0]["message"]
    said = "".join(one.text for one in answer.message.content or () if one.type == "text")
    assert (read["content"] or "") == said
    assert [call["id"] for call in read.get("tool_calls", ())] == [
        call.id for call in answer.message.tool_calls or ()
    ]
    assert events[-1].type == "message-end"
    folded = fold(UPSTREAM.reader().feed((GOLDEN / case / "stream.txt").read_bytes()))
    assert folded == _document(case, "chat_response.json")


def test_embeddings_are_asked_for_and_read() -> None:
    asked: Document = {"model": "embed-v4.0", "input": ["a", "b"], "dimensions": 256}
    request = EMBEDDINGS.write_request(asked, Losses())
    answer: Document = {
        "id": "1",
        "response_type": "embeddings_by_type",
        "embeddings": {"float": [[1.0], [2.0]]},
        "texts": ["a", "b"],
        "meta": {"billed_units": {"input_tokens": 2}},
    }
    with (
        Vendor([Send(scripted.response(200, json.dumps(answer).encode()))]) as vendor,
        httpx.Client() as http,
    ):
        client = cohere.ClientV2("key", base_url=vendor.url, httpx_client=http)
        theirs = client.embed(**request)
        assert json.loads(vendor.journal[0].body) == request
        assert vendor.journal[0].path == "/v2/embed"
    said = EMBEDDINGS.read_response(answer, asked)
    assert [one["embedding"] for one in said["data"]] == theirs.embeddings.float_
    assert said["usage"]["prompt_tokens"] == 2


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"model": "m", "input": [1]}, "input"),
        ({"model": "m", "input": "a", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_embeddings_that_cannot_be_are_refused(asked: Document, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        EMBEDDINGS.write_request(asked, Losses())
    assert caught.value.param == param


def test_what_is_no_answer_is_said_to_be_none() -> None:
    with pytest.raises(BadAnswer):
        EMBEDDINGS.read_response({"embeddings": {}}, {"input": "a"})


def test_an_error_says_what_it_says() -> None:
    assert read_error(b'{"message":"no"}') == EMBEDDINGS.read_error(b'{"message":"no"}')
    assert UPSTREAM.read_error(b'{"message":"no"}') == Said("no")
    assert read_error(b"\xff") == Said()
