"""What stands behind this door; what holds for every provider is in tests/contract."""

from gateway.chat.operation import Operation
from gateway.providers.cohere import PROVIDER


def test_it_is_asked_in_its_own_language() -> None:
    assert PROVIDER.doors[Operation.CHAT].dialect.name == "cohere"
    assert PROVIDER.doors[Operation.EMBEDDINGS].dialect.name == "cohere_embeddings"
