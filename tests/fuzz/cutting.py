"""The same bytes in pieces: what a socket may make of them."""

from itertools import pairwise
from random import Random
from typing import Final

MAX_BYTEWISE: Final = 1_500


def cuttings(data: bytes, dice: Random) -> list[list[bytes]]:
    """A few ways to cut data; byte by byte is one of them where that is not too many."""
    ways = [_cut(data, dice, dice.randint(1, 4)), _cut(data, dice, dice.randint(5, 12))]
    if len(data) <= MAX_BYTEWISE:
        ways.append([data[at : at + 1] for at in range(len(data))])
    return ways


def _cut(data: bytes, dice: Random, count: int) -> list[bytes]:
    edges = sorted(dice.randint(0, len(data)) for _ in range(count))
    return [data[start:end] for start, end in pairwise([0, *edges, len(data)])]
