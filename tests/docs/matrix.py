"""The matrix in docs/dialects.md, made from what tests/journeys/test_matrix.py holds true.

To write it anew: python -m tests.docs.matrix
"""

import re
from collections.abc import Callable
from typing import Final

from tests.docs.reading import ROOT
from tests.journeys import pairs
from tests.journeys.pairs import BACKENDS, CLIENTS, TITLES, Cell, Refused, Unsaid

PAGE: Final = ROOT / "docs/dialects.md"
_PLACE: Final = re.compile(r"(<!-- matrix -->\n).*(<!-- /matrix -->)", re.DOTALL)


def _carried(client: str, backend: str) -> Cell:
    return None


# How a row begins, and what its cells are.
_ROWS: Final[tuple[tuple[str, Callable[[str, str], Cell]], ...]] = (
    ("text, stream, errors before and within", _carried),
    ("tools, results", pairs.tools),
    ("a tool forced by name", pairs.forced),
    ("system message", pairs.system),
    ("JSON schema", pairs.schema),
    ("images", pairs.image),
)


def table() -> str:
    titles = "".join(f" {TITLES[backend]} |" for backend in BACKENDS)
    lines = [f"| From a client of | |{titles}", "|---|---|" + "---|" * len(BACKENDS)]
    for client in CLIENTS:
        name = f" **{TITLES[client]}** "
        for what, cell in _ROWS:
            cells = "".join(f" {_shown(cell(client, backend))} |" for backend in BACKENDS)
            lines.append(f"|{name}| {what} |{cells}")
            name = " "
        cells = "".join(f" {_refused(client, backend)} |" for backend in BACKENDS)
        lines.append(f"| | refused, for one |{cells}")
    return "\n".join(["", *lines, "", ""])


def _shown(cell: Cell) -> str:
    match cell:
        case Refused(param):
            return f"refused: `{param}`"
        case Unsaid():
            return "no word"
        case None:
            return "yes"


def _refused(client: str, backend: str) -> str:
    refusal = pairs.REFUSALS.get((client, backend))
    return "passes as it is" if refusal is None else f"`{refusal[1]}`"


def with_table(text: str) -> str:
    return _PLACE.sub(lambda found: found[1] + table() + found[2], text)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
