"""Embeddings are read as what they are."""

from gateway.dialects import openai_embeddings


def test_a_request_and_an_answer_are_those_of_embeddings() -> None:
    head, _ = openai_embeddings.CLIENT.read_head(b'{"model":"m","input":"a"}')
    assert head.model == "m"
    assert openai_embeddings.UPSTREAM.read_answer(b'{"data":[]}') is None
    answer = {"object": "list", "data": []}
    assert openai_embeddings.CLIENT.write_response(answer, {}) == answer
