"""An upload's form: its model found alike in any cutting, and where the standard library finds it.

An input is a content-type, a line feed, and the form.
"""

import email
import email.policy
from collections.abc import Hashable, Sequence
from random import Random
from typing import Final

from gateway.wire.multipart import (
    MAX_PART_HEAD,
    MAX_VALUE,
    ModelField,
    MultipartError,
    boundary,
)
from tests.fuzz.cutting import cuttings
from tests.fuzz.parser import Parser

_MAX_WINDOW: Final = MAX_PART_HEAD + MAX_VALUE + 200  # bytes held between two reads
_Found = tuple[bytes | None, tuple[int, int]]


def check(data: bytes, dice: Random) -> Hashable:
    content_type, _, form = data.partition(b"\n")
    try:
        mark = boundary(content_type)
    except MultipartError:
        return "content-type"
    if mark is None:
        return "no form"
    whole = _found(mark, [form])
    for pieces in cuttings(form, dice):
        again = _found(mark, pieces)
        assert again == whole, f"cut as {pieces!r}: {again!r}, in one piece {whole!r}"
    if whole is None:
        return "refused"
    value, (start, end) = whole
    assert (value or b"") == form[start:end]
    _check_reread(content_type, form, value)
    return value is not None


def _found(mark: bytes, pieces: Sequence[bytes]) -> _Found | None:
    """None for refused."""
    field = ModelField(mark)
    try:
        for piece in pieces:
            field.feed(piece)
            assert len(field._window) <= _MAX_WINDOW
        field.close()
    except MultipartError:
        return None
    return field.value, field.span


def _check_reread(content_type: bytes, form: bytes, value: bytes | None) -> None:
    whole = b"content-type: %b\r\n\r\n%b" % (content_type, form)
    message = email.message_from_bytes(whole, policy=email.policy.compat32)
    named = [
        part.get_payload(decode=True)
        for part in message.get_payload()
        if not isinstance(part, str)
        and part.get_param("name", header="content-disposition") == "model"
    ]
    assert named == ([] if value is None else [value])


FORMS: Final = Parser(
    "form",
    check,
    (
        b"\r\n", b"\n", b"\r", b"--", b"b0undary", b"--b0undary", b"--b0undary--", b"\r\n\r\n",
        b'Content-Disposition: form-data; name="model"', b'name="model"', b"name=model",
        b'; filename="a"', b"; filename*=utf-8''a", b'; name="file"', b"; name*=utf-8''model",
        b'name="model[]"', b'name="Model"', b"Content-Type: text/plain\r\n", b"; charset=utf-16",
        b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: 8bit\r\n",
        b"multipart/form-data; boundary=", b"; boundary=x", b'"', b"\\", b'\\"', b";", b"=", b":",
        b" ", b"\t", b"\0", b"\x80", b"\xff", b"x" * 1_100, b"X-A: b\r\n", b" folded\r\n",
    ),
)  # fmt: skip
