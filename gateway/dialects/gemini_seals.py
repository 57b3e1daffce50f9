"""Other vendors' signatures in Gemini's `thoughtSignature`, which a client gives back in its place.

The field is bytes: clients decode it and encode it again, in either alphabet of base64. So what is
to come back to the letter is sealed, as JSON within it. A signature that is no seal is Google's.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from gateway.wire import json

_MARK: Final = b"gateway:"
_PLAIN: Final = str.maketrans("-_", "+/")
_URLSAFE: Final = str.maketrans("+/", "-_")


class Sealed(msgspec.Struct, frozen=True, omit_defaults=True):
    signature: str = ""  # of the thought that it stands with
    redacted: str = ""
    blocks: list[dict[str, str]] = []  # all thinking_blocks of an answer that shows no thoughts


_read: Final = msgspec.json.Decoder(Sealed).decode


def seal(sealed: Sealed) -> str:
    return urlsafe_b64encode(_MARK + json.write(sealed)).decode()


def opened(signature: str) -> Sealed | None:
    """None where it is Google's own."""
    try:
        told = urlsafe_b64decode(signature.translate(_URLSAFE))
        return _read(told[len(_MARK) :]) if told.startswith(_MARK) else None
    except (ValueError, msgspec.DecodeError):
        return None


def standard(data: str) -> str:
    """base64 in the alphabet that the rest of the world uses."""
    return data.translate(_PLAIN)
