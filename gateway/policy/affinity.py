"""What belongs together: requests of one session find the same target, and its prompt cache warm.

An explicit id says most, then OpenAI's `prompt_cache_key`, then how the conversation begins: later
turns repeat its beginning. Pure.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

BEGINNING: Final = 1024  # bytes of a prompt that tell it from others
MOST: Final = 64 * 1024  # bytes of one message that are looked at; an image has more


# What comes before the first message, and where the messages are, in each client's language.
_BEFORE: Final = ("system", "instructions", "systemInstruction")
_TURNS: Final = ("messages", "input", "contents")


class _Message(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = msgspec.Raw(b"")
    parts: msgspec.Raw = msgspec.Raw(b"")


_NOTHING: Final = msgspec.Raw(b"")
_messages: Final = msgspec.json.Decoder(list[_Message]).decode


def session(header: bytes | None, fields: Mapping[str, msgspec.Raw]) -> bytes:
    """A key that all requests of a session share; b"" where nothing tells.

    header: the session's id, if the client sends one. fields: the request's document.
    """
    if header:
        return b"id:" + header
    key = fields.get("prompt_cache_key")
    if key is not None and len(memoryview(key)) > 2 and bytes(key).startswith(b'"'):
        return b"key:" + bytes(key)  # as it was written; who repeats it writes it the same way
    return opening(fields)


def opening(fields: Mapping[str, msgspec.Raw]) -> bytes:
    """The digest of all messages up to the user's first, or of a prompt's beginning; b"" without.

    What stands before the user's first word (system, developer, a greeting) is repeated by every
    later turn. Messages that cannot be read are the vendor's to refuse.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in _BEFORE:
        digest.update(memoryview(fields.get(name, _NOTHING))[:MOST])
    for name in ("prompt", *_TURNS):
        turns = fields.get(name, _NOTHING)
        first = bytes(memoryview(turns)[:1])
        if name == "prompt" and first in (b'"', b"["):
            digest.update(memoryview(turns)[:BEGINNING])
            return b"opening:" + digest.digest()
        if first == b"[" and _told(turns, digest.update):
            return b"opening:" + digest.digest()
    return b""


def _told(turns: msgspec.Raw, tell: Callable[[memoryview], None]) -> bool:
    """Tells all messages up to the user's first; False where there are none to be read."""
    try:
        messages = _messages(turns)
    except msgspec.DecodeError:
        return False
    for message in messages:
        tell(memoryview(message.content)[:MOST])
        tell(memoryview(message.parts)[:MOST])
        if message.role == "user":
            break
    return bool(messages)
