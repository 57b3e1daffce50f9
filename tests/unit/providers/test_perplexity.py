"""What perplexity offers: one door, through which chats are had as well."""

from gateway.chat.operation import Operation
from gateway.providers.perplexity import PROVIDER
from gateway.runtime.languages import door_for


def test_it_offers_what_its_page_says() -> None:
    assert set(PROVIDER.doors) == {Operation.RESPONSES}
    assert PROVIDER.variable == "PERPLEXITY_API_KEY"


def test_a_chat_is_had_through_it() -> None:
    assert door_for(Operation.CHAT, PROVIDER.doors) is PROVIDER.doors[Operation.RESPONSES]
