"""Completions and embeddings are read as what they are."""

from gateway.dialects import openai_passing


def test_each_reads_its_own() -> None:
    head, _ = openai_passing.COMPLETION_CLIENT.read_head(b'{"model":"m","prompt":["a","b"]}')
    assert (head.model, head.choices) == ("m", 2)
    head, _ = openai_passing.EMBEDDINGS_CLIENT.read_head(b'{"model":"m","input":"a"}')
    assert head.model == "m"
    assert openai_passing.EMBEDDINGS.read_answer(b'{"data":[]}') is None
