"""The door of the model in the house."""

from gateway.chat.operation import UNDERSTOOD, Operation
from gateway.providers.base import OPENAI_PATHS
from gateway.providers.simulated import PROVIDER


def test_it_offers_what_is_understood_and_the_responses_api() -> None:
    assert set(PROVIDER.doors) >= UNDERSTOOD
    assert set(PROVIDER.paths) == {Operation.RESPONSES}
    assert PROVIDER.paths.items() <= OPENAI_PATHS.items()


def test_it_needs_no_key() -> None:
    assert PROVIDER.authorize("") == []
