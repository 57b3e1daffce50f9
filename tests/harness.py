"""A real gateway for tests: its own process, started as users start it, on ports of its own.

with Gateway(config) as gateway: gateway.url, gateway.admin, gateway.lines() and so on. Everything
a test may want to know of it comes from outside: the ports, the log, /proc.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
KEY: Final = "sk-test-0123456789abcdef"
START_S: Final = 20.0
LOOPBACK: Final = ("--set", "server.listen=127.0.0.1:0", "--set", "admin.listen=127.0.0.1:0")


def config_for(url: str, *, models: str = "", backend: str = "", more: str = "") -> str:
    """A config with one key, backend `up` at url/v1 and the model `m` on it.

    models, backend: further lines or keys, as YAML; more: further sections.
    """
    return f"""
keys:
  - {{name: tester, tenant: testers, key: "{KEY}", models: ["*"]}}
backends:
  up: {{provider: openai_compatible, base_url: "{url}/v1", credential: sk-upstream-secret{backend}}}
models:
  m: up/real-model
{models}
{more}
"""


class Gateway:
    """A gateway under test. Leaving the block stops it with SIGTERM and wants exit code 0."""

    def __init__(self, config: str, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="gateway-test-")
        self.file = Path(self._folder.name) / "config.yaml"
        self.file.write_text(config)
        self._arguments = arguments
        self._env = {**os.environ, **(env or {})}
        self.log_file = Path(self._folder.name) / "log.jsonl"
        self.exit_code: int | None = None

    def __enter__(self) -> Self:
        self.log = self.log_file.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(ROOT / "gateway/_boot.py"), "serve",
             "--config", str(self.file), *LOOPBACK, *self._arguments],
            stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, env=self._env,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = _first_line(self.process)
        ready = re.fullmatch(r"ready (http://\S+) admin (http://\S+)\n", line)
        if ready is None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.log.close()
            told = self.log_file.read_text()[-3000:]
            self._folder.cleanup()
            raise AssertionError(f"not ready: {line!r}\n{told}")
        self.url, self.admin = ready.groups()
        self.base_url = f"{self.url}/v1"
        self.port = int(self.url.rsplit(":", 1)[1])
        self.pid = self.process.pid
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the gateway did not stop within 20 s") from None
        finally:
            self.log.close()
            if self.process.stdout is not None:
                self.process.stdout.close()
            text = self.log_file.read_text()
            self._folder.cleanup()
        assert self.exit_code == 0, text[-3000:]

    def discard(self) -> None:
        """After a gateway that was killed: its files."""
        self.log.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._folder.cleanup()

    # ---- from outside

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def get(self, path: str, *, admin: bool = False, key: str | None = KEY) -> tuple[int, bytes]:
        base = self.admin if admin else self.url
        request = urllib.request.Request(base + path)  # noqa: S310 - http, on loopback
        if key is not None:
            request.add_header("authorization", f"Bearer {key}")
        return _open(request)

    def post(self, path: str, body: object, key: str | None = KEY) -> tuple[int, bytes]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data)  # noqa: S310 - http, on loopback
        request.add_header("content-type", "application/json")
        if key is not None:
            request.add_header("authorization", f"Bearer {key}")
        return _open(request)

    def raw(self, data: bytes, *, seconds: float = 5.0, half_close: bool = False) -> bytes:
        """All that comes back on a connection of its own, until it closes or falls silent."""
        with self.connect() as sock:
            sock.settimeout(seconds)
            with contextlib.suppress(OSError):
                sock.sendall(data)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            return b"".join(_received(sock))

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """The log so far, or its lines of one event."""
        found = [json.loads(line) for line in self.log_file.read_text().splitlines()]
        return found if event is None else [line for line in found if line["event"] == event]

    def until_line(self, event: str, seconds: float = 20.0, **facts: object) -> dict[str, Any]:
        """The first log line of an event that has these facts; fails if it does not come."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines(event) if facts.items() <= line.items()]

        until(lambda: bool(found()), seconds, f"no log line {event} {facts}")
        return found()[0]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that bear these labels (a scrape is kept for a second)."""
        time.sleep(1.1)
        total = 0.0
        for line in self.get("/metrics", admin=True)[1].decode().splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name:
                found = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                if labels.items() <= found.items():
                    total += float(match[3])
        return total

    def rss_bytes(self) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+) kB", text)
        assert match is not None
        return int(match[1]) * 1024

    def rewrite(self, config: str) -> None:
        """Another config, by atomic rename."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(config)
        fresh.rename(self.file)


def until(true: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Waits for something to become true, and fails if it does not in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(otherwise)
        time.sleep(0.02)


def _open(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - as above
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _received(sock: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            data = sock.recv(65536)
        except (TimeoutError, ConnectionError):
            return
        if not data:
            return
        yield data


def _first_line(process: "subprocess.Popen[bytes]") -> str:
    """The first line on stdout, or what there is of it when the time is up."""
    lines: list[bytes] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: lines.append(process.stdout.readline()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    reader.join(START_S)
    return lines[0].decode() if lines else ""
