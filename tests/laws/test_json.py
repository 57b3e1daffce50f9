"""json.read agrees with a strict reader made of the standard library, on documents and on garbage.

What is decided by msgspec, by bytes and by lengths there is decided here by walking the document.
"""

import json as stdlib
import re
from typing import NoReturn

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.wire import json


class _Refused(Exception):
    """The strict reader takes it for no document."""


class _Object(list[tuple[str, object]]):
    """Pairs as they came, twice or not."""


def _number(literal: str) -> object:
    if re.search("[0-9]{40}", literal):
        raise _Refused("number")
    return 0


def _constant(name: str) -> NoReturn:
    raise _Refused(name)


def _inside(value: object) -> list[object]:
    match value:
        case _Object():
            return [part for pair in value for part in pair]
        case list():
            return value
        case _:
            return []


def _strictly(body: bytes) -> list[str]:
    """The keys on top. Raises _Refused."""
    try:
        document = stdlib.loads(
            body.decode("utf-8"),
            object_pairs_hook=_Object,
            parse_constant=_constant,
            parse_int=_number,
            parse_float=_number,
        )
    except (ValueError, RecursionError) as error:
        raise _Refused(str(error)) from None
    if not isinstance(document, _Object):
        raise _Refused("shape")
    keys = [key for key, _ in document]
    if len(keys) != len(set(keys)) or len(keys) > json.MAX_FIELDS:
        raise _Refused("keys")
    level: list[object] = [document]
    for _ in range(json.MAX_DEPTH):
        if any(isinstance(value, str) and re.search("[\ud800-\udfff]", value) for value in level):
            raise _Refused("surrogate")
        level = [inner for value in level for inner in _inside(value)]
    if any(isinstance(value, list) for value in level):
        raise _Refused("depth")
    return keys


def _agree(body: bytes) -> bool:
    """Whether both take it; fails if only one does."""
    try:
        keys = _strictly(body)
    except _Refused:
        keys = None
    if keys is None:
        with pytest.raises(json.JsonError) as told:
            json.read(body)
        assert told.value.reason in ("syntax", "shape", "depth", "duplicate", "number")
        assert len(str(told.value)) < 300
        return False
    fields = json.read(body)
    assert list(fields) == keys
    read = {key: stdlib.loads(bytes(raw)) for key, raw in fields.items()}
    assert read == stdlib.loads(body)
    return True


# ---- documents, spelled in many ways

_TEXTS = st.text(max_size=8) | st.sampled_from(
    ['"', "\\", "\\\\", '\\"', "[", "}", "[{" * 20, "a\\u0061", "\ud800", "9" * 50, "\n", "é"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXTS, inner, max_size=5),
    max_leaves=25,
)
_PAIRS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "n", ",", "é"]) | _TEXTS, _VALUES), max_size=6
)
_SPACES = st.sampled_from(["", " ", "\n", "\r\n\t", "  "])


@st.composite
def _documents(draw: st.DrawFn) -> bytes:
    def spell(value: object) -> str:
        ascii_only = draw(st.booleans())
        separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
        return stdlib.dumps(value, ensure_ascii=ascii_only, separators=separators)

    def spaced(*parts: str) -> str:
        return "".join(draw(_SPACES) + part for part in parts)

    pairs = [spaced(spell(key), ":", spell(value), "") for key, value in draw(_PAIRS)]
    return spaced("{" + ",".join(pairs), "}", "").encode("utf-8", "surrogatepass")


_JUNK = st.sampled_from(
    [
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"0",
        b"-",
        b"e9",
        b" ",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\u0061",
        b"NaN",
        b"null",
        b'"a":1,',
        b"9" * 40,
        b"[[",
        b"\xef\xbb\xbf",
    ]
)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    body = draw(_documents())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        cut = draw(st.integers(0, 3))
        body = body[:at] + draw(_JUNK | st.just(b"")) + body[at + cut :]
    return body


@given(_documents())
def test_documents_are_read_alike(body: bytes) -> None:
    _agree(body)


@settings(max_examples=300)
@given(_mutated())
def test_documents_with_a_fault_are_read_alike(body: bytes) -> None:
    _agree(body)


@given(st.binary(max_size=40) | st.lists(_JUNK, max_size=12).map(b"".join))
@example(b"")
@example(b"{")
def test_garbage_is_refused_alike(body: bytes) -> None:
    _agree(body)


@given(st.lists(st.sampled_from(["[", '{"k":', '["\\\\",']), max_size=80))
def test_depth_is_counted_alike(opening: list[str]) -> None:
    closing = ["]" if part.startswith("[") else "}" for part in reversed(opening)]
    body = '{"a":' + "".join(opening) + '"]\\"["' + "".join(closing) + "}"
    assert _agree(body.encode()) is (len(opening) < json.MAX_DEPTH)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 120)), min_size=1, max_size=4),
    st.booleans(),
    _SPACES,
)
def test_keys_that_are_there_twice_are_seen_alike(
    pairs: list[tuple[str, int]], escaped: bool, gap: str
) -> None:
    spelled = []
    for at, (key, value) in enumerate(pairs):
        spelling = f"\\u{ord(key):04x}" if escaped and at else key
        spelled.append(f'"{spelling}":{gap}{value}')
    _agree(("{" + f",{gap}".join(spelled) + "}").encode())


@given(st.integers(4_000, 4_200), st.booleans(), st.booleans(), st.integers(0, 3_000))
def test_in_large_bodies_long_numbers_are_seen_wherever_they_lie(
    digits: int, quoted: bool, escapes: bool, before: int
) -> None:
    number = '"' + "7" * digits + '"' if quoted else "7" * digits
    filler = '"' + ('\\"' * before if escapes else "x" * before) + '"'
    body = f'{{"a":[{filler},{number}],"b":"{"x" * 70_000}"}}'.encode()
    assert json.has_monster(body) is (not quoted and digits >= json.MONSTER)
