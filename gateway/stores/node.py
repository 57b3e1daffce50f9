"""One Redis server.

Nothing is ever asked twice here but what the server says it has not done.
"""

import ssl
from collections.abc import Sequence

from gateway.stores.address import Address
from gateway.stores.base import StoreError
from gateway.stores.circuit import Circuit
from gateway.stores.line import Answer, Line, Refused
from gateway.stores.scripts import Script


class Node:
    def __init__(
        self, host: str, port: int, address: Address, context: ssl.SSLContext | None
    ) -> None:
        self.host = host
        self.port = port
        self._circuit = Circuit(lambda: Line.open(host, port, address, context))

    @property
    def usable(self) -> bool:
        return self._circuit.usable

    async def call(self, *words: bytes | str | int) -> Answer:
        """Raises StoreError, within about BUDGET_S."""
        line = await self._circuit.row()
        try:
            answer = await line.call(*words)
        except Refused as error:
            if error.kind in ("readonly", "loading", "auth", "busy"):
                line.close(error.kind)  # another server may stand at this address soon
                self._circuit.failed()
            raise
        except StoreError:
            self._circuit.failed()
            raise
        self._circuit.succeeded()
        return answer

    async def run(
        self, script: Script, keys: Sequence[bytes | str], args: Sequence[bytes | str | int]
    ) -> Answer:
        """A script by its digest; with its text where the server does not know it."""
        try:
            return await self.call("EVALSHA", script.sha, len(keys), *keys, *args)
        except Refused as error:
            if error.kind != "noscript":
                raise
        return await self.call("EVAL", script.text, len(keys), *keys, *args)

    def close(self) -> None:
        self._circuit.close()
