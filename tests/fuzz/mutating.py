"""New inputs from old ones: bytes cut, doubled, slipped in, spliced. All chance comes from a dice.

Not guided by coverage: an input whose outcome is of a new kind is kept by the runner, that is all.
"""

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

MAX_INPUT: Final = 96 * 1024  # bytes; past all limits of a head, a line, an event's neighbours
_MAX_SLICE: Final = 48
_EDGES: Final = (0, 1, 9, 10, 15, 16, 255, 256, 4095, 4096, 65535, 2**31, 2**32, 2**63, 2**64)
_DECIMAL: Final = re.compile(rb"[0-9]+")


def mutated(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    """data after one to five changes."""
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))):
        data = dice.choice(_CHANGES)(data, pool, tokens, dice)[:MAX_INPUT]
    return data


def _slice(data: bytes, dice: Random) -> tuple[int, int]:
    start = dice.randint(0, len(data))
    return start, min(len(data), start + dice.randint(0, _MAX_SLICE))


_Change = Callable[[bytes, Sequence[bytes], Sequence[bytes], Random], bytes]


def _flip(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    if not data:
        return data
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]


def _overwrite(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    start, end = _slice(data, dice)
    return data[:start] + dice.randbytes(min(4, end - start)) + data[min(start + 4, end) :]


def _cut(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    start, end = _slice(data, dice)
    return data[:start] + data[end:]


def _end(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    return data[: dice.randint(0, len(data))]


def _double(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    start, end = _slice(data, dice)
    return data[:end] + data[start:end] + data[end:]


def _flood(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    """A slice, very often: seldom, since it takes long to read."""
    if dice.random() > 0.05:
        return _double(data, pool, tokens, dice)
    start, end = _slice(data, dice)
    times = dice.choice((10, 100, 1_000, 10_000))
    return data[:end] + data[start:end] * min(times, MAX_INPUT // (end - start + 1)) + data[end:]


def _insert(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    at = dice.randint(0, len(data))
    return data[:at] + dice.choice(tokens) + data[at:]


def _replace(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    """A token where another one stands."""
    old, new = dice.choice(tokens), dice.choice(tokens)
    at = data.find(old, dice.randint(0, len(data)))
    if at < 0 or not old:
        return _insert(data, pool, tokens, dice)
    return data[:at] + new + data[at + len(old) :]


def _splice(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    other = dice.choice(pool)
    return data[: dice.randint(0, len(data))] + other[dice.randint(0, len(other)) :]


def _number(data: bytes, pool: Sequence[bytes], tokens: Sequence[bytes], dice: Random) -> bytes:
    found = list(_DECIMAL.finditer(data[:4096]))
    if not found:
        return _insert(data, pool, tokens, dice)
    match = dice.choice(found)
    value = dice.choice((*_EDGES, int(match[0][:30]) + dice.choice((-1, 1))))
    written = (b"%x" if dice.random() < 0.3 else b"%d") % value
    return data[: match.start()] + written + data[match.end() :]


_CHANGES: Final[tuple[_Change, ...]] = (
    _flip, _overwrite, _cut, _end, _double, _flood, _insert, _insert, _replace, _splice, _number,
)  # fmt: skip
