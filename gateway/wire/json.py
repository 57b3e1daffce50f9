"""JSON as it crosses a proxy: checked once, read shallowly, written again from what was read.

A document that two readers could read differently (duplicate keys, NaN, broken UTF-8, a number no
one can hold, nesting that overflows a parser) is refused here. Source: RFC 8259; msgspec is strict
in syntax and escapes, the rest stands below.
"""

import json
import re
from typing import Final

import msgspec

MAX_DEPTH: Final = 64
MAX_NUMBER: Final = 40  # characters; a 64-bit integer has 20, a double's longest spelling 25

Fields = dict[str, msgspec.Raw]  # a document's top level; values as they lay on the wire


class JsonError(ValueError):
    """Not a document we take. key is the top-level key at fault, where one is."""

    def __init__(self, reason: str, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason  # "syntax", "shape", "depth", "duplicate", "number"
        self.key = key


_shallow: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
write: Final = msgspec.json.Encoder().encode  # Fields, or plain values -> bytes

_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b'[]{}"\\'))
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_DIGITS: Final = b"0123456789"
_LONG_NUMBER: Final = re.compile(rb"[0-9]{%d}" % MAX_NUMBER)
_SMALL: Final = 64 * 1024  # bytes up to which every number is looked at, not only those on top


def read(body: bytes) -> Fields:
    """The top level of the one JSON object in body. Raises JsonError."""
    try:
        fields = _shallow(body)
        if not body.isascii():
            body.decode()
    except msgspec.ValidationError:
        raise JsonError("shape", "the body must be a JSON object") from None
    except UnicodeDecodeError as error:
        raise JsonError("syntax", f"the body is not UTF-8 (byte {error.start})") from None
    except msgspec.DecodeError as error:
        raise JsonError("syntax", f"the body is not JSON: {error}") from None
    except RecursionError:
        raise JsonError("depth", f"the body is nested deeper than {MAX_DEPTH} levels") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and deeper_than(body, MAX_DEPTH):
        raise JsonError("depth", f"the body is nested deeper than {MAX_DEPTH} levels")
    _check_numbers(body, fields)
    _check_duplicates(body, fields)
    return fields


def deeper_than(body: bytes, depth: int) -> bool:
    """Whether valid JSON nests deeper than depth; all work is done by bytes methods in C."""
    skeleton = _STRING.sub(b"", body.translate(None, _NOT_BRACKETS))
    for _ in range(depth):
        if not skeleton:
            return False
        skeleton = skeleton.replace(b"[]", b"").replace(b"{}", b"")
    return bool(skeleton)


def _check_numbers(body: bytes, fields: Fields) -> None:
    if len(body) <= _SMALL and len(body) - len(body.translate(None, _DIGITS)) < MAX_NUMBER:
        return
    for key, raw in fields.items():
        value = bytes(raw)
        scalar = value[:1] not in b'"[{'
        if (scalar and len(value) > MAX_NUMBER) or (
            len(body) <= _SMALL and not scalar and _LONG_NUMBER.search(_STRING.sub(b"", value))
        ):
            raise JsonError("number", f"{key}: a number has too many digits", key)


def _check_duplicates(body: bytes, fields: Fields) -> None:
    """No key twice on top. Compact bodies are settled by their length alone."""
    length = 1 + sum([len(key) + len(memoryview(raw)) + 4 for key, raw in fields.items()])
    if length == len(body) or (not fields and len(body) == 2):
        return
    seen: set[str] = set()
    for key, raw in _pairs(body, fields):
        if key in seen or raw is None:
            raise JsonError("duplicate", f"{key}: the key is there twice", key)
        seen.add(key)


_GAP: Final = re.compile(rb"[ \t\r\n]*")


def _pairs(body: bytes, fields: Fields) -> list[tuple[str, msgspec.Raw | None]]:
    """The top-level pairs in their order; None where the value is not the one in fields."""
    found: list[tuple[str, msgspec.Raw | None]] = []
    at = body.index(b"{") + 1
    while True:
        at = _past_gap(body, at)
        if body[at : at + 1] == b"}":
            return found
        end = body.index(b'"', at + 1)
        quoted = body[at + 1 : end]
        raw = None if b"\\" in quoted else fields.get(quoted.decode())
        if raw is None:  # an escaped key: the careful way
            pairs = json.loads(body, object_pairs_hook=lambda pairs: [key for key, _ in pairs])
            return [(key, msgspec.Raw(b"")) for key in pairs]
        at = _past_gap(body, _past_gap(body, end + 1) + 1)
        value = bytes(raw)
        if not body.startswith(value, at):
            found.append((quoted.decode(), None))
            return found
        found.append((quoted.decode(), raw))
        at = _past_gap(body, at + len(value))
        if body[at : at + 1] == b",":
            at += 1


def _past_gap(body: bytes, at: int) -> int:
    match = _GAP.match(body, at)
    return at if match is None else match.end()
