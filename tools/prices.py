"""Makes gateway/config/prices.json, the built-in price table, from the package genai-prices (MIT).

    python -m venv .venv/prices && .venv/prices/bin/pip install genai-prices
    .venv/prices/bin/python tools/prices.py > gateway/config/prices.json

Only whoever renews the table needs the package. A price that holds at some hours only is left out
for the one that holds at all others; one that begins later, too. Prices a thousandfold off what
anything costs are taken for mistakes, and left out.
"""

import datetime
import importlib.metadata
import json
import sys

from genai_prices import types
from genai_prices.data import providers

# Those that the gateway has a door to, or may have.
VENDORS = (
    "anthropic", "aws", "azure", "cerebras", "cohere", "deepseek", "fireworks", "google", "groq",
    "mistral", "moonshotai", "openai", "openrouter", "perplexity", "together", "voyageai", "x-ai",
    "zai",
)  # fmt: skip
# Their names for what is counted, and ours (gateway/config/builtin.py).
FIELDS = {
    "input_mtok": "input",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "requests_kcount": "request",  # of a thousand requests; made of one below
}
MOST = 10_000  # dollars for a million tokens


def now_in_force(model):
    """The price of today, at hours that no exception is made for."""
    prices = model.prices
    if isinstance(prices, types.ModelPrice):
        return prices
    today, found = datetime.date.today(), None
    for one in prices:
        match one.constraint:
            case None:
                found = found or one.prices
            case types.StartDateConstraint(start_date=start) if start <= today:
                found = one.prices
    return found


def rates(price):
    """Our row: what a million of each costs, and the same again above so many input tokens."""
    row, above = {}, {}
    for theirs, ours in FIELDS.items():
        value = getattr(price, theirs, None)
        if isinstance(value, types.TieredPrices):
            for tier in value.tiers:
                above.setdefault(tier.start, {})[ours] = float(tier.price)
            value = value.base
        if value is not None:
            row[ours] = float(value) / (1000 if ours == "request" else 1)
    if above:
        row["tiers"] = [{"above": start, **tier} for start, tier in sorted(above.items())]
    return row


def sound(row):
    tiers = row.get("tiers", ())
    numbers = [value for one in (row, *tiers) for name, value in one.items() if name != "tiers"]
    return bool(row) and all(
        0 <= value <= MOST for one in (row, *tiers) for name, value in one.items()
        if name not in ("tiers", "above")
    ) and bool(numbers)  # fmt: skip


def clauses(match):
    """A match as rows of (how, text); None for one that is more than a choice of texts."""
    match match:
        case types.ClauseEquals(equals=text):
            return [("is", text)]
        case types.ClauseStartsWith(starts_with=text):
            return [("begins", text)]
        case types.ClauseEndsWith(ends_with=text):
            return [("ends", text)]
        case types.ClauseContains(contains=text):
            return [("holds", text)]
        case types.ClauseOr(or_=several):
            found = [clauses(one) for one in several]
            return None if None in found else [row for rows in found for row in rows]
        case _:
            return None


def vendor(provider):
    """names: models by their whole name; rules: the others, first match counts."""
    names, rules = {}, []
    for model in provider.models:
        price = now_in_force(model)
        row = {} if price is None else rates(price)
        if not sound(row):
            continue
        names.setdefault(model.id.lower(), row)
        for how, text in clauses(model.match) or ():
            if how == "is":
                names.setdefault(text.lower(), row)
            else:
                rules.append([how, text.lower(), row])
    found = {"names": dict(sorted(names.items())), "rules": rules}
    if provider.fallback_model_providers:
        found["else"] = [one for one in provider.fallback_model_providers if one in VENDORS]
    return found


def main():
    table = {
        "date": datetime.date.today().isoformat(),
        "source": f"genai-prices {importlib.metadata.version('genai-prices')}, MIT",
        "vendors": {one.id: vendor(one) for one in providers if one.id in VENDORS},
    }
    # A line for each model: the diff of a renewed table can be read.
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False)
    sys.stdout.write(text.replace('},"', '},\n"').replace("],[", "],\n[") + "\n")


if __name__ == "__main__":
    main()
