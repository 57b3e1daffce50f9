"""The door of the model in the house."""

from gateway.chat.operation import Operation
from gateway.providers.base import OPENAI_DOORS, OPENAI_PATHS
from gateway.providers.simulated import PROVIDER


def test_it_offers_what_is_understood_and_the_responses_api() -> None:
    assert set(PROVIDER.doors) == set(OPENAI_DOORS)
    assert set(PROVIDER.paths) == {Operation.RESPONSES}
    assert PROVIDER.paths.items() <= OPENAI_PATHS.items()


def test_it_needs_no_key() -> None:
    assert PROVIDER.authorize("") == []
