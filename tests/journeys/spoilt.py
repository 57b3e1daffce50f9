"""Requests that are right, and what they become when bytes are cut out, doubled, slipped in."""

from collections.abc import Iterator
from typing import Final

from hypothesis import strategies as st

from tests.journeys.hostile import AUTH, BODY, HOST, SMUGGLED, ask, chunks, sized


def _streams() -> Iterator[bytes]:
    """Requests that are right, in the spellings that clients use."""
    yield sized(BODY)
    yield sized(b"", line=b"GET /v1/models?a=b&c=%20 HTTP/1.1")
    yield ask(line=b"GET /v1/models HTTP/1.0", host=b"")
    yield chunks(b"%x" % len(BODY), BODY, b"0", b"", b"")
    yield chunks(b"%X;name=value" % len(BODY), BODY, b"000", b"x-trailer: y", b"", b"")
    yield b"\r\n" + sized(BODY, b"x:  spaced \t\r\nEmpty:\r\nX-A: \xe4\r\n") + SMUGGLED
    yield sized(BODY, b"connection: close\r\n")
    yield ask(b"content-length: 0062 \r\n", BODY)


GOOD: Final = list(_streams())

_TOKENS: Final = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"5", b"-", b"+", b"\xff",
    b"content-length: 5\r\n", b"content-length: 62\r\n", b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: identity\r\n", HOST, AUTH, b"connection: close\r\n", b"upgrade: h2c\r\n",
    b"expect: 100-continue\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"GET / HTTP/1.1\r\n", SMUGGLED,
    b" HTTP/1.1", b" HTTP/1.0", b"\r\n\r\n", b"\x0b", b"\x85", b"%0d%0a", b"#", b"?", b"//", b"\\",
]  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A good stream with a few bytes cut out, doubled, overwritten or slipped in."""
    data = draw(st.sampled_from(GOOD)) + draw(st.sampled_from([b"", SMUGGLED]))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 12)))
        new = draw(st.sampled_from([*_TOKENS, b"", data[start:end] * 2]))
        data = data[:start] + new + data[end:]
    return data
