"""What stands behind this door; what holds for every provider is in tests/contract."""

from gateway.chat.operation import Operation
from gateway.providers.ollama import PROVIDER


def test_it_is_asked_in_its_own_language() -> None:
    assert PROVIDER.doors[Operation.CHAT].dialect.name == "ollama"
    assert PROVIDER.doors[Operation.EMBEDDINGS].dialect.name == "ollama_embeddings"
