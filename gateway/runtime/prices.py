"""What one backend's models cost: what the config says, else what the built-in table does."""

from collections.abc import Mapping

from gateway.config import prices
from gateway.config.schema import Price


class Prices:
    def __init__(self, backend: str, provider: str, said: Mapping[str, Price]) -> None:
        """said: the config's prices, by backend/model."""
        self._beginning = f"{backend}/"
        self._provider = provider
        self._said = said
        self._table = prices.builtin()

    def of(self, model: str) -> Price | None:
        """None if it is not known."""
        said, beginning = self._said, self._beginning
        price = said.get(beginning + model) or said.get(beginning + "*")
        return price or self._table.price(self._provider, model)
