"""What an answer costs, and what a request may cost before it is asked.

Pure: a price and counts go in, dollars come out. The price is always ours; what an upstream says
that it charged is never used. Input counts include cached, written, audio and image tokens, output
counts reasoning, audio and images, as `chat/usage.py` has them.
"""

from typing import Final

from gateway.chat.usage import Usage
from gateway.config.schema import Price, Rates

_MTOK: Final = 1_000_000


def cost(price: Price, usage: Usage, images: int = 0) -> float:
    """Dollars, never less than none. images: made by an endpoint that may count no tokens."""
    rates = _rates(price, usage.input) if price.tiers else price
    apart_in = usage.cached + usage.cache_write + usage.input_audio + usage.input_image
    apart_out = usage.reasoning + usage.output_audio + usage.output_image
    usd = (
        max(0, usage.input - apart_in) * rates.input_usd_per_mtok
        + max(0, usage.output - apart_out) * rates.output_usd_per_mtok
    )
    if apart_in:
        usd += (
            usage.cached * rates.cached_usd_per_mtok
            + usage.cache_write * rates.cache_write_usd_per_mtok
            + usage.input_audio * rates.input_audio_usd_per_mtok
            + usage.input_image * rates.input_image_usd_per_mtok
        )
    if apart_out:
        usd += (
            usage.reasoning * rates.reasoning_usd_per_mtok
            + usage.output_audio * rates.output_audio_usd_per_mtok
            + usage.output_image * rates.output_image_usd_per_mtok
        )
    return max(0.0, usd) / _MTOK + price.request_usd + images * price.image_usd


def most(price: Price, input_tokens: int, output_tokens: int, images: int = 0) -> float:
    """Dollars that so many tokens can cost, whatever they turn out to be: for a reservation."""
    rates = _rates(price, input_tokens)
    into = max(
        rates.input_usd_per_mtok,
        rates.cached_usd_per_mtok,
        rates.cache_write_usd_per_mtok,
        rates.input_audio_usd_per_mtok,
        rates.input_image_usd_per_mtok,
    )
    out = max(
        rates.output_usd_per_mtok,
        rates.reasoning_usd_per_mtok,
        rates.output_audio_usd_per_mtok,
        rates.output_image_usd_per_mtok,
    )
    tokens_usd = (input_tokens * into + output_tokens * out) / _MTOK
    return tokens_usd + price.request_usd + images * price.image_usd


def mixed(price: Price) -> float:
    """Dollars for a million tokens, to compare by: a chat sends about three times what it gets."""
    return 0.75 * price.input_usd_per_mtok + 0.25 * price.output_usd_per_mtok


def _rates(price: Price, input_tokens: int) -> Rates:
    """A tier's rates hold for the whole request."""
    rates: Rates = price
    for tier in price.tiers:
        if input_tokens > tier.above_input_tokens:
            rates = tier
    return rates
