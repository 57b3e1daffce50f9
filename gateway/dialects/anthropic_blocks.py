"""Chat's messages and their parts as Anthropic's messages and content blocks.

Signed reasoning goes back byte for byte. Images and documents are passed on as data or by their
address, and fetched by nobody.
Source: platform.claude.com/docs/en/api/messages and .../build-with-claude/vision, 2026-11.
"""

import base64
import binascii
import re
from typing import Final

import msgspec

from gateway.chat.document import Document, text_of
from gateway.dialects import anthropic
from gateway.dialects.base import Losses
from gateway.errors import Code, GatewayError

# ---- messages

_SYSTEM: Final = ("system", "developer")
_SAID: Final = {
    "user": ("role", "content"),
    "system": ("role", "content", "cache_control"),
    "developer": ("role", "content", "cache_control"),
    "tool": ("role", "content", "cache_control", "tool_call_id", "is_error", "name"),
    "assistant": (
        "role",
        "content",
        "cache_control",
        "refusal",
        "tool_calls",
        "thinking_blocks",
        "reasoning_content",
        "reasoning",
        "reasoning_details",
        "annotations",
    ),
}


def conversation(chat: Document, losses: Losses) -> Document:
    """system and messages. What the system says midway stays there where the model hears it, and
    goes to the rest of it where it does not.
    """
    system: list[Document] = []
    messages: list[Document] = []
    midway = anthropic.hears_midway(chat["model"])
    for nth, message in enumerate(chat["messages"]):
        at, role = f"messages.{nth}", message.get("role")
        _check(message, at, losses)
        if role in _SYSTEM:
            blocks = _text_blocks(message, f"{at}.content", losses)
            if midway and messages and messages[-1]["role"] == "user":
                messages.append({"role": "system", "content": blocks})
            else:
                system.extend(blocks)
        elif role == "tool":
            result = _result(message, at, losses)
            if messages and messages[-1]["role"] == "user" and _results_only(messages[-1]):
                messages[-1]["content"].append(result)
            else:
                messages.append({"role": "user", "content": [result]})
        elif role == "assistant":
            messages.append({"role": role, "content": _spoken(message, at, losses)})
        else:
            content = _content(message.get("content"), f"{at}.content", losses)
            messages.append({"role": "user", "content": content})
    plain = len(system) == 1 and "cache_control" not in system[0]
    said = {"system": system[0]["text"] if plain else system} if system else {}
    return {**said, "messages": messages}


def _check(message: Document, at: str, losses: Losses) -> None:
    known = _SAID.get(str(message.get("role")), ())
    for key, value in message.items():
        if key not in known and value not in (None, [], {}):
            losses.cannot(f"{at}.{key}")


def _results_only(message: Document) -> bool:
    content = message["content"]
    return isinstance(content, list) and content[-1]["type"] == "tool_result"


def _text_blocks(message: Document, at: str, losses: Losses) -> list[Document]:
    content = _content(message.get("content"), at, losses)
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for nth, block in enumerate(blocks):
        if block["type"] != "text":
            losses.cannot(f"{at}.{nth}", "the system says text")
    blocks = [block for block in blocks if block["type"] == "text"]
    return [*blocks[:-1], *(cached(block, message) for block in blocks[-1:])]


def _result(message: Document, at: str, losses: Losses) -> Document:
    result: Document = {
        "type": "tool_result",
        "tool_use_id": tool_id(message.get("tool_call_id")),
        "content": _content(message.get("content"), f"{at}.content", losses),
    }
    if message.get("is_error"):
        result["is_error"] = True
    return cached(result, message)


