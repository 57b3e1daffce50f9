"""The built-in table, and prices as they are written, filled in."""

import time

import msgspec
import pytest

from gateway.chat.usage import Usage
from gateway.config import written
from gateway.config.prices import MAX_FOUND, Table, builtin, filled
from gateway.policy.pricing import cost

TABLE = {
    "date": "2026-01-02",
    "vendors": {
        "openai": {
            "names": {
                "gpt-x": {"input": 1.0, "output": 2.0},
                "broken": {"input": -1.0},
                "worse": {"input": "much"},
            },
            "rules": [
                ["begins", "gpt-", {"input": 3.0}],
                ["ends", "-mini", {"input": 4.0}],
                ["holds", "nano", {"input": 5.0}],
            ],
        },
        "azure": {"else": ["openai", "azure", "nobody"]},
        "aws": {"names": {"titan": {"input": 6.0}}},
    },
}


@pytest.fixture
def table() -> Table:
    return Table(msgspec.json.encode(TABLE))


def rate(table: Table, provider: str, model: str) -> float | None:
    price = table.price(provider, model)
    return None if price is None else price.input_usd_per_mtok


def test_a_whole_name_counts_before_any_rule(table: Table) -> None:
    assert rate(table, "openai", "gpt-x") == 1
    assert rate(table, "openai", "GPT-X") == 1
    assert rate(table, "openai", "gpt-y-mini") == 3
    assert rate(table, "openai", "o9-mini") == 4
    assert rate(table, "openai", "a-nano-b") == 5
    assert rate(table, "openai", "unheard-of") is None


def test_a_vendor_that_sells_others_models_has_their_prices(table: Table) -> None:
    assert rate(table, "azure", "gpt-x") == 1
    assert rate(table, "azure", "unheard-of") is None


def test_a_provider_that_is_called_otherwise_there_is_found(table: Table) -> None:
    assert rate(table, "bedrock", "titan") == 6
    assert rate(table, "simulated", "lorem") is None


@pytest.mark.parametrize("model", ["broken", "worse"])
def test_a_row_that_makes_no_sense_is_no_price(table: Table, model: str) -> None:
    assert table.price("openai", model) is None


def test_ever_new_names_do_not_pile_up(table: Table) -> None:
    for number in range(MAX_FOUND + 10):
        table.price("openai", f"gpt-{number}")
    assert len(table._found) <= MAX_FOUND


def test_the_built_in_table_prices_what_is_well_known_and_says_how_old_it_is() -> None:
    price = builtin().price("openai", "gpt-5-mini")
    assert price is not None
    assert (price.input_usd_per_mtok, price.cached_usd_per_mtok) == (0.25, 0.025)
    assert price.output_usd_per_mtok == 2
    assert 1_790_000_000 < builtin().made_at < time.time()


def test_every_row_of_the_built_in_table_can_be_read() -> None:
    for vendor, at in builtin()._vendors.items():
        assert at.names, vendor
        for model in at.names:
            price = builtin().price(vendor, model)
            assert price is not None, (vendor, model)
            assert 0 <= cost(price, Usage(1_000_000, 1_000_000, 10, 10, 10, 10, 10)) < 20_000


def test_a_part_costs_what_the_whole_does_unless_it_is_said() -> None:
    price = filled(written.Price(input_usd_per_mtok=2.0, output_usd_per_mtok=8.0))
    assert price.cached_usd_per_mtok == price.cache_write_usd_per_mtok == 2
    assert price.input_audio_usd_per_mtok == 2
    assert price.reasoning_usd_per_mtok == price.output_audio_usd_per_mtok == 8


def test_what_a_tier_leaves_out_is_as_without_it() -> None:
    tier = written.PriceTier(above_input_tokens=10, input_usd_per_mtok=4.0)
    price = filled(
        written.Price(
            input_usd_per_mtok=2.0, cached_usd_per_mtok=0.5, output_usd_per_mtok=8.0, tiers=(tier,)
        )
    )
    (above,) = price.tiers
    assert (above.input_usd_per_mtok, above.cached_usd_per_mtok) == (4, 0.5)
    assert (above.cache_write_usd_per_mtok, above.reasoning_usd_per_mtok) == (4, 8)
