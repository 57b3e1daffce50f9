"""Embeddings come in OpenAI's form, as numbers or packed."""

import base64
import struct

from openai.types import CreateEmbeddingResponse

from gateway.chat.vectors import answer, texts


def test_texts_are_a_list_and_tokens_are_none() -> None:
    assert texts({"input": "a"}) == ["a"]
    assert texts({"input": ["a", "b"]}) == ["a", "b"]
    assert texts({"input": [1, 2]}) is None
    assert texts({"input": [[1], [2]]}) is None


def test_an_answer_is_one_of_openais() -> None:
    said = answer({"model": "m", "input": "a"}, [[0.5, 1.0], [2.0, 3.0]], 7)
    read = CreateEmbeddingResponse.model_validate(said, strict=True)
    assert [item.index for item in read.data] == [0, 1]
    assert (read.data[1].embedding, read.usage.prompt_tokens) == ([2.0, 3.0], 7)


def test_packed_numbers_are_floats_of_four_bytes() -> None:
    said = answer({"model": "m", "encoding_format": "base64"}, [[0.5, -1.0]])
    packed = base64.b64decode(said["data"][0]["embedding"])
    assert struct.unpack("<2f", packed) == (0.5, -1.0)
    assert "usage" not in said
