"""The table of providers in docs/providers.md, printed from what they are.

python -m tools.providers
"""

import sys
from collections.abc import Iterator

from gateway.providers import discover
from gateway.providers.base import Provider

HEAD = (
    "| Provider | Address | Usual variable | Speaks | Passed on | Its ways | Source |\n"
    "|---|---|---|---|---|---|---|\n"
)


def table() -> str:
    found = discover()
    return HEAD + "".join(_row(found[name]) for name in sorted(found))


def _row(one: Provider) -> str:
    cells = (
        f"`{one.name}`",
        f"`{one.base_url}`" if one.base_url else "`base_url`",
        f"`{one.variable}`" if one.variable else "",
        ", ".join(
            f"{operation.value} ({door.dialect.name})" for operation, door in one.doors.items()
        ),
        ", ".join(operation.value for operation in one.paths if operation not in one.doors),
        "; ".join(_ways(one)),
        one.source,
    )
    return f"| {' | '.join(cells)} |\n"


def _ways(one: Provider) -> Iterator[str]:
    for name, other in one.renames.items():
        yield f"`{name}` is `{other}`"
    if one.renamed is not None:
        for name, other in one.renamed[1].items():
            yield f"`{name}` is `{other}` for models that reason"
    if one.refuses:
        yield "refuses " + ", ".join(f"`{name}`" for name in sorted(one.refuses))


if __name__ == "__main__":
    sys.stdout.write(table())
