"""Public keys that change: in a file, and behind a URL."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gateway.runtime.jwkswatch import JwksWatch
from tests.unit.config.reading import read
from tests.unit.runtime.running import Running, running
from tests.unit.runtime.test_oidc import tenant
from tests.unit.runtime.tokens import AUDIENCE, ISSUER, jwks, token


@pytest.fixture
def house() -> Iterator[Running]:
    with running() as one:
        yield one


def begun(house: Running, place: str) -> JwksWatch:
    house.runtime.swap(
        read(
            "backends: {sim: {provider: simulated}}\nmodels: {demo: sim/lorem}\n"
            f"tenants: {{search: {{}}}}\n"
            f'oidc: {{issuer: "{ISSUER}", audience: {AUDIENCE}, {place}}}\n'
        )
    )
    return JwksWatch(house.runtime)


def good(house: Running) -> bool:
    assert house.runtime.verifier is not None
    return tenant(house.runtime.verifier, token()) == "search"


def test_a_file_is_read_at_once_and_again_when_it_changes(house: Running, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks())
    watch = begun(house, f'jwks_file: "{path}"')
    assert good(house)
    asyncio.run(watch.look())
    path.write_bytes(b"{")
    with pytest.raises(OSError, match="JWKS"):
        asyncio.run(watch.look())
    assert good(house)


def test_a_file_that_is_not_there_is_no_config(house: Running, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        begun(house, f'jwks_file: "{tmp_path}/none"')


@contextmanager
def provider(answers: list[tuple[int, bytes]]) -> Iterator[str]:
    """A server that gives one answer after the other."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.pop(0)
            self.send_response(status)
            if status == 302:
                self.send_header("location", f"http://127.0.0.1:{server.server_port}/else")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys"
        finally:
            server.shutdown()
            thread.join()


def test_a_url_is_fetched_beside_the_traffic(house: Running) -> None:
    with provider([(200, jwks())]) as url:
        watch = begun(house, f'jwks_url: "{url}"')
        assert not good(house)
        asyncio.run(watch.look())
        assert good(house)
        asyncio.run(watch.look())  # not due again


@pytest.mark.parametrize("answer", [(500, b""), (302, b""), (200, b"<html>")])
def test_what_is_no_answer_changes_nothing(house: Running, answer: tuple[int, bytes]) -> None:
    with provider([answer, (200, jwks())]) as url:
        watch = begun(house, f'jwks_url: "{url}"')
        with pytest.raises(OSError):  # noqa: PT011 - each has its own words
            asyncio.run(watch.look())
        assert not good(house)
        asyncio.run(watch.look())
        assert good(house)
