"""What models cost: the built-in table, and prices as the config writes them, filled in.

The table (`prices.json`, made by tools/prices.py) is vendored and dated; nothing is fetched. A row
of it that makes no sense is left out: whatever it would have priced has no known price.
"""

import functools
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.config import schema, written

_FILE: Final = Path(__file__).with_name("prices.json")
MAX_FOUND: Final = 4096  # models whose price is kept at hand; then it is looked for again
# The vendor whose prices a provider's are, where it is not called the same.
_VENDORS: Final = {"bedrock": "aws", "gemini": "google", "vertex": "google"}
_Rate = Annotated[float, Meta(ge=0, le=1_000_000)] | None


def filled(said: written.Price) -> schema.Price:
    """Rates that are not given are those of what they are a part of; a tier's, those without it."""
    whole = _said(said)
    tiers = tuple(
        schema.PriceTier(
            above_input_tokens=tier.above_input_tokens, **_filled({**whole, **_said(tier)})
        )
        for tier in said.tiers
    )
    return schema.Price(
        request_usd=said.request_usd, image_usd=said.image_usd, tiers=tiers, **_filled(whole)
    )


def _said(rates: written.Rates) -> dict[str, float]:
    given = {name: getattr(rates, name) for name in written.Rates.__struct_fields__}
    return {name: rate for name, rate in given.items() if rate is not None}


def _filled(said: dict[str, float]) -> dict[str, float]:
    into, out = said.get("input_usd_per_mtok", 0.0), said.get("output_usd_per_mtok", 0.0)
    return {
        "input_usd_per_mtok": into,
        "cached_usd_per_mtok": into,
        "cache_write_usd_per_mtok": into,
        "input_audio_usd_per_mtok": into,
        "output_usd_per_mtok": out,
        "reasoning_usd_per_mtok": out,
        "output_audio_usd_per_mtok": out,
        "input_image_usd_per_mtok": into,
        "output_image_usd_per_mtok": out,
        **said,
    }


# ---- the table


class _Rates(msgspec.Struct, kw_only=True):
    input: _Rate = None
    cached: _Rate = None
    cache_write: _Rate = None
    output: _Rate = None
    reasoning: _Rate = None
    input_audio: _Rate = None
    output_audio: _Rate = None
    input_image: _Rate = None
    output_image: _Rate = None

    def said(self) -> dict[str, float | None]:
        names = _Rates.__struct_fields__
        return {f"{name}_usd_per_mtok": getattr(self, name) for name in names}


class _Tier(_Rates, kw_only=True):
    above: int


class _Row(_Rates, kw_only=True):
    request: float = 0.0
    image: float = 0.0
    tiers: list[_Tier] = []

    def price(self) -> schema.Price:
        tiers = tuple(
            written.PriceTier(above_input_tokens=tier.above, **tier.said()) for tier in self.tiers
        )
        return filled(
            written.Price(
                request_usd=self.request, image_usd=self.image, tiers=tiers, **self.said()
            )
        )


class _Vendor(msgspec.Struct):
    names: dict[str, msgspec.Raw] = {}
    # How a model's name meets the text: the first that does counts.
    rules: list[tuple[Literal["begins", "ends", "holds"], str, msgspec.Raw]] = []
    others: list[str] = msgspec.field(default_factory=list, name="else")  # to look at then


class _Written(msgspec.Struct):
    date: date
    vendors: dict[str, _Vendor]


class Table:
    """The built-in prices."""

    def __init__(self, text: bytes) -> None:
        said = msgspec.json.decode(text, type=_Written)
        self.made_at = datetime.combine(said.date, datetime.min.time(), UTC).timestamp()
        self._vendors = said.vendors
        self._found: dict[tuple[str, str], schema.Price | None] = {}

    def price(self, provider: str, model: str) -> schema.Price | None:
        """What the provider's model costs; None if that is not known."""
        key = (provider, model)
        if key not in self._found:
            if len(self._found) >= MAX_FOUND:
                self._found.clear()
            vendor = _VENDORS.get(provider, provider)
            self._found[key] = _read(self._row(vendor, model.lower(), set()))
        return self._found[key]

    def _row(self, vendor: str, model: str, seen: set[str]) -> msgspec.Raw | None:
        at = self._vendors.get(vendor)
        if at is None or vendor in seen:
            return None
        seen.add(vendor)
        row = at.names.get(model)
        if row is None:
            row = next((row for how, text, row in at.rules if _meets(model, how, text)), None)
        return row or _first(self._row(other, model, seen) for other in at.others)


def _meets(model: str, how: str, text: str) -> bool:
    match how:
        case "begins":
            return model.startswith(text)
        case "ends":
            return model.endswith(text)
        case _:
            return text in model


def _first(rows: Iterable[msgspec.Raw | None]) -> msgspec.Raw | None:
    return next((row for row in rows if row is not None), None)


def _read(row: msgspec.Raw | None) -> schema.Price | None:
    """A row that cannot be right is none."""
    try:
        return None if row is None else msgspec.json.decode(row, type=_Row).price()
    except msgspec.DecodeError:
        return None


@functools.cache
def builtin() -> Table:
    return Table(_FILE.read_bytes())
