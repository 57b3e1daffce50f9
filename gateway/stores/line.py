"""One connection to a Redis server: logged in, its errors told by kind."""

import asyncio
import ssl
from typing import Final

import hiredis

from gateway.stores.address import Address
from gateway.stores.base import StoreError
from gateway.stores.row import CONNECT_S, Row

Answer = bytes | int | None | list["Answer"]

# How Redis begins an error -> the label it gets.
_KINDS: Final = {
    "NOSCRIPT": "noscript",
    "MOVED": "moved",
    "ASK": "moved",
    "READONLY": "readonly",
    "MASTERDOWN": "loading",
    "LOADING": "loading",
    "CLUSTERDOWN": "loading",
    "TRYAGAIN": "loading",
    "BUSY": "busy",
    "OOM": "oom",
    "WRONGTYPE": "wrong_type",
    "NOAUTH": "auth",
    "WRONGPASS": "auth",
    "NOPERM": "auth",
    "CROSSSLOT": "script",
}


class Refused(StoreError):
    """The server says no; `text` is what it said, not to be shown."""

    def __init__(self, text: str) -> None:
        word = text.split(" ", 1)[0]
        kind = _KINDS.get(word, "script")
        if kind == "script" and "OOM" in text:
            kind = "oom"
        elif kind == "script" and "READONLY" in text:
            kind = "readonly"
        elif word == "ERR" and "AUTH" in text:
            kind = "auth"
        super().__init__(kind)
        self.text = text


class Line(Row[Answer]):
    """`open` makes one."""

    def __init__(self) -> None:
        super().__init__()
        self._reader = hiredis.Reader(replyError=Refused)

    @classmethod
    async def open(
        cls, host: str, port: int, address: Address, context: ssl.SSLContext | None
    ) -> "Line":
        """Connected and logged in. Raises StoreError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, line = await loop.create_connection(cls, host, port, ssl=context)
        except (OSError, TimeoutError):
            raise StoreError("connect") from None
        try:
            if address.password:
                who = (address.user,) if address.user else ()
                await line.call("AUTH", *who, address.password)
            if address.database:
                await line.call("SELECT", address.database)
            await line.call("PING")
        except BaseException:
            line.close("connect")
            raise
        return line

    def call(self, *words: bytes | str | int) -> "asyncio.Future[Answer]":
        """The answer to come, or StoreError."""
        return self._sent(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub says one word

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not False and not self.closed:
                self._answered(answer)
        except hiredis.ProtocolError:
            self.close("protocol")
