"""What jina offers."""

from gateway.chat.operation import Operation
from gateway.providers.jina import PROVIDER


def test_it_offers_what_its_page_says() -> None:
    assert set(PROVIDER.doors) == {Operation.EMBEDDINGS}
    assert PROVIDER.paths == {Operation.RERANK: "/rerank"}
    assert PROVIDER.variable == "JINA_API_KEY"
