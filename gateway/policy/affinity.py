"""What belongs together: requests of one session find the same target, and its prompt cache warm.

An explicit id says most, then OpenAI's `prompt_cache_key`, then how the conversation begins: later
turns repeat its beginning. Pure.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

BEGINNING: Final = 1024  # bytes of a prompt that tell it from others
MOST: Final = 64 * 1024  # bytes of one message that are looked at; an image has more


class _Message(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = msgspec.Raw(b"")


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
    prompt = fields.get("prompt")
    if prompt is not None and bytes(memoryview(prompt)[:1]) in (b'"', b"["):
        digest.update(memoryview(prompt)[:BEGINNING])
        return b"opening:" + digest.digest()
    try:
        messages = _messages(fields.get("messages", msgspec.Raw(b"[]")))
    except msgspec.DecodeError:
        return b""
    if not messages:
        return b""
    for message in messages:
        digest.update(memoryview(message.content)[:MOST])
        if message.role == "user":
            break
    return b"opening:" + digest.digest()
