"""Is this head one that only one reading is possible of? If not, it is refused at the door.

llhttp has already refused what is not HTTP at all. Here stand the ambiguities that it lets pass and
that proxies have died of: RFC 9112 3.2 (targets, Host), 6.1 to 6.3 (lengths), 2.3 (versions).
"""

from typing import Final

from gateway.errors import Code, GatewayError
from gateway.policy import access
from gateway.wire.http import Fields, Headers, RequestHead

MAX_LINE: Final = 8 * 1024  # bytes of the request line, and of one header line
MAX_HEAD: Final = 32 * 1024  # bytes of all header lines
MAX_LINES: Final = 100
MAX_DIGITS: Final = 18  # of a content-length

# What we read, or a backend might: two of them could be read in two ways.
_SINGLE: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"traceparent",
        b"upgrade",
        b"x-api-key",
        b"x-gateway-model",
        b"x-request-id",
        b"x-request-timeout",
    }
)
_CREDENTIALS: Final = (b"authorization", b"x-api-key")
_HASH: Final = ord("#")  # as a number: bytes are looked for in bytes several times slower
_NEVER: Final = (b"CONNECT", b"TRACE")
_IN_HOST: Final = (
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%:[]"  # RFC 3986 3.2.2
)


def head(method: bytes, url: bytes, version: str, headers: Headers) -> RequestHead:
    """The checked head. Raises GatewayError; the connection is to be closed then."""
    if version != "1.1" and version != "1.0":
        raise GatewayError(Code.BAD_VERSION, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    if len(url) > MAX_LINE:
        raise _too_long()
    if method in _NEVER:
        raise _no_method("this is a gateway, not a tunnel")
    if url[:1] != b"/" or _HASH in url:
        raise GatewayError(Code.BAD_TARGET, "the request target must be a path, as in /v1/models")
    fields = _fields(headers)
    host = fields.get(b"host")
    if host is None:
        if version == "1.1":
            raise GatewayError(Code.BAD_HOST, "the host header is missing")
    elif host.translate(None, _IN_HOST):
        raise GatewayError(Code.BAD_HOST, "the host header names no host")
    if b"upgrade" in fields:
        raise no_upgrade()
    length = _framed(
        fields.pop(b"content-length", None), fields.pop(b"transfer-encoding", None), version
    )
    path, _, query = url.partition(b"?")
    return RequestHead(method, path, query, fields, length)


def _fields(headers: Headers) -> Fields:
    """The headers by name, after a look at their size and at names that may stand only once."""
    fields = dict(headers)
    total = sum(map(len, fields)) + sum(map(len, fields.values()))
    if len(fields) == len(headers) <= MAX_LINES and total <= MAX_LINE:
        return fields  # the usual case: nothing twice, and no room for a line too long
    seen: set[bytes] = set()
    total = 0
    for name, value in headers:
        size = len(name) + len(value) + 4
        total += size
        if size > MAX_LINE or total > MAX_HEAD or len(headers) > MAX_LINES:
            raise _too_large()
        if name in seen and name in _SINGLE:
            if name in _CREDENTIALS:
                raise access.unauthenticated()
            code = Code.BAD_HOST if name == b"host" else Code.BAD_FRAMING
            raise GatewayError(code, f"more than one {name.decode()} header")
        seen.add(name)
    return fields


def _framed(length: bytes | None, encoding: bytes | None, version: str) -> int | None:
    if encoding is not None:
        if length is not None:
            raise GatewayError(Code.BAD_FRAMING, "content-length beside transfer-encoding")
        if encoding.lower() != b"chunked" or version == "1.0":
            raise GatewayError(Code.BAD_FRAMING, "transfer-encoding may only be chunked")
        return None
    if length is None:
        return 0
    if not length or len(length) > MAX_DIGITS or not length.isdigit():
        raise GatewayError(Code.BAD_FRAMING, "content-length must be a decimal number")
    return int(length)


def endless(url: bytes) -> GatewayError:
    """A head that has grown past all limits and is not complete; url is what has come of it."""
    return _too_long() if len(url) > MAX_LINE else _too_large()


def unknown_method() -> GatewayError:
    return _no_method("unknown method")


def no_upgrade() -> GatewayError:
    return GatewayError(Code.BAD_HEADER, "upgrade is not offered here; speak plain HTTP/1.1")


def _no_method(message: str) -> GatewayError:
    return GatewayError(Code.METHOD_NOT_ALLOWED, message, headers=b"allow: GET, POST\r\n")


def _too_long() -> GatewayError:
    return GatewayError(Code.URL_TOO_LONG, f"the request target is longer than {MAX_LINE} bytes")


def _too_large() -> GatewayError:
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
