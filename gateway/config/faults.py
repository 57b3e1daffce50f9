"""What is wrong with a file: every fault with its place, all told at once.

A message never holds a value that came out of the environment or a secret's file.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_FAULTS = 100  # after these nobody reads on, and hostile files stay cheap
MAX_NEIGHBOURS = 1000  # names a mistyped one is compared with
MAX_SHOWN = 60  # characters of the file's text that a message repeats

Path = tuple[str | int, ...]  # ("models", "smart", "targets", 0, "use")

_BARE = re.compile(r"[^\s.\[\]\"=]+")


@dataclass(frozen=True, slots=True)
class Fault:
    path: str  # the file, or "--set KEY"
    line: int  # from 1; 0: the file as a whole
    column: int
    key: str  # dotted; empty for the whole file
    message: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        if not self.key or where == f"--set {self.key}":
            return f"{where}: {self.message}"
        return f"{where} {self.key}: {self.message}"


class ConfigError(ValueError):
    """The file is refused whole. str() has one line per fault."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


def dotted(path: Path) -> str:
    """models.smart.targets[0].use; a name with a dot in it stands in double quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if _BARE.fullmatch(step) else f'"{step}"'
            text += f".{shortened(name)}" if text else shortened(name)
    return text


def shortened(text: str, most: int = MAX_SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def nearest(word: str, known: Iterable[str]) -> str:
    """A half-sentence that names the nearest known word, or few known ones, or nothing."""
    names = sorted(known)[:MAX_NEIGHBOURS]
    close = difflib.get_close_matches(word, names, n=1) if len(word) <= MAX_SHOWN else []
    if close:
        return f"; did you mean {shortened(close[0])!r}?"
    if 0 < len(names) <= 12:
        return f"; there is {', '.join(map(shortened, names))}"
    return ""
