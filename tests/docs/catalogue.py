"""The table of metrics in docs/operations.md, made from METRICS.

To write it anew: python -m tests.docs.catalogue
"""

import re
from typing import Final

from gateway.telemetry.metrics import METRICS, Definition
from tests.docs.reading import ROOT

PAGE: Final = ROOT / "docs/operations.md"
_PLACE: Final = re.compile(r"(<!-- metrics -->\n).*(<!-- /metrics -->)", re.DOTALL)


def table() -> str:
    rows = [_row(name, definition) for name, definition in METRICS.items()]
    return "\n".join(["", "| Metric | Type | Labels | |", "|---|---|---|---|", *rows, "", ""])


def _row(name: str, definition: Definition) -> str:
    labels = ", ".join(f"`{label}`" for label in definition.labels)
    kind: str = definition.kind
    if definition.buckets:
        first, last = definition.buckets[0], definition.buckets[-1]
        kind += f" {first:g} … {last:g}" if last < 1e6 else f" {first:g} … {last:.0f}"
    return f"| `{name}` | {kind} | {labels} | {definition.help} |"


def with_table(text: str) -> str:
    return _PLACE.sub(lambda found: found[1] + table() + found[2], text)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
