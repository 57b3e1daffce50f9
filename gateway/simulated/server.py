"""The simulated model behind HTTP: the doors of five operations, at a settable pace, with faults.

It stands on a socket of its own (serve) or at the end of a socket pair in the house (factory).
"""

import asyncio
import itertools
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.config.schema import Simulated
from gateway.errors import Code, GatewayError
from gateway.server.body import Body
from gateway.server.connection import Listening
from gateway.server.outlet import Outlet
from gateway.simulated import embeddings, failure, messages, openai, request, responses
from gateway.simulated.model import answers
from gateway.simulated.pace import Pace, Player
from gateway.simulated.play import Play, Stamp, Whole, encoded
from gateway.wire.http import RequestHead

MAX_BODY_BYTES: Final = 64 << 20
_JSON: Final = b"content-type: application/json\r\n"
_EVENTS: Final = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"

Operation = Callable[[bytes, Simulated, Stamp], Whole | Play]


async def serve(listen_host: str, listen_port: int, settings: Simulated) -> asyncio.Server:
    """Already listening; the caller closes it."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(factory(settings), listen_host, listen_port)


def factory(settings: Simulated) -> Listening:
    """Makes the vendor's end of a connection each time it is called; all share one vendor."""
    return Listening(_Vendor(settings))


# ---- the operations


def _chat(body: bytes, settings: Simulated, stamp: Stamp) -> Whole | Play:
    asked = request.chat(body)
    speeches = answers(asked, settings.tokens, settings.seed)
    told = openai.play if asked.stream else openai.whole
    return told(openai.CHAT, asked, speeches, stamp)


def _completion(body: bytes, settings: Simulated, stamp: Stamp) -> Whole | Play:
    asked = request.completion(body)
    speeches = answers(asked, settings.tokens, settings.seed)
    told = openai.play if asked.stream else openai.whole
    return told(openai.COMPLETION, asked, speeches, stamp)


def _responses(body: bytes, settings: Simulated, stamp: Stamp) -> Whole | Play:
    asked = request.responses(body)
    [speech] = answers(asked, settings.tokens, settings.seed)
    return (responses.play if asked.stream else responses.whole)(asked, speech, stamp)


def _messages(body: bytes, settings: Simulated, stamp: Stamp) -> Whole | Play:
    asked = request.messages(body)
    [speech] = answers(asked, settings.tokens, settings.seed)
    return (messages.play if asked.stream else messages.whole)(asked, speech, stamp)


def _embeddings(body: bytes, settings: Simulated, stamp: Stamp) -> Whole | Play:
    return embeddings.whole(request.embeddings(body), settings.seed)


def _models(body: bytes, settings: Simulated, stamp: Stamp) -> Whole | Play:
    only = {"id": "simulated", "object": "model", "created": 0, "owned_by": "simulated"}
    return Whole(encoded({"object": "list", "data": [only]}), 0)


# A row: the method and the path behind an optional /v1.
_OPERATIONS: Final[dict[bytes, tuple[bytes, Operation]]] = {
    b"/chat/completions": (b"POST", _chat),
    b"/completions": (b"POST", _completion),
    b"/responses": (b"POST", _responses),
    b"/messages": (b"POST", _messages),
    b"/embeddings": (b"POST", _embeddings),
    b"/models": (b"GET", _models),
}
_MESSAGES: Final = b"/messages"


# ---- the vendor


