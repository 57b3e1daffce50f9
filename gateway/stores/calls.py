"""What workers of one host and the owner of their store say to each other: MessagePack, framed.

A frame is four bytes of length and a list: of calls one way, of their answers the other.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from gateway.policy.limits import Claim, Verdict

MAX_FRAME: Final = 64 << 20  # bytes
_LENGTH: Final = 4


class Take(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    lease: str
    claims: Sequence[Claim]


class Settle(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    lease: str
    claims: Sequence[Claim]
    spent: Sequence[float]


class Renew(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    leases: Sequence[str]


class Hold(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    key: bytes
    holder: bytes
    ttl_s: float


class Release(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    key: bytes
    holder: bytes


class Get(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=6):
    key: bytes


class Put(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=7):
    key: bytes
    value: bytes
    ttl_s: float
    owner: bytes


class Purge(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=8):
    pattern: bytes


class Delete(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=9):
    key: bytes


class Answer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the call says: the one that fits it is given."""

    verdict: Verdict | None = None
    number: int = 0
    value: bytes | None = None


Call = Take | Settle | Renew | Hold | Release | Get | Put | Purge | Delete

_encode: Final = msgspec.msgpack.Encoder().encode
calls: Final = msgspec.msgpack.Decoder(list[Call]).decode
answers: Final = msgspec.msgpack.Decoder(list[Answer]).decode


def frame(said: Sequence[Call] | Sequence[Answer]) -> bytes:
    body = _encode(said)
    return len(body).to_bytes(_LENGTH, "big") + body


class Frames:
    """Bytes in, in any cutting; whole frames' bodies out. Raises ValueError for one too long."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        held = self._held
        held += data
        while len(held) >= _LENGTH:
            end = _LENGTH + int.from_bytes(held[:_LENGTH], "big")
            if end > MAX_FRAME:
                raise ValueError("a frame is too long")
            if len(held) < end:
                return
            body = bytes(held[_LENGTH:end])
            del held[:end]
            yield body
