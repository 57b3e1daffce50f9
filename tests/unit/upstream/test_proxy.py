"""Which proxy is on the way, and a tunnel through it that is opened strictly or not at all."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import Code
from gateway.sweep import Sweep
from gateway.upstream.names import Name
from gateway.upstream.pool import Pool, Timeouts, WireRequest
from gateway.upstream.proxy import MAX_HEAD, Proxy, from_environment, parsed, tunnel
from gateway.upstream.reply import UpstreamDown
from tests.journeys.test_unreachable_upstreams import TLS, serving
from tests.vendors.looped import looped
from tests.vendors.scripted import Send, Vendor, response

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
TIMES = Timeouts(2, 2, 2, 2)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# ---- which one


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy:8080", Proxy("proxy", 8080)),
        ("http://proxy", Proxy("proxy", 3128)),
        ("proxy:8080", Proxy("proxy", 8080)),
        ("http://[::1]:8080/", Proxy("::1", 8080)),
    ],
)
def test_a_proxy_has_host_and_port(url: str, proxy: Proxy) -> None:
    assert parsed(url) == proxy


def test_its_password_is_sent_and_never_shown() -> None:
    proxy = parsed("http://us%40er:se%3Acret@proxy:1")
    scheme = proxy.authorization.removeprefix(b"proxy-authorization: Basic ").strip()
    assert base64.b64decode(scheme) == b"us@er:se:cret"
    assert scheme.decode() not in repr(proxy)
    assert "cret" not in repr(proxy)


@pytest.mark.parametrize(
    ("environment", "url", "found"),
    [
        ({}, "https://api.test/v1", False),
        ({"HTTPS_PROXY": "http://proxy:1"}, "https://api.test/v1", True),
        ({"https_proxy": "http://proxy:1"}, "https://api.test/v1", True),
        ({"HTTPS_PROXY": "http://proxy:1"}, "http://api.test/v1", False),
        ({"http_proxy": "http://proxy:1"}, "http://api.test/v1", True),
        ({"ALL_PROXY": "http://proxy:1"}, "http://api.test/v1", True),
        ({"https_proxy": "http://proxy:1", "no_proxy": ".test"}, "https://api.test/v1", False),
        ({"https_proxy": "http://proxy:1", "NO_PROXY": "api.test"}, "https://api.test/v1", False),
        ({"https_proxy": "http://proxy:1", "no_proxy": "*"}, "https://api.test/v1", False),
        ({"https_proxy": "http://proxy:1", "no_proxy": "other"}, "https://api.test/v1", True),
        ({"http_proxy": "http://proxy:1"}, "http://127.0.0.1:8000/v1", False),
        ({"http_proxy": "http://proxy:1"}, "http://[::1]:8000/v1", False),
        ({"http_proxy": "http://proxy:1"}, "http://localhost/v1", False),
    ],
)
def test_the_environment_may_name_one(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, found: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert from_environment(url) == (Proxy("proxy", 1) if found else None)


# ---- a tunnel


class Tunnels:
    """A proxy that answers CONNECT as it is told, and passes bytes both ways behind a 200."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        writer.write(self.answer)
        if not self.answer.startswith(b"HTTP/1.1 200"):
            writer.close()
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_pass(reader, back), _pass(there, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except ConnectionError:
        pass
    writer.close()


@asynccontextmanager
async def proxied(
    answer: bytes, port: int, *, credential: str = ""
) -> AsyncIterator[tuple[Pool, Tunnels]]:
    handler = Tunnels(answer)
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    proxy = parsed(f"http://{credential}127.0.0.1:{server.sockets[0].getsockname()[1]}")
    context = ssl.create_default_context(cafile=TLS / "authority.pem")
    name = Name(proxy.host, proxy.port)
    pool = Pool(tunnel(proxy, "localhost", port, context, name), max_in_flight=2, sweep=Sweep())
    yield pool, handler
    pool.close()
    server.close()
    await asyncio.sleep(0.02)


async def ask(pool: Pool) -> bytes:
    deadline_at = asyncio.get_running_loop().time() + 2
    reply = await pool.send(
        WireRequest(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b""), TIMES, deadline_at
    )
    return await reply.read(1000)


@looped
async def test_a_backend_is_reached_through_it_and_verified_by_its_own_name() -> None:
    async with Vendor([Send(response(200, b"hello"))], tls=serving("here")) as vendor:
        answer = b"HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n"
        async with proxied(answer, vendor.port, credential="me:pw@") as (pool, handler):
            assert await ask(pool) == b"hello"
            assert await ask(pool) == b"hello"
            (head,) = handler.asked  # the tunnel is kept
            assert head.startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % vendor.port)
            assert b"proxy-authorization: Basic bWU6cHc=\r\n" in head
        assert "proxy-authorization" not in dict(vendor.journal[0].headers)


@looped
async def test_another_s_certificate_is_not_trusted_through_it_either() -> None:
    async with Vendor([Send(response(200))], tls=serving("elsewhere")) as vendor:
        async with proxied(b"HTTP/1.1 200 OK\r\n\r\n", vendor.port) as (pool, _):
            with pytest.raises(UpstreamDown) as error:
                await ask(pool)
            assert error.value.code is Code.TLS_ERROR
        assert vendor.journal == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: http://evil.test\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0\r\n\r\n",
        b"",
        b"HTTP/1.1 502 Bad Gateway\r\nx: " + b"x" * (MAX_HEAD + 4096),
    ],
)
@looped
async def test_a_proxy_that_will_not_is_no_way(answer: bytes) -> None:
    async with proxied(answer, 9) as (pool, _):
        with pytest.raises(UpstreamDown) as error:
            await ask(pool)
        assert error.value.code is Code.CONNECT_FAILED


@looped
async def test_bytes_behind_its_answer_are_nobody_s() -> None:
    async with Vendor([Send(response(200))], tls=serving("here")) as vendor:
        answer = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
        async with proxied(answer, vendor.port) as (pool, _):
            with pytest.raises(UpstreamDown) as error:
                await ask(pool)
            assert error.value.code is Code.CONNECT_FAILED
