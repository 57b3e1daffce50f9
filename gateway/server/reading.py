"""The reading side of a client connection: bytes in, requests in their order out (RFC 9112).

llhttp frames the bytes, `framing` refuses what can be read in two ways, the door says what a head
means. Knows neither answers nor time.
"""

from collections import deque
from contextlib import suppress
from typing import Final, Protocol

import httptools
import msgspec

from gateway.errors import Code, GatewayError
from gateway.server import framing, heads
from gateway.server.body import Body
from gateway.server.heads import Admitted
from gateway.server.outlet import Outlet
from gateway.wire.http import Headers, RequestHead

MAX_PIPELINED: Final = 32  # requests read ahead of their turn, then reading pauses
MAX_AHEAD: Final = 128  # of which one read may bring more, but no more than this
MAX_STRANGERS: Final = 4  # then a connection's heads are taken to be different each time
MAX_SKIPPED: Final = 64 * 1024  # bytes of a refused request's body worth reading to keep alive
FRAMING_SHARE: Final = 8  # bytes on the wire for each of a body; a chunk of one byte takes six


class Door(Protocol):
    """What stands behind the way in."""

    def admit(self, head: RequestHead) -> Admitted:
        """Before the body is read. Raises GatewayError."""

    def refuse(self, head: RequestHead | None, error: GatewayError, outlet: Outlet) -> None:
        """Tells the client in its own dialect. Finishes outlet."""


