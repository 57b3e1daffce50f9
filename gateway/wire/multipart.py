"""Finds the form field `model` in multipart/form-data as it streams by. Knows no file, no socket.

A caller must not be judged by one name and served by another, and parsers differ in what they let
pass: whatever two of them could read in two ways is refused, and every part is looked at, to the
end. Source: RFC 7578, RFC 2046 5.1; python-multipart, Werkzeug, Go's mime/multipart, busboy.
"""

import re
from typing import Final

MAX_PART_HEAD: Final = 8 * 1024  # bytes of one part's headers
MAX_VALUE: Final = 1024  # bytes of the model's name

_TYPE: Final = b"multipart/form-data"
# A backslash is let pass in quotes where it cannot hide the closing one.
_PARAMETER: Final = re.compile(
    rb"""[ \t]*;[ \t]*(?P<name>[a-z-]+\*?)=(?:
        "(?P<quoted>(?:[^"\\\x00-\x1f\x7f]|\\[^"\x00-\x1f\x7f])*)"
        |(?P<token>[!\#$%&'*+.^_`|~0-9a-z-]+)
    )""",
    re.I | re.X,
)
_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,./:=?-]{1,70}")  # RFC 2046, without the space
_FIELD: Final = re.compile(rb"[0-9A-Za-z_.:\[\]-]{1,256}")  # names that all parsers agree on
_HEADER: Final = re.compile(rb"([0-9A-Za-z-]+):[ \t]*([^\x00-\x1f\x7f]*)")
_PLAIN_TYPE: Final = re.compile(
    rb"text/plain(?:[ \t]*;[ \t]*charset=\"?(?:utf-8|us-ascii)\"?)?", re.I
)
_PLAIN_ENCODINGS: Final = frozenset({b"7bit", b"8bit", b"binary"})


class MultipartError(ValueError):
    """Not a form that is safe to pass on."""


def boundary(content_type: bytes) -> bytes | None:
    """The boundary, None if this is no multipart/form-data. Raises MultipartError."""
    if content_type[: len(_TYPE)].lower() != _TYPE:
        return None
    found = _parameters(content_type[len(_TYPE) :]).get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(found):
        raise MultipartError("multipart/form-data needs a boundary of 1 to 70 plain characters")
    return found


def _parameters(text: bytes) -> dict[bytes, bytes]:
    """`; name=value` as often as it comes; names in lower case. Raises MultipartError."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise MultipartError("a parameter of the form's headers is spelled oddly")
        name = match["name"].lower()
        # RFC 8187's spelling is for file names; some parsers would let it win over the plain one.
        if name in found or (name.endswith(b"*") and name != b"filename*"):
            raise MultipartError("a parameter of the form's headers is there twice")
        found[name] = match["token"] if match["quoted"] is None else match["quoted"]
        at = match.end()
    return found


class ModelField:
    """Fed with the form in any cutting; `value` and `span` are there once the field has passed."""

    def __init__(self, boundary: bytes) -> None:
        self._dashes = b"--" + boundary  # may stand nowhere but where a part begins or ends
        self._window = b"\r\n"  # as if a line had ended: the first boundary stands at once
        self._offset = -2  # of the window's first byte in the form
        self._step = self._before
        self._is_model = False  # the part that is passing
        self.value: bytes | None = None
        self.span = (0, 0)  # bytes of the value in the form

    def feed(self, data: bytes) -> None:
        """Raises MultipartError on a form that hides its parts, or names two models."""
        self._window += data
        while self._step():
            pass

    def close(self) -> None:
        """Raises MultipartError if the form has not ended as a form does."""
        if self._step != self._after:
            raise MultipartError("the form has no closing boundary")

    def _drop(self, count: int) -> None:
        self._window = self._window[count:]
        self._offset += count

    # Each step looks at the window, and says whether the next may find more in it.

    def _before(self) -> bool:
        """Nothing may stand before the first boundary."""
        begin = b"\r\n" + self._dashes
        if not self._window.startswith(begin[: len(self._window)]):
            raise MultipartError("the form does not begin with its boundary")
        if len(self._window) < len(begin):
            return False
        self._step = self._body
        return True

    def _body(self) -> bool:
        """Up to the next boundary."""
        at = self._window.find(self._dashes)
        if at < 0:
            if not self._is_model:
                self._drop(max(0, len(self._window) - len(self._dashes) - 1))
            elif len(self._window) > MAX_VALUE + len(self._dashes) + 2:
                raise MultipartError("the model's name is too long")
            return False
        after = at + len(self._dashes)
        mark = self._window[after : after + 2]
        if len(mark) < 2:
            return False
        if self._window[max(0, at - 2) : at] != b"\r\n" or mark not in (b"\r\n", b"--"):
            raise MultipartError("a boundary does not stand on a line of its own")
        if self._is_model:
            self._found(self._window[: at - 2])
        self._drop(after + 2)
        self._step = self._head if mark == b"\r\n" else self._after
        return True

    def _found(self, value: bytes) -> None:
        if len(value) > MAX_VALUE:
            raise MultipartError("the model's name is too long")
        self.value = value
        self.span = (self._offset, self._offset + len(value))

    def _head(self) -> bool:
        """A part's headers and the blank line."""
        end = self._window.find(b"\r\n\r\n")
        if (end if end >= 0 else len(self._window)) > MAX_PART_HEAD:
            raise MultipartError("a part's headers are too long")
        if end < 0:
            return False
        self._is_model = _is_model(self._window[:end], self._dashes)
        if self._is_model and self.value is not None:
            raise MultipartError("the form names two models")
        self._drop(end + 4)
        self._step = self._body
        return True

    def _after(self) -> bool:
        """Nothing may follow the closing boundary."""
        if not b"\r\n".startswith(self._window):
            raise MultipartError("something follows the form's closing boundary")
        return False


def _is_model(head: bytes, dashes: bytes) -> bool:
    """Whether a part with these headers is the field `model`. Raises MultipartError."""
    headers: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        match = _HEADER.fullmatch(line)
        if match is None or match[1].lower() in headers or dashes in line:
            raise MultipartError("a header of a part is spelled oddly, or is there twice")
        headers[match[1].lower()] = match[2].rstrip(b" \t")
    kind, semicolon, rest = headers.get(b"content-disposition", b"").partition(b";")
    parameters = _parameters(semicolon + rest)
    name = parameters.get(b"name", b"")
    if kind.strip().lower() != b"form-data" or not _FIELD.fullmatch(name):
        raise MultipartError(
            "each part needs a content-disposition: form-data with a name of plain characters"
        )
    # model[] and Model end up as model in some frameworks.
    if name.lower().partition(b"[")[0] != b"model":
        return False
    if name != b"model" or b"filename" in parameters or b"filename*" in parameters:
        raise MultipartError("the model's name belongs into the plain field model")
    encoding = headers.get(b"content-transfer-encoding", b"binary").lower()
    if encoding not in _PLAIN_ENCODINGS or not _PLAIN_TYPE.fullmatch(
        headers.get(b"content-type", b"text/plain")
    ):
        raise MultipartError("the field model must be plain text")
    return True
