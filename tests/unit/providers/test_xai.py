"""What xai offers, and what it calls otherwise."""

from gateway.chat.operation import Operation
from gateway.providers.xai import PROVIDER


def test_it_offers_what_its_page_says() -> None:
    assert set(PROVIDER.doors) == {Operation.CHAT, Operation.RESPONSES}
    assert PROVIDER.variable == "XAI_API_KEY"
