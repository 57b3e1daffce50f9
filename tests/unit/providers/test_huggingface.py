"""What huggingface offers, and what it calls otherwise."""

from gateway.chat.operation import Operation
from gateway.providers.huggingface import PROVIDER


def test_it_offers_what_its_page_says() -> None:
    assert set(PROVIDER.doors) == {Operation.CHAT}
    assert PROVIDER.variable == "HF_TOKEN"


def test_it_knows_a_limit_by_its_older_name() -> None:
    assert PROVIDER.renames["max_completion_tokens"] == "max_tokens"
