"""What openrouter offers, and what it calls otherwise."""

from gateway.chat.operation import Operation
from gateway.providers.openrouter import PROVIDER


def test_it_offers_what_its_page_says() -> None:
    assert set(PROVIDER.doors) == {
        Operation.CHAT,
        Operation.COMPLETION,
        Operation.EMBEDDINGS,
        Operation.RESPONSES,
    }
    assert PROVIDER.variable == "OPENROUTER_API_KEY"
