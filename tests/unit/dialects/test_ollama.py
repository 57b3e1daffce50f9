"""Ollama's embeddings and errors; its chat is in the golden folder."""

import pytest

from gateway.chat.document import Document
from gateway.dialects.base import BadAnswer, Losses, Said
from gateway.dialects.ollama import EMBEDDINGS, UPSTREAM, read_error
from gateway.errors import GatewayError


def test_embeddings_are_asked_for_and_read() -> None:
    asked: Document = {"model": "nomic", "input": "a", "dimensions": 64, "user": "u"}
    assert EMBEDDINGS.write_request(asked, Losses()) == {
        "model": "nomic",
        "dimensions": 64,
        "input": ["a"],
    }
    said = EMBEDDINGS.read_response({"embeddings": [[0.5]], "prompt_eval_count": 2}, asked)
    assert said["data"][0]["embedding"] == [0.5]
    assert said["usage"]["total_tokens"] == 2


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"model": "m", "input": [[1]]}, "input"),
        ({"model": "m", "input": "a", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_embeddings_that_cannot_be_are_refused(asked: Document, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        EMBEDDINGS.write_request(asked, Losses())
    assert caught.value.param == param


def test_what_is_no_answer_is_said_to_be_none() -> None:
    with pytest.raises(BadAnswer):
        EMBEDDINGS.read_response({"embedding": [1]}, {"input": "a"})


def test_an_error_says_what_it_says() -> None:
    assert UPSTREAM.read_error(b'{"error":"no"}') == Said("no")
    assert EMBEDDINGS.read_error(b'{"error":"no"}') == Said("no")
    assert read_error(b"[]") == Said()
