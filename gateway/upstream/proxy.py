"""The way out through an HTTP proxy: a tunnel for https backends (CONNECT, RFC 9110 9.3.6), and for
http ones the whole URL in the request line (RFC 9112 3.2.2).

The tunnel is opened before our own protocol sees a byte; what follows is TLS with the backend,
whose name is verified as ever: the proxy sees host and port, nothing else.
"""

import asyncio
import base64
import ipaddress
import socket
import ssl
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.upstream.connection import Connection
from gateway.upstream.names import Name
from gateway.upstream.pool import Dial

MAX_HEAD: Final = 16 * 1024  # bytes of the proxy's answer to CONNECT
DEFAULT_PORT: Final = 3128


@dataclass(frozen=True, slots=True)
class Proxy:
    host: str
    port: int
    authorization: bytes = field(default=b"", repr=False)  # a ready header line, or nothing


def parsed(url: str) -> Proxy:
    """url: http://[user:password@]host[:port], as the config has checked it."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    authorization = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        secret = base64.b64encode(pair.encode())
        authorization = b"proxy-authorization: Basic %b\r\n" % secret
    return Proxy(parts.hostname or "", parts.port or DEFAULT_PORT, authorization)


def from_environment(base_url: str) -> Proxy | None:
    """What HTTPS_PROXY, HTTP_PROXY and NO_PROXY say of a backend that is not on this machine."""
    parts = urlsplit(base_url)
    if _here(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies_environment()
    url = proxies.get(parts.scheme) or proxies.get("all")
    if not url or urllib.request.proxy_bypass(parts.netloc, proxies):
        return None
    return parsed(url)


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tunnel(proxy: Proxy, host: str, port: int, context: ssl.SSLContext, name: Name) -> Dial:
    """Dials the proxy, whose name it is, and through it the backend. Raises OSError."""
    there = f"[{host}]" if ":" in host else host
    request = b"CONNECT %b:%d HTTP/1.1\r\nhost: %b:%d\r\n%b\r\n" % (
        there.encode(),
        port,
        there.encode(),
        port,
        proxy.authorization,
    )

    async def dial(factory: Callable[[], Connection]) -> object:
        loop = asyncio.get_running_loop()
        sock = await _connected(name)
        try:
            await loop.sock_sendall(sock, request)
            _check(await _head(sock))
            return await loop.create_connection(
                factory, sock=sock, ssl=context, server_hostname=host
            )
        except ConnectionResetError as error:
            sock.close()
            raise ssl.SSLError("hung up on within the handshake") from error
        except BaseException:
            sock.close()
            raise

    return dial


async def _connected(name: Name) -> socket.socket:
    """A connection to one of the proxy's addresses, tried in turn."""
    loop = asyncio.get_running_loop()
    failed = OSError("the proxy has no address")
    for address in await name.addresses():
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, (address, name.port))
        except OSError as error:
            sock.close()
            name.failed(address)
            failed = error
        except BaseException:
            sock.close()
            name.failed(address)
            raise
        else:
            return sock
    raise failed


async def _head(sock: socket.socket) -> bytes:
    """The proxy's answer, and not a byte more."""
    loop = asyncio.get_running_loop()
    head = b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(sock, 4096)
        if not data:
            raise OSError("the proxy hung up")
        head += data
        if len(head) > MAX_HEAD:
            raise OSError("the proxy's answer is too long")
    if not head.endswith(b"\r\n\r\n") or head.count(b"\r\n\r\n") > 1:
        raise OSError("the proxy sent more than its answer")
    return head


def _check(head: bytes) -> None:
    version, _, rest = head.partition(b" ")
    status = rest[:3]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not status.isdigit():
        raise OSError("the proxy did not speak HTTP")
    if not status.startswith(b"2"):
        raise OSError(f"the proxy refused with {status.decode()}")
