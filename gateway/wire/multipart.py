"""Finds the form field `model` in multipart/form-data as it streams by. Knows no file, no socket.

Every part is looked at, to the end: a second `model` would let a caller be judged by one name and
served by another. Source: RFC 7578, RFC 2046 5.1.
"""

import re
from typing import Final

MAX_PART_HEAD: Final = 8 * 1024  # bytes of one part's headers
MAX_VALUE: Final = 1024  # bytes of the model's name
MAX_BOUNDARY: Final = 70  # RFC 2046

_BOUNDARY: Final = re.compile(rb'multipart/form-data\s*;.*?boundary=(?:"([^"]+)"|([^\s;"]+))', re.I)
_NAME: Final = re.compile(
    rb'^content-disposition:\s*form-data\s*;.*?\bname="([^"\r\n]*)"', re.I | re.M
)


class MultipartError(ValueError):
    """Not a form that is safe to pass on."""


def boundary(content_type: bytes) -> bytes | None:
    """The boundary, None if this is no multipart/form-data. Raises MultipartError."""
    if not content_type.lower().startswith(b"multipart/form-data"):
        return None
    match = _BOUNDARY.match(content_type)
    found = (match.group(1) or match.group(2)) if match else b""
    if not found or len(found) > MAX_BOUNDARY:
        raise MultipartError("multipart/form-data needs a boundary of 1 to 70 characters")
    return found


class ModelField:
    """Fed with the form in any cutting; `value` and `span` are there once the field has passed."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._window = b"\r\n"  # as if a line had ended: the first boundary may stand at once
        self._offset = -2  # of the window's first byte in the form
        self._in_head = False
        self._value_at: int | None = None  # where the field's value begins, while it is passing
        self._ended = False
        self.value: bytes | None = None
        self.span = (0, 0)  # bytes of the value in the form

    def feed(self, data: bytes) -> None:
        """Raises MultipartError on a form that hides its parts, or names two models."""
        if self._ended:
            return
        self._window += data
        while self._head() if self._in_head else self._body():
            pass

    def close(self) -> None:
        """Raises MultipartError if the form has not ended as a form does."""
        if not self._ended:
            raise MultipartError("the form has no closing boundary")

    def _drop(self, count: int) -> None:
        self._window = self._window[count:]
        self._offset += count

    def _body(self) -> bool:
        """Up to the next delimiter; True if there may be more to read in the window."""
        at = self._window.find(self._delimiter)
        if at < 0:
            if self._value_at is None:
                self._drop(max(0, len(self._window) - len(self._delimiter)))
            elif len(self._window) > MAX_VALUE + len(self._delimiter):
                raise MultipartError("the model's name is too long")
            return False
        after = at + len(self._delimiter)
        mark = self._window[after : after + 2]
        if len(mark) < 2:
            return False
        if self._value_at is not None:
            self.value = self._window[:at]
            self.span = (self._value_at, self._value_at + at)
            self._value_at = None
        if mark == b"--":
            self._ended = True
            return False
        if mark != b"\r\n":
            raise MultipartError("a boundary is followed by something else than a line end")
        self._drop(after + 2)
        self._in_head = True
        return True

    def _head(self) -> bool:
        end = self._window.find(b"\r\n\r\n")
        if end < 0:
            if len(self._window) > MAX_PART_HEAD:
                raise MultipartError("a part's headers are too long")
            return False
        names = _NAME.findall(self._window[:end])
        if len(names) != 1:
            raise MultipartError("each part needs one content-disposition with a name")
        self._drop(end + 2)  # the blank line's own line end may begin the next delimiter
        self._in_head = False
        if names[0].lower() == b"model":
            if self.value is not None or self._value_at is not None:
                raise MultipartError("the form names two models")
            self._drop(2)
            self._value_at = self._offset
        return True
