"""What the runner wants of a parser under test."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Parser:
    name: str
    check: Callable[[bytes, Random], Hashable]
    """Reads an input in every way, and raises if anything about that is wrong.

    What it returns is the kind of outcome: an input with a new kind is worth mutating further.
    """
    tokens: tuple[bytes, ...]  # what means something to it
