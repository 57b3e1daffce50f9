"""A way to a server that takes its time: bytes pass unchanged, its answers in pieces, late."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

PIECE: Final = 8_000  # bytes at most that pass at once


@dataclass
class Slow:
    port: int
    dice: random.Random
    pause_s: float = 0.002  # at most, before each piece


@asynccontextmanager
async def slowly(port: int, dice: random.Random) -> AsyncIterator[Slow]:
    """In front of the server at that port."""
    passing: set[asyncio.Task[None]] = set()
    slow = Slow(0, dice)

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        for way in (_forward(reader, back, None), _forward(there, writer, slow)):
            task = asyncio.ensure_future(way)
            passing.add(task)
            task.add_done_callback(passing.discard)

    server = await asyncio.start_server(through, "127.0.0.1", 0)
    slow.port = server.sockets[0].getsockname()[1]
    try:
        yield slow
    finally:
        server.close()
        for task in list(passing):
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, slow: Slow | None
) -> None:
    try:
        while data := await reader.read(PIECE):
            if slow is not None:
                await asyncio.sleep(slow.dice.uniform(0, slow.pause_s))
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError):
            writer.close()