class Side(Protocol):
    """The connection, as far as its reader needs it."""

    def proceed(self) -> None:
        """A turn may be answered now, or its client waits for a 100."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Turn(msgspec.Struct, eq=False):
    """One request on its way in."""

    head: RequestHead | None = None
    admitted: Admitted | None = None
    error: GatewayError | None = None
    body: Body | None = None
    held: bytes | bytearray = b""  # of the body, where it is not handed on
    size: int = 0  # bytes of the body so far
    wire: int = 0  # bytes that came since the read that brought the head
    modern: bool = False  # HTTP/1.1
    whole: bool = False  # the body has been read to its end
    keep: bool = False  # the connection may serve another request after this one
    skips: bool = False  # refused, but its body is short: read past it first
    expects: bool = False  # a 100 before it sends its body

    def alone(self, request: heads.Request) -> bool:
        """Whether it is the request that a read held alone, plain enough to be known again."""
        return (
            self.whole
            and self.keep
            and self.modern
            and self.error is None
            and self.body is None
            and self.size == request.length
            and self.head is not None
            and self.head.length == request.length
        )

    @property
    def ready(self) -> bool:
        return self.whole or self.body is not None or (self.error is not None and not self.skips)


class Reader:
    """llhttp's callbacks, and the requests they have brought."""

    def __init__(self, door: Door, side: Side, known: heads.Heads | None = None) -> None:
        self._door = door
        self._side = side
        self._known = known  # the heads that have come before; None: none is kept
        self._strangers = 0  # whole requests in a row whose head was not known
        self._begun = 0  # requests that the read at hand has brought
        self._ended: Turn | None = None  # the last that it has brought to its end
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: Headers = []
        self._head_bytes = 0
        self.turns: deque[Turn] = deque()  # read, or being read, not yet being answered
        self.current: Turn | None = None  # its body is still coming
        self.partial = False  # a request has begun and is not yet whole
        self.deaf = False  # nothing more is read
        self.window = 0  # bytes since somebody set it to 0

    def feed(self, data: bytes) -> None:
        known = self._known
        if known is not None and not self.partial and not self.turns:
            request = heads.whole(data) if self._strangers < MAX_STRANGERS else None
            if request is not None and self._repeated(known, request, data):
                return
            turn = self._parsed(data)
            if request is not None and turn is not None and turn.alone(request):
                self._strangers += 1
                self._keep(known, request, turn)
        else:
            self._parsed(data)

    def _keep(self, known: heads.Heads, request: heads.Request, turn: Turn) -> None:
        if turn.head is not None and turn.admitted is not None and turn.admitted.current:
            known.keep(request, turn.head, turn.admitted)

    def _repeated(self, known: heads.Heads, request: heads.Request, data: bytes) -> bool:
        """A whole request under a head that is known: made without parsing it again."""
        found = known.known(request)
        if found is None:
            return False
        self._strangers = self._head_bytes = 0
        turn = Turn()
        turn.head, turn.admitted = found.head.of_length(request.length), found.admitted
        turn.held = data[request.body_at :]
        turn.size = request.length
        turn.modern = turn.whole = turn.keep = True
        self.turns.append(turn)
        self._side.proceed()
        return True

    def _parsed(self, data: bytes) -> Turn | None:
        """The request that data has brought, if it is one and whole."""
        self._begun = 0
        self._parse(data)
        ended, self._ended = self._ended, None  # its body is not to outlive its answer
        return ended if self._begun == 1 else None

    def _parse(self, data: bytes) -> None:
        turn = self.current
        if turn is None:
            self._head_bytes += len(data)
        else:
            turn.wire += len(data)
        self.window += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserInvalidMethodError:
            self.refuse(framing.unknown_method())
        except httptools.HttpParserUpgrade:
            self.refuse(framing.no_upgrade())
        except httptools.HttpParserCallbackError as error:
            self.refuse(_surprise(error))
        except httptools.HttpParserError as error:
            self.refuse(GatewayError(Code.BAD_FRAMING, f"not HTTP/1.1: {_words(error)}"))
        if self.current is None:
            if self._head_bytes > framing.MAX_LINE + framing.MAX_HEAD:
                self.refuse(framing.endless(self._url))
        elif turn is self.current and turn.wire > framing.MAX_HEAD + FRAMING_SHARE * turn.size:
            self.refuse(GatewayError(Code.BAD_FRAMING, "the chunks are more framing than body"))

    def refuse(self, error: GatewayError) -> None:
        """What came is no HTTP, or came too slowly: that is said behind what is owed, and last."""
        if self.deaf:
            return
        self.deaf = True
        current, self.current = self.current, None
        if current is not None:
            if current.body is not None:
                current.body.fail(error)
            if current not in self.turns:
                return  # its exchange has begun, and tells
            self.turns.remove(current)
        turn = Turn()
        turn.error = error
        self.turns.append(turn)
        self._side.proceed()

    def stop(self) -> None:
        """Nothing more is read, and nothing is owed."""
        self.deaf = True
        self.turns.clear()

    def ended(self) -> None:
        """The client will send no more: what is not whole by now never will be.

        A refusal that does not wait for the rest of its request stands.
        """
        self.deaf = True
        current = self.current
        if current is not None and (current.error is None or current.skips):
            with suppress(ValueError):  # its exchange has begun
                self.turns.remove(current)

    # ---- llhttp's calls

    def on_message_begin(self) -> None:
        self.partial = True
        self._begun += 1
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.current is None and len(self._headers) <= framing.MAX_LINES:
            # llhttp leaves the spaces after a value, which are no part of it (RFC 9110 5.5).
            self._headers.append((name.lower(), value.rstrip()))  # trailers are read past

    def on_headers_complete(self) -> None:
        if self.deaf:
            return
        parser = self._parser
        turn = Turn()
        try:
            version = parser.get_http_version()
            turn.head = head = framing.head(parser.get_method(), self._url, version, self._headers)
            if version == "1.1":
                turn.modern = True
                turn.expects = framing.expects_continue(head)
            turn.admitted = admitted = self._door.admit(head)
            if head.length is not None and head.length > admitted.max_body_bytes:
                raise _too_large(admitted)
            if not admitted.buffered:
                turn.body = Body(self._side.pause_reading, self._side.resume_reading)
        except GatewayError as error:
            turn.error, turn.expects = error, False
            turn.skips = turn.head is not None and _short(turn.head)
            # Where this request ends may be read in two ways: nothing behind it is a request.
            self.deaf = not turn.skips
        self.current = turn
        self.turns.append(turn)
        if turn.body is not None or turn.error is not None or turn.expects:
            self._side.proceed()

    def on_body(self, data: bytes) -> None:
        turn = self.current
        if turn is None or self.deaf:
            return
        turn.size += len(data)
        admitted = turn.admitted
        if turn.error is not None or admitted is None:
            return
        if turn.size > admitted.max_body_bytes:
            self._overflow(turn, _too_large(admitted))
        elif turn.body is not None:
            turn.body.feed(data)
        elif not turn.held:
            turn.held = data
        else:
            # One array, not a list of parts: chunks of two bytes would weigh twenty times that.
            if isinstance(turn.held, bytes):
                turn.held = bytearray(turn.held)
            turn.held += data

    def _overflow(self, turn: Turn, error: GatewayError) -> None:
        turn.error = error
        turn.held = b""
        self.deaf = True
        if turn.body is not None:
            turn.body.fail(error)
        self._side.proceed()

    def on_message_complete(self) -> None:
        turn, self.current = self.current, None
        self.partial = False
        if turn is None or self.deaf:
            return
        self._head_bytes = 0
        self._ended = turn
        turn.whole = True
        turn.keep = self._parser.should_keep_alive()
        if not turn.keep:
            self._known = None  # it was to be the last: llhttp refuses what follows
        if turn.body is not None:
            turn.body.end()
        ahead = len(self.turns)
        if ahead >= MAX_PIPELINED:
            self._side.pause_reading()
            if ahead > MAX_AHEAD:
                self.refuse(GatewayError(Code.BAD_FRAMING, "too many requests sent ahead"))
                return
        self._side.proceed()


def _short(head: RequestHead) -> bool:
    """Whether its body is read past when it is refused, so that its client keeps the connection.

    One that is expected to be asked for may never come.
    """
    length = head.length
    return length == 0 or (
        length is not None and length <= MAX_SKIPPED and head.header(b"expect") is None
    )


def _too_large(admitted: Admitted) -> GatewayError:
    limit = admitted.max_body_bytes
    return GatewayError(Code.BODY_TOO_LARGE, f"the request body is larger than {limit} bytes")


def _words(error: Exception) -> str:
    """llhttp's reason, which never repeats what the client sent."""
    return str(error).splitlines()[0][:120]


def _surprise(error: httptools.HttpParserCallbackError) -> GatewayError:
    """A fault of ours within one of llhttp's calls; the cause is for the log."""
    told = GatewayError(Code.INTERNAL, "the gateway failed on this request")
    told.__cause__ = error.__context__
    return told
