"""JSON as it crosses a proxy: checked once, read shallowly, written again from what was read.

A document that two readers could read differently (duplicate keys, NaN, broken UTF-8, a number no
one can hold, nesting that overflows a parser) is refused here. Source: RFC 8259; msgspec is strict
in syntax and escapes, the rest stands below.
"""

import re
from typing import Final

import msgspec

MAX_DEPTH: Final = 64
MAX_FIELDS: Final = 1000  # on top; the largest API there is has some fifty
MAX_DIGITS: Final = 39  # in a row; a 64-bit integer has 20, a double needs 17

Fields = dict[str, msgspec.Raw]  # a document's top level; values as they lay on the wire


class JsonError(ValueError):
    """Not a document we take. key is the top-level key at fault, where one is, cut if long."""

    def __init__(self, reason: str, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason  # "syntax", "shape", "depth", "duplicate", "number"
        self.key = key


_SHORT: Final = 512  # bytes: up to here a look at each is as quick as anything cleverer

_shallow: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode
write: Final = msgspec.json.Encoder().encode  # Fields, or plain values -> bytes

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


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
    if len(fields) > MAX_FIELDS:
        raise JsonError("shape", f"the body has more than {MAX_FIELDS} fields")
    if deeper_than(body, MAX_DEPTH):
        raise JsonError("depth", f"the body is nested deeper than {MAX_DEPTH} levels")
    _check_numbers(body, fields)
    if not (_compact(body, fields) or _spaced(body, fields)):
        _check_duplicates(body, fields)
    return fields


_whole: Final = msgspec.json.Decoder(dict[str, object]).decode


def document(body: bytes) -> dict[str, object]:
    """All of a JSON object that an upstream sent. Raises JsonError."""
    try:
        if not body.isascii():
            body.decode()
        if has_monster(body):
            raise JsonError("number", "a number has too many digits")
        return _whole(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise JsonError("syntax", "not a JSON object in UTF-8") from None


# ---- nesting

MAX_BRACKETS: Final = 1_000_000  # outside strings; more of them is work, and no request
_NOT_MARKS: Final = bytes(set(range(256)) - set(b'[]{}"'))
_ALL_SQUARE: Final = bytes.maketrans(b"{}", b"[]")


def deeper_than(body: bytes, depth: int) -> bool:
    """Whether valid JSON nests deeper than depth, or is too bushy to tell.

    All work is done by bytes methods in C; 10 MB of the worst take 60 ms.
    """
    if not _opens_more_than(body, depth):
        return False
    skeleton = _unescaped(body).translate(_ALL_SQUARE, _NOT_MARKS).replace(b'""', b"")
    if b'"' in skeleton:
        skeleton = b"".join(skeleton.split(b'"')[::2])
    if len(skeleton) > MAX_BRACKETS:
        return True
    for _ in range(depth):  # each time the innermost pairs fall away
        if not skeleton:
            return False
        skeleton = skeleton.replace(b"[]", b"")
    return bool(skeleton)


def _opens_more_than(body: bytes, depth: int) -> bool:
    """Whether so many brackets open at all. Counting takes longer than finding: five instructions
    for each byte, where memchr takes one for many."""
    if len(body) <= _SHORT:
        return body.count(b"[") + body.count(b"{") > depth
    for mark in b"[", b"{":
        at = body.find(mark)
        while at >= 0:
            depth -= 1
            if depth < 0:
                return True
            at = body.find(mark, at + 1)
    return False


def _unescaped(part: bytes) -> bytes:
    """Without what a quote could hide behind; each quote that is left begins or ends a string."""
    return part.replace(b"\\\\", b"").replace(b'\\"', b"") if part.find(b"\\") >= 0 else part


# ---- numbers

_DIGITS: Final = b"0123456789"
_ALL_ZEROES: Final = bytes.maketrans(_DIGITS, b"0" * 10)
_TOO_LONG: Final = b"0" * (MAX_DIGITS + 1)
_STRIDE: Final = 8  # of a run that is too long, every eighth byte is a digit, too
_SUSPICIOUS: Final = b"0" * ((MAX_DIGITS + 1) // _STRIDE)
_LONG_NUMBER: Final = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS + 1))
_SMALL: Final = 64 * 1024  # bytes up to which every number is looked at, not only those on top
MONSTER: Final = 4096  # digits; Python refuses to read an integer of more than 4300
_LEAP: Final = (
    MONSTER // 4
)  # in a run of MONSTER digits, four bytes that lie so far apart are digits
_MONSTROUS: Final = b"0000"
_BLOCK: Final = MONSTER // 2  # a run of MONSTER digits fills one such block at least
_DIGIT_RUN: Final = re.compile(rb"[0-9]*")


def has_monster(body: bytes) -> bool:
    """Whether JSON has a number of MONSTER digits, at which a reader may choke."""
    if body[::_LEAP].translate(_ALL_ZEROES).find(_MONSTROUS) < 0:
        return False
    quotes = counted = 0
    for at in range(0, len(body) - _BLOCK, _BLOCK):
        if not body[at : at + _BLOCK].isdigit():
            continue
        quotes += _unescaped(body[counted:at]).count(b'"')
        counted = at
        if quotes % 2 == 0:  # not within a string
            before = body[max(0, at - _BLOCK) : at]
            run = len(before) - len(before.rstrip(_DIGITS)) + _past(_DIGIT_RUN, body, at) - at
            if run >= MONSTER:
                return True
    return False


def _has_long_run(body: bytes) -> bool:
    """Whether more than MAX_DIGITS digits stand in a row anywhere, be it in a string."""
    if len(body) > _SHORT and body[::_STRIDE].translate(_ALL_ZEROES).find(_SUSPICIOUS) < 0:
        return False
    return body.translate(_ALL_ZEROES).find(_TOO_LONG) >= 0


def _check_numbers(body: bytes, fields: Fields) -> None:
    small = len(body) <= _SMALL
    if small and not _has_long_run(body):
        return
    for key, raw in fields.items():
        value: bytes | memoryview = memoryview(raw)
        match value[:1]:
            case b'"':
                continue
            case b"[" | b"{":
                value = _STRING.sub(b"", value) if small else b""
        if _LONG_NUMBER.search(value):
            shown = _shown(key)
            raise JsonError("number", f"{shown}: a number has too many digits", shown)
    if not small and has_monster(body):
        raise JsonError("number", "a number in the body has too many digits")


# ---- keys

_GAP: Final = re.compile(rb"[ \t\r\n]*")
_COLON: Final = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
MAX_KEY_SHOWN: Final = 64  # characters


def _compact(body: bytes, fields: Fields) -> bool:
    """Whether what was read fills the body to the last byte: then no key stood there twice."""
    length = 1 + 4 * len(fields)
    for key, raw in fields.items():
        length += len(key) + len(memoryview(raw))
    return length == len(body) or not fields


def _spaced(body: bytes, fields: Fields) -> bool:
    """Whether it is what was read, written as Python's json does by default."""
    parts = [b'"%b": %b' % (key.encode(), raw) for key, raw in fields.items()]
    return body == b"{%b}" % b", ".join(parts)


def _check_duplicates(body: bytes, fields: Fields) -> None:
    """No key twice on top."""
    seen: set[str] = set()
    at = _past(_GAP, body, body.index(b"{") + 1)
    while body[at] != ord("}"):
        end = _past(_STRING, body, at)
        key = _text(body[at:end])
        value = memoryview(fields[key])
        at = _past(_COLON, body, end)
        alike = body[at : at + len(value)] == value
        at = _past(_GAP, body, at + len(value))
        # A value that is not the one in fields has been replaced by a later one.
        if key in seen or not alike or body[at] not in b",}":
            shown = _shown(key)
            raise JsonError("duplicate", f"{shown}: the key is there twice", shown)
        seen.add(key)
        if body[at] == ord(","):
            at = _past(_GAP, body, at + 1)


def _past(pattern: re.Pattern[bytes], body: bytes, at: int) -> int:
    match = pattern.match(body, at)
    return at if match is None else match.end()


def _shown(key: str) -> str:
    return key if len(key) <= MAX_KEY_SHOWN else key[:MAX_KEY_SHOWN] + "…"
