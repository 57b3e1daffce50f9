"""Google's embeddings behind OpenAI's."""

import pytest

from gateway.chat.document import Document
from gateway.dialects.base import BadAnswer, EmbeddingsDialect, Losses
from gateway.dialects.gemini_embeddings import STUDIO, VERTEX
from gateway.errors import Code, GatewayError

ASKED: Document = {"model": "gemini-embedding-001", "input": ["a", "b"], "user": "u"}
both = pytest.mark.parametrize("dialect", [STUDIO, VERTEX], ids=["studio", "vertex"])


def test_studio_takes_a_batch() -> None:
    asked = {**ASKED, "dimensions": 2, "task_type": "RETRIEVAL_QUERY"}
    common = {
        "model": "models/gemini-embedding-001",
        "outputDimensionality": 2,
        "taskType": "RETRIEVAL_QUERY",
    }
    assert STUDIO.write_request(asked, Losses()) == {
        "requests": [{**common, "content": {"parts": [{"text": text}]}} for text in "ab"]
    }
    said = STUDIO.read_response({"embeddings": [{"values": [1, 0.5]}, {"values": [2, 3]}]}, asked)
    assert [one["embedding"] for one in said["data"]] == [[1, 0.5], [2, 3]]
    assert "usage" not in said
    counted = {"embeddings": [], "usageMetadata": {"promptTokenCount": 5}}
    assert STUDIO.read_response(counted, asked)["usage"]["prompt_tokens"] == 5


def test_vertex_predicts() -> None:
    asked = {**ASKED, "input": "a", "dimensions": 2, "encoding_format": "base64"}
    assert VERTEX.write_request({**asked, "title": "t"}, Losses()) == {
        "instances": [{"title": "t", "content": "a"}],
        "parameters": {"outputDimensionality": 2},
    }
    assert VERTEX.write_request(ASKED, Losses()) == {
        "instances": [{"content": "a"}, {"content": "b"}]
    }
    found = {"values": [1.0, 0.5], "statistics": {"token_count": 4.0, "truncated": False}}
    said = VERTEX.read_response({"predictions": [{"embeddings": found}]}, asked)
    assert said["data"][0]["embedding"] == "AACAPwAAAD8="
    assert said["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


@both
@pytest.mark.parametrize(
    ("param", "value"),
    [("input", [[1, 2]]), ("encoding_format", "int8"), ("normalize", True)],
)
def test_what_google_cannot_embed_is_refused(
    dialect: EmbeddingsDialect, param: str, value: object
) -> None:
    with pytest.raises(GatewayError) as refused:
        dialect.write_request({**ASKED, param: value}, Losses())
    assert (refused.value.code, refused.value.param) == (Code.UNTRANSLATABLE, param)


@both
def test_what_is_no_answer_is_bad(dialect: EmbeddingsDialect) -> None:
    with pytest.raises(BadAnswer):
        dialect.read_response({"data": []}, ASKED)
    assert dialect.read_error(b'{"error": {"message": "m"}}').message == "m"
