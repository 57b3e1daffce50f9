"""Which price a backend's model has: the file's, the file's for all others, the table's, none."""

from gateway.config import written
from gateway.config.prices import builtin, filled
from gateway.runtime.prices import Prices

OWN = filled(written.Price(input_usd_per_mtok=7.0))
REST = filled(written.Price(input_usd_per_mtok=9.0))


def test_what_the_file_says_counts_before_the_table() -> None:
    prices = Prices("up", "openai", {"up/gpt-5-mini": OWN})
    assert prices.of("gpt-5-mini") == OWN
    assert prices.of("gpt-5") == builtin().price("openai", "gpt-5")


def test_a_star_stands_for_all_others_of_a_backend() -> None:
    prices = Prices("up", "openai", {"up/a": OWN, "up/*": REST, "down/b": OWN})
    assert (prices.of("a"), prices.of("b")) == (OWN, REST)


def test_what_nobody_prices_has_none() -> None:
    assert Prices("up", "vllm", {}).of("llama") is None
