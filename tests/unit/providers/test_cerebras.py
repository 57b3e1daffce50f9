"""What cerebras offers, and what it calls otherwise."""

from gateway.chat.operation import Operation
from gateway.providers.cerebras import PROVIDER


def test_it_offers_what_its_page_says() -> None:
    assert set(PROVIDER.doors) == {Operation.CHAT, Operation.COMPLETION}
    assert PROVIDER.variable == "CEREBRAS_API_KEY"


def test_what_it_does_not_take_is_refused_by_name() -> None:
    assert "logit_bias" in PROVIDER.refuses
