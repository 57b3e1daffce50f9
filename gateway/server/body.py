"""A request's body while it is still coming, for exchanges that do not wait for all of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Final

from gateway.errors import Code, GatewayError

HIGH_WATER: Final = 128 * 1024  # bytes held before the client is told to wait


class Body:
    """Filled by the connection, drained by the exchange; holds little in between."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause = pause
        self._resume = resume
        self._parts: list[bytes] = []
        self._held = 0
        self._paused = False
        self._ended = False
        self._error: GatewayError | None = None
        self._news: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        self._parts.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER and not self._paused:
            self._paused = True
            self._pause()
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def fail(self, error: GatewayError) -> None:
        self._error = error
        self._wake()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body, each time all that has come.

        Raises GatewayError when the client leaves, stalls or sends too much.
        """
        while True:
            if self._parts:
                parts = self._parts
                data = parts[0] if len(parts) == 1 else b"".join(parts)
                parts.clear()
                self._held = 0
                if self._paused:
                    self._paused = False
                    self._resume()
                yield data
                continue
            if self._error is not None:
                raise self._error
            if self._ended:
                return
            self._news = asyncio.get_running_loop().create_future()
            await self._news

    def _wake(self) -> None:
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)


def client_gone() -> GatewayError:
    return GatewayError(Code.CLIENT_CLOSED, "the client left before its request was complete")
