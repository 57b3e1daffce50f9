"""The content of the lingua franca's messages as Gemini's parts.

Media as data stand in the request; a URL is passed on for Google to fetch, never fetched here.
Source: ai.google.dev/api/caching#Part, 2026-11.
"""

import re
from collections.abc import Iterator
from typing import Final

from gateway.chat.document import Document
from gateway.dialects.base import Losses

_DATA: Final = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,(.*)", re.DOTALL)
_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "gif": "image/gif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "mp4": "video/mp4",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
}
_ENDING: Final = re.compile(r"\.([A-Za-z0-9]{2,5})(?:[?#]|$)")
_GOOGLES: Final = re.compile(r"gs://|https://")  # how the names of files at Google begin


def parts(content: object, at: str, losses: Losses) -> Iterator[Document]:
    """at: where content stands, dotted."""
    if isinstance(content, str):
        if content:
            yield {"text": content}
        return
    for nth, part in enumerate(content if isinstance(content, list) else ()):
        written = _part(part, f"{at}.{nth}", losses)
        if written is not None:
            yield written


def _part(part: Document, at: str, losses: Losses) -> Document | None:
    match part.get("type"):
        case "text" | "refusal" as kind:
            return {"text": part.get(kind) or ""}
        case "image_url":
            return _media(part["image_url"]["url"], f"{at}.image_url.url", losses)
        case "input_audio":
            audio = part["input_audio"]
            return {"inlineData": {"mimeType": f"audio/{audio['format']}", "data": audio["data"]}}
        case "file":
            return _file(part["file"], f"{at}.file", losses)
        case kind:
            losses.cannot(f"{at}.type", f"Gemini has no parts of type {kind!r}")
            return None


def _file(file: Document, at: str, losses: Losses) -> Document | None:
    """filename falls away: Gemini knows files by their type."""
    if file.get("file_data"):
        return _media(file["file_data"], f"{at}.file_data", losses)
    if file.get("file_url"):
        return _media(file["file_url"], f"{at}.file_url", losses)
    if _GOOGLES.match(file.get("file_id") or ""):
        return _media(file["file_id"], f"{at}.file_id", losses)
    losses.cannot(f"{at}.file_id", "it is no file of Google's")
    return None


def _media(url: str, at: str, losses: Losses) -> Document | None:
    if not url.startswith("data:"):
        return {"fileData": {**_type_of(url), "fileUri": url}}
    data = _DATA.fullmatch(url)
    if data is None:
        losses.cannot(at, "Gemini takes data as base64 only")
        return None
    return {"inlineData": {"mimeType": data[1] or "text/plain", "data": data[2]}}


def _type_of(url: str) -> Document:
    """By the URL's ending; Google looks for itself where that says nothing."""
    ending = _ENDING.search(url)
    kind = _TYPES.get(ending[1].lower()) if ending else None
    return {"mimeType": kind} if kind else {}


def images(messages: list[Document]) -> Iterator[tuple[str, str]]:
    """The detail in which each image is to be seen, and where it says so."""
    for nth, message in enumerate(messages):
        content = message.get("content")
        for at, part in enumerate(content if isinstance(content, list) else ()):
            if part.get("type") == "image_url":
                detail = part["image_url"].get("detail") or "auto"
                yield detail, f"messages.{nth}.content.{at}.image_url.detail"
