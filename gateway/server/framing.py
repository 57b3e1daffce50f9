"""Is this head one that only one reading is possible of? If not, it is refused at the door.

llhttp has already refused what is not HTTP at all. Here stand the ambiguities that it lets pass and
that proxies have died of: RFC 9112 3.2 (targets, Host), 6.1 to 6.3 (lengths), 2.3 (versions).
"""

from typing import Final

from gateway.errors import Code, GatewayError
from gateway.wire.http import Headers, RequestHead, printable

MAX_LINE: Final = 8 * 1024  # bytes of the request line, and of one header line
MAX_HEAD: Final = 32 * 1024  # bytes of all header lines
MAX_LINES: Final = 100
MAX_DIGITS: Final = 18  # of a content-length

_SINGLE: Final = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"upgrade",
    }
)
_DIGITS: Final = frozenset(b"0123456789")


def head(method: bytes, url: bytes, version: str, headers: Headers) -> RequestHead:
    """The checked head. Raises GatewayError; the connection is to be closed then."""
    if version not in ("1.1", "1.0"):
        raise GatewayError(Code.BAD_VERSION, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    if len(url) > MAX_LINE:
        raise GatewayError(Code.URL_TOO_LONG, f"the request target is longer than {MAX_LINE} bytes")
    if method in (b"CONNECT", b"TRACE"):
        raise GatewayError(
            Code.METHOD_NOT_ALLOWED,
            "this is a gateway, not a tunnel",
            headers=b"allow: GET, POST\r\n",
        )
    if not url.startswith(b"/") or not printable(url) or b"#" in url or b" " in url:
        raise GatewayError(Code.BAD_TARGET, "the request target must be a path, as in /v1/models")
    length = _length(headers, version)
    path, _, query = url.partition(b"?")
    return RequestHead(method, path, query, headers, length)


def _length(headers: Headers, version: str) -> int | None:
    """Bytes of the body, None when it comes in chunks; checks what frames a message."""
    if len(headers) > MAX_LINES:
        raise too_large()
    framing: dict[bytes, bytes] = {}
    total = 0
    for name, value in headers:
        size = len(name) + len(value) + 4
        total += size
        if size > MAX_LINE or total > MAX_HEAD:
            raise too_large()
        if name in _SINGLE:
            if name in framing:
                code = Code.BAD_HOST if name == b"host" else Code.BAD_FRAMING
                raise GatewayError(code, f"more than one {name.decode()} header")
            framing[name] = value
        if b"\0" in value or b"\r" in value or b"\n" in value:
            raise GatewayError(Code.BAD_HEADER, "a header value has a control character")
    if version == "1.1" and b"host" not in framing:
        raise GatewayError(Code.BAD_HOST, "the host header is missing")
    if b"upgrade" in framing:
        raise GatewayError(Code.BAD_HEADER, "upgrade is not offered here")
    return _framed(framing.get(b"content-length"), framing.get(b"transfer-encoding"), version)


def _framed(length: bytes | None, encoding: bytes | None, version: str) -> int | None:
    if encoding is not None:
        if length is not None:
            raise GatewayError(Code.BAD_FRAMING, "content-length beside transfer-encoding")
        if encoding.lower() != b"chunked" or version == "1.0":
            raise GatewayError(Code.BAD_FRAMING, "transfer-encoding may only be chunked")
        return None
    if length is None:
        return 0
    if not length or len(length) > MAX_DIGITS or not _DIGITS.issuperset(length):
        raise GatewayError(Code.BAD_FRAMING, "content-length must be a decimal number")
    return int(length)


def too_large() -> GatewayError:
    return GatewayError(
        Code.HEADERS_TOO_LARGE,
        f"at most {MAX_LINES} header lines, {MAX_LINE} bytes each, {MAX_HEAD} bytes in all",
    )


def expects_continue(head: RequestHead) -> bool:
    """Whether the client waits for a 100 before it sends its body (RFC 9110 10.1.1)."""
    expected = head.header(b"expect")
    if expected is None:
        return False
    if expected.lower() != b"100-continue":
        raise GatewayError(Code.EXPECTATION, "only 100-continue may be expected")
    return head.length != 0
