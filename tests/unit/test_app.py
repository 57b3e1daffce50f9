"""The whole in one process: it binds, says so, follows its config, and stops when told."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.app import App, Ready
from gateway.config import load
from gateway.config.load import ConfigError
from gateway.config.schema import Config
from gateway.providers import discover
from tests.unit.telemetry.written import Written
from tests.vendors.looped import looped

CONFIG = """
server: {{listen: "{listen}", drain_timeout_s: 5, max_connections: {most}}}
admin: {{listen: "127.0.0.1:0"}}
backends: {{sim: {{provider: simulated, first_content_s: 0, tokens_per_second: 100000}}}}
models: {{m: sim/lorem}}
"""
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def config(listen: str = "127.0.0.1:0", *, most: int = 100) -> str:
    return CONFIG.format(listen=listen, most=most)


def parse(text: bytes) -> Config:
    return load.parse(text, path="config.yaml", env={}, known_providers=discover())


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    """An app settles the collector for a process of its own; this one lives on."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@dataclass(frozen=True)
class Served:
    ready: Ready
    file: Path
    http: aiohttp.ClientSession

    def connect(self) -> socket.socket:
        host, port = self.ready.server.removeprefix("http://").rsplit(":", 1)
        return socket.create_connection((host.strip("[]"), int(port)), timeout=5)


@asynccontextmanager
async def served(folder: Path, text: str, written: Written) -> AsyncIterator[Served]:
    """Stopped with a signal, as from outside."""
    file = folder / "config.yaml"
    file.write_text(text)
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[Ready] = loop.create_future()
    running = loop.create_task(App(file, parse, written.log).run(ready.set_result))
    running.add_done_callback(lambda _: ready.cancel())
    try:
        await ready
    except asyncio.CancelledError:
        await running  # which raises
    async with aiohttp.ClientSession() as http:
        try:
            yield Served(ready.result(), file, http)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await running


@pytest.fixture
def written() -> Iterator[Written]:
    one = Written()
    yield one
    one.close()


@looped
async def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, written: Written) -> None:
    async with served(tmp_path, config(), written) as one:
        chat = f"{one.ready.server}/v1/chat/completions"
        async with one.http.post(chat, json=CHAT) as answer:
            assert (await answer.json())["object"] == "chat.completion"
        async with one.http.get(f"{one.ready.admin}/readyz") as answer:
            assert answer.status == 200
    with pytest.raises(ConnectionRefusedError):
        one.connect()
    events = [line["event"] for line in written.lines()]
    assert events == ["ready", "exchange", "draining", "stopped"]


@looped
async def test_it_measures_itself_for_who_scrapes(tmp_path: Path, written: Written) -> None:
    async with served(tmp_path, config(), written) as one:
        with one.connect():
            async with one.http.get(f"{one.ready.admin}/metrics") as answer:
                text = await answer.text()
    assert "gateway_open_connections 1.0" in text
    assert 'gateway_backend_inflight{backend="sim"} 0.0' in text
    assert 'gateway_build_info{python="' in text


@looped
async def test_ipv6_is_an_address_too(tmp_path: Path, written: Written) -> None:
    async with served(tmp_path, config("[::1]:0"), written) as one:
        assert one.ready.server.startswith("http://[::1]:")
        async with one.http.get(f"{one.ready.server}/healthz") as answer:
            assert answer.status == 200


@looped
async def test_a_port_that_is_taken_is_named_before_it_is_ready(
    tmp_path: Path, written: Written
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}: Address already in use"):
            async with served(tmp_path, config(address), written):
                pytest.fail("it is ready")


@looped
async def test_a_bad_config_is_refused_before_it_is_ready(tmp_path: Path, written: Written) -> None:
    with pytest.raises(ConfigError):
        async with served(tmp_path, "nonsense: 1\n", written):
            pytest.fail("it is ready")


@looped
async def test_a_reload_changes_what_connections_may_do(tmp_path: Path, written: Written) -> None:
    async with served(tmp_path, config(), written) as one:
        one.file.write_text(config(most=1))
        os.kill(os.getpid(), signal.SIGHUP)
        with one.connect() as first:
            async with asyncio.timeout(5):
                while True:
                    with one.connect() as second:
                        second.setblocking(False)
                        loop = asyncio.get_running_loop()
                        said = asyncio.create_task(loop.sock_recv(second, 4096))
                        done, _ = await asyncio.wait([said], timeout=0.1)
                        if done:
                            break
                        said.cancel()
                        await asyncio.wait([said])
            assert b" 503 " in said.result()
            assert first.fileno() >= 0
