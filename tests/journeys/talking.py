"""Raw conversations with a real gateway: what was sent, what came back, and whether it hung up."""

import contextlib
import socket
import struct
import time
from typing import Final

from tests.harness import Gateway
from tests.http_answers import Answer, first

PATIENCE_S: Final = 10.0


class Talk:
    """One connection. `with` closes it."""

    def __init__(self, gateway: Gateway) -> None:
        self.sock = gateway.connect()
        self.sock.settimeout(PATIENCE_S)
        self._read = b""

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """As much as the gateway takes: it may have answered and gone before the end."""
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(data)

    def answer(self, method: str = "") -> Answer:
        """The next final answer."""
        while True:
            while b"\r\n\r\n" in self._read:
                answer, rest = first(self._read, method)
                if not answer.ended:
                    break
                self._read = rest
                if answer.status >= 200:
                    return answer
            data = self.sock.recv(65536)
            assert data, f"closed before its answer was whole: {self._read[-300:]!r}"
            self._read += data

    def until(self, enough: bytes) -> bytes:
        while enough not in self._read:
            data = self.sock.recv(65536)
            assert data, f"closed before {enough!r} came: {self._read[-300:]!r}"
            self._read += data
        return self._read

    def rest(self) -> bytes:
        """All that still comes until the gateway closes; it has to."""
        try:
            while data := self.sock.recv(65536):
                self._read += data
        except ConnectionError:
            pass
        return self._read

    def half_close(self) -> None:
        with contextlib.suppress(OSError):  # it has hung up already
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def cpu_s(gateway: Gateway) -> float:
    """CPU time that its process has used."""
    with open(f"/proc/{gateway.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / 100


def seconds_since(start: float) -> float:
    return time.monotonic() - start
