"""Pieces of a message that every translation reads: its parts, data URLs, calls' arguments."""

import re
from typing import Final

import msgspec

from gateway.chat.document import Document

_DATA: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,", re.ASCII)
_object: Final = msgspec.json.Decoder(dict[str, object]).decode


def parts(content: object) -> list[Document]:
    """A message's content as parts; a string is one of text, unless it is empty."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) else []


def data_url(url: object) -> tuple[str, str] | None:
    """The media type and the base64 of a data URL; None for any other."""
    if not isinstance(url, str):
        return None
    found = _DATA.match(url)
    return (found[1].lower(), url[found.end() :]) if found else None


def arguments(function: Document) -> Document | None:
    """What a tool is called with; none is an empty object. None where it is no JSON object."""
    said = function.get("arguments")
    if isinstance(said, dict):
        return said
    try:
        return _object(said) if said else {}
    except (msgspec.DecodeError, TypeError, UnicodeError, RecursionError):
        return None