class _Vendor:
    """The door: one simulated place, whatever connection it is reached by."""

    def __init__(self, settings: Simulated) -> None:
        self.settings = settings
        speed = settings.tokens_per_second
        self.pace = Pace(settings.first_content_s, 1 / speed if speed else 0.0)
        self._chance = random.Random(settings.seed)  # noqa: S311 - failures, not secrets
        self._serial = itertools.count(1)
        self._house = secrets.token_hex(4)  # ids differ between two starts

    def admit(self, head: RequestHead) -> "_Admitted":
        path = head.path.removeprefix(b"/v1")
        method, operation = _OPERATIONS.get(path, (b"", None))
        if operation is None:
            raise GatewayError(Code.NOT_FOUND, "the simulated model has no such path")
        if head.method != method:
            allow = b"allow: %b\r\n" % method
            raise GatewayError(Code.METHOD_NOT_ALLOWED, "another method is meant", headers=allow)
        return _Admitted(self, operation, speaks_messages=path == _MESSAGES)

    def refuse(self, head: RequestHead | None, error: GatewayError, outlet: Outlet) -> None:
        in_messages = head is not None and head.path.endswith(_MESSAGES)
        told = failure.body(error.status, error.message, messages=in_messages)
        headers = _JSON + error.headers + failure.headers(error.retry_after_s)
        outlet.whole(error.status, headers, told)

    def fails(self) -> bool:
        """Whether the next request is one of those that fail."""
        ratio = self.settings.fail_ratio
        return ratio > 0 and self._chance.random() < ratio

    def stamp(self) -> Stamp:
        return Stamp(f"{self._house}{next(self._serial):06x}", int(time.time()))


@dataclass(frozen=True, slots=True)
class _Admitted:
    vendor: _Vendor
    operation: Operation
    speaks_messages: bool
    buffered: bool = True
    max_body_bytes: int = MAX_BODY_BYTES
    current: bool = True

    async def answer(self, body: bytes | Body, outlet: Outlet) -> None:
        started_at = asyncio.get_running_loop().time()
        settings = self.vendor.settings
        if self.vendor.fails():
            headers = failure.headers(settings.retry_after_s)
            self._fail(outlet, settings.fail_status, "a simulated failure", headers)
            return
        try:
            whole_body = body if isinstance(body, bytes) else b""
            told = self.operation(whole_body, settings, self.vendor.stamp())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._fail(outlet, 400, str(error))
            return
        except Exception:  # noqa: BLE001 - a request handler: nobody shall wait for ever
            self._fail(outlet, 500, "the simulated model broke over this request")
            return
        if isinstance(told, Whole):
            await self._say(told, outlet, started_at)
        else:
            await self._play(told, outlet, started_at)

    async def _say(self, answer: Whole, outlet: Outlet, started_at: float) -> None:
        said = _heard(self.vendor.settings, answer.tokens)
        wait_s = self.vendor.pace.due_s(max(0, said - 1))
        await asyncio.sleep(started_at + wait_s - asyncio.get_running_loop().time())
        if said == self.vendor.settings.stall_after_tokens:
            await _silence()
        if said == self.vendor.settings.cut_after_tokens:
            outlet.begin(200, _JSON, len(answer.body))
            outlet.push(answer.body[: len(answer.body) // 2])
            await _cut(outlet)
        else:
            outlet.whole(200, _JSON, answer.body)

    async def _play(self, play: Play, outlet: Outlet, started_at: float) -> None:
        said = _heard(self.vendor.settings, play.length)
        player = Player(outlet, play, self.vendor.pace, started_at)
        outlet.begin(200, _EVENTS)
        outlet.events = True
        outlet.draw_from(player)
        await player.tell(said)
        if said == self.vendor.settings.stall_after_tokens:
            await _silence()
        if said == self.vendor.settings.cut_after_tokens:
            await _cut(outlet)
        else:
            outlet.end(play.closing)

    def _fail(self, outlet: Outlet, status: int, message: str, headers: bytes = b"") -> None:
        told = failure.body(status, message, messages=self.speaks_messages)
        outlet.whole(status, _JSON + headers, told)


def _heard(settings: Simulated, tokens: int) -> int:
    """How many of an answer's tokens are said before a fault ends it, or it ends itself."""
    faults = (settings.cut_after_tokens, settings.stall_after_tokens)
    return min([tokens, *[fault for fault in faults if fault is not None]])


async def _silence() -> None:
    """Until the client leaves: then the connection cancels the answer."""
    await asyncio.get_running_loop().create_future()


async def _cut(outlet: Outlet) -> None:
    await asyncio.sleep(
        0
    )  # uvloop writes at the end of its turn; a cut would swallow the last words
    outlet.cut()
