"""A reader without a socket: a door that admits, a side that only notes what it is told."""

from collections.abc import Coroutine

from gateway.errors import Code, GatewayError
from gateway.server.body import Body
from gateway.server.outlet import Outlet
from gateway.server.reading import Reader, Turn
from gateway.wire.http import RequestHead


class Request:
    max_body_bytes = 1 << 20
    current = False

    def __init__(self, *, buffered: bool) -> None:
        self.buffered = buffered

    def answer(self, body: bytes | Body, outlet: Outlet) -> Coroutine[object, object, None]:
        raise AssertionError("nobody answers here")


class Reading:
    """A door and a side for one reader; `turns` is what it has brought."""

    def __init__(self) -> None:
        self.heads: list[RequestHead] = []
        self.calls: list[str] = []
        self.reader = Reader(self, self)

    def admit(self, head: RequestHead) -> Request:
        self.heads.append(head)
        if head.path.startswith(b"/no"):
            raise GatewayError(Code.NOT_FOUND, "no such path")
        if head.path == b"/surprise":
            raise ZeroDivisionError
        return Request(buffered=head.path != b"/upload")

    def refuse(self, head: RequestHead | None, error: GatewayError, outlet: Outlet) -> None:
        raise AssertionError("nobody answers here")

    def proceed(self) -> None:
        self.calls.append("proceed")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    @property
    def turns(self) -> list[Turn]:
        return list(self.reader.turns)

    def told(self) -> list[tuple[bytes, bytes, Code | None]]:
        """Path, body and error of each turn that is ready."""
        return [
            (
                b"" if turn.head is None else turn.head.path,
                bytes(turn.held),
                None if turn.error is None else turn.error.code,
            )
            for turn in self.turns
            if turn.ready
        ]


def read(*pieces: bytes) -> Reading:
    reading = Reading()
    for data in pieces:
        if not reading.reader.deaf:
            reading.reader.feed(data)
    return reading
