"""Embeddings in the strict eyes of OpenAI's own types."""

import base64
import json
import struct

from openai.types import CreateEmbeddingResponse

from gateway.simulated import embeddings
from gateway.simulated.model import vector
from gateway.simulated.request import DIMENSIONS, Embeddings


def answer(asked: Embeddings) -> CreateEmbeddingResponse:
    body = embeddings.whole(asked, seed=0).body
    return CreateEmbeddingResponse.model_validate_json(body, strict=True)


def test_each_input_has_its_vector() -> None:
    told = answer(Embeddings(input=["a", "b"], dimensions=4, model="e"))
    assert [tuple(each.embedding) for each in told.data] == [vector("a", 0, 4), vector("b", 0, 4)]
    assert [each.index for each in told.data] == [0, 1]
    assert told.model == "e"


def test_inputs_are_counted() -> None:
    usage = answer(Embeddings(input=["abcde", "b"], dimensions=1)).usage
    assert (usage.prompt_tokens, usage.total_tokens) == (3, 3)


def test_dimensions_have_a_default() -> None:
    assert len(answer(Embeddings(input="a")).data[0].embedding) == DIMENSIONS


def test_base64_holds_the_very_same_numbers() -> None:
    packed = json.loads(embeddings.whole(Embeddings("a", "e", 4, "base64"), seed=0).body)
    read = struct.unpack("<4f", base64.b64decode(packed["data"][0]["embedding"]))
    assert read == vector("a", 0, 4)


def test_embeddings_take_no_time_for_tokens() -> None:
    assert embeddings.whole(Embeddings("a"), seed=0).tokens == 0
