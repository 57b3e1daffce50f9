"""What a strict client makes of the bytes that came back: HTTP/1.1 answers, one after the other.

Source: RFC 9112 6.3 (where a body ends). Anything that is not exactly right fails the test.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [\x20-\x7e]+")
_FIELD: Final = re.compile(rb"([a-z0-9-]+): ([\x20-\x7e]*)")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    ended: bool  # its framing says that this is all

    @property
    def code(self) -> str | None:
        """The code of an error in OpenAI's form, which is checked on the way."""
        if self.status < 400:
            return None
        document = json.loads(self.body)
        assert document.keys() == {"error"}, document
        error = document["error"]
        assert error.keys() == {"message", "type", "param", "code"}, error
        assert all(isinstance(error[key], str) and error[key] for key in ("message", "type"))
        assert error["param"] is None or isinstance(error["param"], str)
        assert isinstance(error["code"], str)
        return error["code"]

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close"


def answers(data: bytes, methods: Sequence[str] = ()) -> list[Answer]:
    """All answers in data, the last perhaps cut. methods: asked for, where one was HEAD."""
    found: list[Answer] = []
    while data:
        answer, data = first(data, methods[_final(found)] if _final(found) < len(methods) else "")
        found.append(answer)
    return found


def _final(found: list[Answer]) -> int:
    return sum(answer.status >= 200 for answer in found)


def first(data: bytes, method: str = "") -> tuple[Answer, bytes]:
    """The first answer, interim ones too, and what follows it."""
    head, end, rest = data.partition(b"\r\n\r\n")
    assert end, f"the head is cut: {data[:200]!r}"
    status_line, *lines = head.split(b"\r\n")
    match = _STATUS_LINE.fullmatch(status_line)
    assert match, status_line
    status = int(match[1])
    headers: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        assert field, line
        name = field[1].decode()
        assert name not in headers, f"{name} twice"
        headers[name] = field[2].decode()
    if status < 200:
        return Answer(status, headers, b"", True), rest
    body, ended, rest = _body(headers, rest, method)
    return Answer(status, headers, body, ended), rest


def _body(headers: dict[str, str], rest: bytes, method: str) -> tuple[bytes, bool, bytes]:
    assert not {"content-length", "transfer-encoding"} <= headers.keys()
    if method == "HEAD":
        return b"", True, rest
    if "content-length" in headers:
        length = int(headers["content-length"])
        return rest[:length], len(rest) >= length, rest[length:]
    if "transfer-encoding" in headers:
        assert headers["transfer-encoding"] == "chunked"
        return _chunked(rest)
    assert headers.get("connection") == "close", "nothing says where this answer ends"
    return rest, False, b""


def _chunked(rest: bytes) -> tuple[bytes, bool, bytes]:
    parts: list[bytes] = []
    while True:
        line, end, after = rest.partition(b"\r\n")
        if not end or len(after) < int(line, 16) + 2:
            return b"".join(parts), False, b""
        size = int(line, 16)
        assert after[size : size + 2] == b"\r\n", after[: size + 2]
        parts.append(after[:size])
        rest = after[size + 2 :]
        if size == 0:
            return b"".join(parts), True, rest
