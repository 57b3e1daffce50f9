"""Usage into dollars: worked sums, and laws."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat.usage import Usage
from gateway.config import written
from gateway.config.prices import filled
from gateway.config.schema import Price
from gateway.policy.pricing import cost, mixed, most

CHAT = filled(
    written.Price(
        input_usd_per_mtok=2.0,
        cached_usd_per_mtok=0.5,
        cache_write_usd_per_mtok=2.5,
        output_usd_per_mtok=8.0,
        reasoning_usd_per_mtok=10.0,
        input_audio_usd_per_mtok=32.0,
        output_audio_usd_per_mtok=64.0,
        input_image_usd_per_mtok=5.0,
        output_image_usd_per_mtok=40.0,
    )
)
TIERED = filled(
    written.Price(
        input_usd_per_mtok=1.0,
        output_usd_per_mtok=10.0,
        tiers=(
            written.PriceTier(
                above_input_tokens=200, input_usd_per_mtok=2.0, output_usd_per_mtok=20.0
            ),
            written.PriceTier(above_input_tokens=400, input_usd_per_mtok=4.0),
        ),
    )
)


@pytest.mark.parametrize(
    ("usage", "micro_usd"),
    [
        (Usage(), 0),
        (Usage(100, 10), 100 * 2 + 10 * 8),
        (Usage(100, 10, cached=40), 60 * 2 + 40 * 0.5 + 10 * 8),
        (Usage(100, 10, cached=40, cache_write=50), 10 * 2 + 40 * 0.5 + 50 * 2.5 + 10 * 8),
        (Usage(100, 10, reasoning=4), 100 * 2 + 6 * 8 + 4 * 10),
        (Usage(100, 10, input_audio=100, output_audio=10), 100 * 32 + 10 * 64),
        (Usage(100, 10, input_image=60, output_image=9), 40 * 2 + 60 * 5 + 1 * 8 + 9 * 40),
        # Parts that are more than the whole: no rate is ever negative.
        (Usage(10, 0, cached=40), 40 * 0.5),
    ],
)
def test_each_part_has_its_rate(usage: Usage, micro_usd: float) -> None:
    assert cost(CHAT, usage) * 1e6 == pytest.approx(micro_usd)


def test_images_have_a_price_each_and_nothing_ever_gives_money_back() -> None:
    price = filled(written.Price(image_usd=0.04, request_usd=0.01))
    assert cost(price, Usage(), 3) == pytest.approx(0.13)
    assert most(price, 0, 0, 3) == pytest.approx(0.13)
    assert cost(CHAT, Usage(-100, -100)) == 0
    assert cost(CHAT, Usage(5, 5, cached=-1000)) >= 0


@pytest.mark.parametrize(
    ("tokens", "micro_usd"),
    [(200, 200 + 10), (201, 2 * 201 + 20), (400, 2 * 400 + 20), (401, 4 * 401 + 10)],
)
def test_a_tier_prices_the_whole_request(tokens: int, micro_usd: float) -> None:
    assert cost(TIERED, Usage(tokens, 1)) * 1e6 == pytest.approx(micro_usd)


def test_an_answer_may_cost_something_whatever_it_holds() -> None:
    assert cost(filled(written.Price(request_usd=0.04)), Usage()) == 0.04


def test_a_mixture_is_three_parts_input_and_one_part_output() -> None:
    assert mixed(CHAT) == 0.75 * 2 + 0.25 * 8


COUNTS = st.integers(0, 10**6)


@given(st.sampled_from([CHAT, TIERED]), COUNTS, COUNTS, st.data())
def test_no_answer_of_that_size_costs_more_than_was_reserved(
    price: Price, into: int, out: int, data: st.DataObject
) -> None:
    parts = data.draw(st.lists(st.integers(0, into), min_size=2, max_size=2))
    cuts = [0, *sorted(parts), into]
    cached, write, audio = (b - a for a, b in itertools.pairwise(cuts))
    reasoning = data.draw(st.integers(0, out))
    usage = Usage(into, out, cached, reasoning, write, audio)
    assert cost(price, usage) <= most(price, into, out) + 1e-9
