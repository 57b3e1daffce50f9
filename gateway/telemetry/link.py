"""What a worker and its supervisor tell each other: JSON lines over a socket pair.

The worker says that it has started, that it lives, and on demand all its numbers.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from gateway.telemetry.metrics import Labels, Metrics

MAX_MESSAGE: Final = 16 * 1024 * 1024  # bytes; a thousand series take about 300 kB
_ASK: Final = b"numbers\n"


class Started(msgspec.Struct, tag=True):
    server: str


class Beat(msgspec.Struct, tag=True):
    """A sign of life, once a second."""

    config: str = ""
    lag_s: float = 0.0
    open: int = 0
    store: str = ""  # why the shared store is not what decides; empty while it does
    forgets: str = ""  # how the store makes room when it is full, if limits may go for it


class Numbers(msgspec.Struct, tag=True):
    """Every series of a worker."""

    numbers: dict[str, list[tuple[Labels, float]]]
    histograms: dict[str, list[tuple[Labels, list[int], float]]]

    @classmethod
    def of(cls, metrics: Metrics) -> "Numbers":
        return cls(
            {
                name: [(labels, number.value) for labels, number in series.items()]
                for name, series in metrics.numbers.items()
            },
            {
                name: [(labels, one.counts, one.sum) for labels, one in series.items()]
                for name, series in metrics.histograms.items()
            },
        )

    def metrics(self) -> Metrics:
        made = Metrics()
        for name, numbers in self.numbers.items():
            for labels, value in numbers:
                made.number(name, *labels).value = value
        for name, histograms in self.histograms.items():
            for labels, counts, total in histograms:
                one = made.histogram(name, *labels)
                one.counts, one.sum = counts, total
        return made


Message = Started | Beat | Numbers
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Message).decode


class Link:
    """One end. Iterating gives the worker's messages; on the worker's side use `asked`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def on(cls, sock: socket.socket) -> "Link":
        sock.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=sock, limit=MAX_MESSAGE))

    def tell(self, message: Message) -> None:
        self._writer.write(_encode(message) + b"\n")

    def ask(self) -> None:
        """The worker's numbers, please."""
        self._writer.write(_ASK)

    async def asked(self) -> bool:
        """On the worker's side: True when its numbers are wanted, False when the link is cut."""
        try:
            return await self._reader.readline() == _ASK
        except (OSError, ValueError):
            return False

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            try:
                line = await self._reader.readline()
                if not line:
                    return
                yield _decode(line)
            except (OSError, ValueError):
                return

    def close(self) -> None:
        self._writer.close()
