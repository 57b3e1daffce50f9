"""What a file may already say though this version does not do it yet: told, so nobody relies on it.

When a feature comes into effect, its row goes.
"""

from dataclasses import dataclass

from gateway.config.faults import Path, dotted
from gateway.config.findings import Findings


@dataclass(frozen=True, slots=True)
class Row:
    key: str  # dotted; a "*" stands for any name or number
    sentence: str
    idle: object = None  # the value that asks for nothing


# A key that the file says, unless it has the idle value, is read but waits: how it is until then.
ROWS: tuple[Row, ...] = ()


def sentences(findings: Findings, rows: tuple[Row, ...] = ROWS) -> tuple[str, ...]:
    """One for each row that the file has something for."""
    said: dict[str, list[Path]] = {}
    for path in findings.found if rows else ():
        said.setdefault(_row_key(path), []).append(path)
    told = []
    for row in rows:
        paths = [
            path
            for path in said.get(row.key, [])
            if findings.found[path].value not in (row.idle, None)
        ]
        if paths:
            told.append(_sentence(paths, row.sentence))
    return tuple(told)


def _sentence(paths: list[Path], sentence: str) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{dotted(paths[0])}{more}: not in effect yet; {sentence}"


def _row_key(path: Path) -> str:
    """How a row spells it; no row looks deeper than three steps."""
    match path:
        case (first,):
            return str(first)
        case (first, second):
            return f"{first}.{second}"
        case (first, _, third):
            return f"{first}.*.{third}"
        case _:
            return ""
