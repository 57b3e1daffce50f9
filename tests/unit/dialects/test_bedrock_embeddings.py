"""Titan's and Cohere's embeddings behind OpenAI's."""

import pytest

from gateway.chat.document import Document
from gateway.dialects.base import BadAnswer, Losses, Said
from gateway.dialects.bedrock_embeddings import EMBEDDINGS
from gateway.errors import GatewayError

TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-multilingual-v3"


def test_titan_takes_one_text() -> None:
    asked = {"model": TITAN, "input": ["a"], "dimensions": 256, "normalize": False}
    assert EMBEDDINGS.write_request(asked, Losses()) == {
        "normalize": False,
        "inputText": "a",
        "dimensions": 256,
    }
    said = EMBEDDINGS.read_response({"embedding": [0.5], "inputTextTokenCount": 3}, asked)
    assert said["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5]}]
    assert said["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


def test_cohere_takes_many() -> None:
    asked = {"model": COHERE, "input": ["a", "b"], "encoding_format": "float"}
    request = {"input_type": "search_document", "texts": ["a", "b"]}
    assert EMBEDDINGS.write_request(asked, Losses()) == request
    wider = {**asked, "input_type": "search_query", "dimensions": 512}
    assert EMBEDDINGS.write_request(wider, Losses()) == {
        "input_type": "search_query",
        "texts": ["a", "b"],
        "output_dimension": 512,
    }
    for answer in ([[1.0], [2.0]], {"float": [[1.0], [2.0]]}):
        said = EMBEDDINGS.read_response({"embeddings": answer}, asked)
        assert [one["embedding"] for one in said["data"]] == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"model": TITAN, "input": ["a", "b"]}, "input"),
        ({"model": TITAN, "input": [1, 2]}, "input"),
        ({"model": COHERE, "input": [[1], [2]]}, "input"),
        ({"model": COHERE, "input": "a", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_what_cannot_be_said_is_refused(asked: Document, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        EMBEDDINGS.write_request(asked, Losses())
    assert caught.value.param == param


@pytest.mark.parametrize("model", [TITAN, COHERE])
def test_what_is_no_answer_is_said_to_be_none(model: str) -> None:
    with pytest.raises(BadAnswer):
        EMBEDDINGS.read_response({"embedding": "x"}, {"model": model, "input": "a"})


def test_errors_are_bedrocks() -> None:
    assert EMBEDDINGS.read_error(b'{"message":"no"}') == Said("no")
