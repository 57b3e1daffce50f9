"""What a scalar's text means where a number, a word or a secret is expected.

YAML 1.1 would read 010 as 8, 1:30 as 90, no as false and 1e3 as a text. Here a number is decimal,
true and false are the only booleans, and a text stays what was written.
"""

import math
import re
from typing import NoReturn

from msgspec import inspect

_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.A)
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+|(?<=[0-9])\.?)(?:[eE][-+]?[0-9]+)?", re.A)
_MAX_DIGITS = 19  # of what may fit 64 bits
_BOOLEANS = dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
_NOTHING = ("", "~", "null", "Null", "NULL")


class Wrong(ValueError):
    """A value that cannot stand here; its text says what would be right, and never the value."""


def whole(text: str, kind: inspect.IntType) -> int:
    if not _WHOLE.fullmatch(text):
        raise Wrong("must be a whole number, such as 4")
    value = _fitting(text)
    _bounded(value, kind)
    return value


def number(text: str, kind: inspect.FloatType) -> float:
    if not _NUMBER.fullmatch(text):
        raise Wrong("must be a number, such as 0.5")
    value = float(text)
    if not math.isfinite(value):
        raise Wrong("must be a finite number")
    _bounded(value, kind)
    return value


def boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise Wrong("must be true or false")
    return _BOOLEANS[text]


def word(text: str, kind: inspect.LiteralType) -> str:
    known = [str(value) for value in kind.values]
    if text not in known:
        raise Wrong(f"must be one of {', '.join(known)}")
    return text


def printable(text: str, kind: inspect.StrType) -> str:
    if len(text) < (kind.min_length or 0):
        raise Wrong("is empty; a text belongs here")
    if kind.max_length is not None and len(text) > kind.max_length:
        raise Wrong(f"must have at most {kind.max_length} characters")
    if kind.pattern is not None:
        if not re.search(kind.pattern, text):
            raise Wrong("has a character that it may not have")
    elif not text.isprintable():
        raise Wrong("has a character that cannot be shown")
    return text


def json_value(text: str, *, plain: bool) -> object:
    """A scalar of a JSON value: quotes make it a text, whatever is in them."""
    if not plain:
        return text
    if text in _NOTHING:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _WHOLE.fullmatch(text):
        return _fitting(text)
    if _NUMBER.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise Wrong("is a number too large for JSON")
        return value
    if text.lower() in (".nan", ".inf", "-.inf", "+.inf"):
        raise Wrong("is not a number that JSON knows")
    return text


def _fitting(digits: str) -> int:
    value = int(digits) if len(digits) <= _MAX_DIGITS + 1 else 1 << 64
    if not -(1 << 63) <= value < 1 << 63:
        raise Wrong("is a whole number of more than 64 bits")
    return value


def _bounded(value: float, kind: inspect.IntType | inspect.FloatType) -> None:
    if kind.ge is not None and value < kind.ge:
        _out("at least", kind.ge)
    if kind.gt is not None and value <= kind.gt:
        _out("more than", kind.gt)
    if kind.le is not None and value > kind.le:
        _out("at most", kind.le)


def _out(how: str, bound: float) -> NoReturn:
    raise Wrong(f"must be {how} {bound:g}" if bound < 1e6 else f"must be {how} {bound:.0f}")