def _spoken(message: Document, at: str, losses: Losses) -> str | list[Document]:
    """What the model said: its thinking first and unchanged, then its words, then its calls."""
    blocks = [
        block
        for block in message.get("thinking_blocks") or ()
        if block.get("type") == "redacted_thinking" or block.get("signature")
    ]
    content = _content(message.get("content"), f"{at}.content", losses)
    words = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks.extend(block for block in words if block.get("text") != "")
    if message.get("refusal"):
        blocks.append({"type": "text", "text": message["refusal"]})
    for nth, call in enumerate(message.get("tool_calls") or ()):
        blocks.append(_call(call, f"{at}.tool_calls.{nth}", losses))
    if blocks == words and isinstance(content, str) and "cache_control" not in message:
        return content
    if blocks:
        blocks[-1] = cached(blocks[-1], message)
    return blocks


_input: Final = msgspec.json.Decoder(Document).decode


def _call(call: Document, at: str, losses: Losses) -> Document:
    function = call.get("function")
    if not isinstance(function, dict):
        losses.cannot(at, "it takes calls of functions")
        function = {}
    try:
        given = _input(function.get("arguments") or "{}")
    except (msgspec.DecodeError, TypeError):
        param = f"{at}.function.arguments"
        raise GatewayError(
            Code.INVALID_VALUE, f"{param} must be a JSON object", param=param
        ) from None
    return {
        "type": "tool_use",
        "id": tool_id(call.get("id")),
        "name": function.get("name"),
        "input": given,
    }


_ILLEGAL: Final = re.compile(r"[^a-zA-Z0-9_-]")


def tool_id(id: object) -> str:
    """Another vendor's id of a call, in the characters that Anthropic takes."""
    return _ILLEGAL.sub(lambda found: f"_{ord(found[0]):x}_", str(id or ""))


# ---- parts


def _content(content: object, at: str, losses: Losses) -> str | list[Document]:
    if not isinstance(content, list):
        return text_of(content)
    blocks: list[Document] = []
    for nth, part in enumerate(content):
        block = _block(part, f"{at}.{nth}", losses)
        if block is not None and block.get("text") != "":  # an empty text would be refused
            blocks.append(cached(block, part))
    return blocks


def _block(part: Document, at: str, losses: Losses) -> Document | None:
    match part.get("type"):
        case "text":
            return {"type": "text", "text": part.get("text")}
        case "refusal":
            return {"type": "text", "text": part.get("refusal")}
        case "image_url" if isinstance(part.get("image_url"), dict):
            return {"type": "image", "source": _source(part["image_url"].get("url"))}
        case "file" if isinstance(part.get("file"), dict):
            return _document(part, at, losses)
        case kind:
            losses.cannot(at, f"it takes no {kind}")
            return None


_DATA_URL: Final = re.compile(r"data:([^;,]*)(?:;[^,]*)?;base64,", re.IGNORECASE)


def _source(url: object) -> Document:
    """As data or by its address; nobody fetches it here."""
    text = url if isinstance(url, str) else ""
    found = _DATA_URL.match(text)
    if found is None:
        return {"type": "url", "url": text}
    return {"type": "base64", "media_type": found[1], "data": text[found.end() :]}


def _document(part: Document, at: str, losses: Losses) -> Document | None:
    file = part["file"]
    if file.get("file_id"):
        source: Document = {"type": "file", "file_id": file["file_id"]}
    else:
        source = _source(file.get("file_data") or file.get("file_url"))
    kind = source.get("media_type", "application/pdf")
    if kind.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _text(source, at)}
    elif kind != "application/pdf":
        losses.cannot(f"{at}.file", "it takes PDF and plain text")
        return None
    written: Document = {"type": "document", "source": source}
    if file.get("filename"):
        written["title"] = file["filename"]
    for key in ("citations", "context"):
        if part.get(key) is not None:
            written[key] = part[key]
    return written


def _text(source: Document, at: str) -> str:
    try:
        return base64.b64decode(source["data"], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        param = f"{at}.file.file_data"
        raise GatewayError(
            Code.INVALID_VALUE, f"{param} must be text in base64", param=param
        ) from None


def cached(block: Document, part: Document) -> Document:
    mark = part.get("cache_control")
    return block if mark is None else {**block, "cache_control": mark}
