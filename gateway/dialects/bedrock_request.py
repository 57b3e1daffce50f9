"""A chat document as Bedrock's Converse has it.

Refused by name: seed, logprobs, n, penalties, logit_bias, `json_object`, `parallel_tool_calls:
false`, files and images by URL (but `s3://`), unknown fields; `tool_choice: none` once tools have
been called. `top_k` and `thinking` go to the models whose own words they are. Falls away: reasoning
without a signature, which no model takes back; system messages move to the front. Converse's own
fields (`additionalModelRequestFields`, `guardrailConfig`, …) are carried as they are.
Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, 2026-11.
"""

import re
from collections.abc import Iterator
from typing import Final

from gateway.chat.document import Document
from gateway.chat.idle import asking
from gateway.chat.parts import arguments, data_url, parts
from gateway.dialects.base import Losses
from gateway.wire import json

_OWN: Final = (
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "promptVariables",
    "additionalModelResponseFieldPaths",
)
_KNOWN: Final = frozenset(
    {
        *_OWN,
        "additionalModelRequestFields",
        "messages",
        "tools",
        "tool_choice",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "thinking",
        "reasoning_effort",
        "response_format",
        "service_tier",
    }
)


def write(chat: Document, losses: Losses) -> Document:
    for name in asking(chat, _KNOWN):
        losses.cannot(name)
    system, messages = _conversation(chat["messages"], losses)
    optional = {
        "system": system,
        "inferenceConfig": _inference(chat),
        "toolConfig": _tools(chat, losses),
        "outputConfig": _output(chat, losses),
        "additionalModelRequestFields": _additional(chat, losses),
        **{name: chat.get(name) for name in _OWN},
    }
    tier = chat.get("service_tier")
    if tier in ("flex", "priority"):
        optional["serviceTier"] = {"type": tier}
    elif tier not in (None, "auto", "default"):
        losses.cannot("service_tier")
    return {"messages": messages, **{name: value for name, value in optional.items() if value}}


def _inference(chat: Document) -> Document:
    stop = chat.get("stop")
    most = chat.get("max_completion_tokens")
    wanted = {
        "maxTokens": chat.get("max_tokens") if most is None else most,
        "temperature": chat.get("temperature"),
        "topP": chat.get("top_p"),
        "stopSequences": [stop] if isinstance(stop, str) else stop or None,
    }
    return {name: value for name, value in wanted.items() if value is not None}


# ---- what only some models know


def _claude(model: str) -> bool:
    """An ARN does not say which model is behind it; most are Anthropic's."""
    return "anthropic." in model or model.startswith("arn:")


def _additional(chat: Document, losses: Losses) -> Document:
    model = str(chat.get("model") or "")
    fields = dict(chat.get("additionalModelRequestFields") or {})
    if chat.get("top_k") is not None:
        if "amazon.nova" in model:
            fields.setdefault("inferenceConfig", {"topK": chat["top_k"]})
        elif _claude(model):
            fields.setdefault("top_k", chat["top_k"])
        else:
            losses.cannot("top_k", "it is no word of Converse's; this model's own is not known")
    thinking = chat.get("thinking") or {}
    if thinking and _claude(model):
        fields.setdefault("thinking", thinking)
    elif thinking.get("type") not in (None, "disabled"):
        losses.cannot("thinking", "it is a word of Anthropic's models")
    return fields


_EFFORTS: Final = {"minimal": "low"}  # where Bedrock has another word


def _output(chat: Document, losses: Losses) -> Document:
    output: Document = {}
    effort = chat.get("reasoning_effort")
    if effort not in (None, "none"):
        output["effort"] = _EFFORTS.get(effort, effort)
    wanted = chat.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        described = wanted.get("json_schema") or {}
        schema: Document = {"schema": json.write(described.get("schema") or {}).decode()}
        schema |= {key: described[key] for key in ("name", "description") if described.get(key)}
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    elif wanted.get("type") not in (None, "text"):
        losses.cannot("response_format", "Bedrock knows JSON by its schema only")
    return output


# ---- tools


def _tools(chat: Document, losses: Losses) -> Document:
    tools: list[Document] = []
    for at, tool in enumerate(chat.get("tools") or ()):
        if tool.get("type") != "function":
            losses.cannot(f"tools.{at}.type", "only functions are known to every model")
            continue
        function = tool["function"]
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        spec: Document = {"name": function["name"], "inputSchema": {"json": schema}}
        for key in ("description", "strict"):
            if function.get(key):
                spec[key] = function[key]
        tools.append({"toolSpec": spec})
        tools.extend(_cache_point(tool))
    if chat.get("parallel_tool_calls") is False:
        losses.cannot("parallel_tool_calls", "calls may always be parallel")
    choice = chat.get("tool_choice")
    if not tools:
        return {}
    if choice == "none":
        if any(_is_of_tools(message) for message in chat["messages"]):
            losses.cannot("tool_choice", "once tools were called they may be called again")
        else:
            return {}
    config: Document = {"tools": tools}
    wanted = _choice(choice, losses)
    return config if wanted is None else {**config, "toolChoice": wanted}


def _is_of_tools(message: Document) -> bool:
    return message.get("role") == "tool" or bool(message.get("tool_calls"))


def _choice(choice: object, losses: Losses) -> Document | None:
    match choice:
        case None | "none":
            return None
        case "auto":
            return {"auto": {}}
        case "required":
            return {"any": {}}
        case {"type": "function", "function": {"name": name}}:
            return {"tool": {"name": name}}
        case _:
            losses.cannot("tool_choice")
            return None


# ---- messages


def _conversation(
    messages: list[Document], losses: Losses
) -> tuple[list[Document], list[Document]]:
    """The system's blocks and the messages, in turns: neighbours of one role become one."""
    system: list[Document] = []
    turns: list[Document] = []
    named = _Names()
    for at, message in enumerate(messages):
        where, role = f"messages.{at}", message.get("role")
        if message.get("name") and role not in ("tool", "function"):
            losses.cannot(f"{where}.name")
        if role in ("system", "developer"):
            system.extend(_system(message, where, losses))
            continue
        if role == "assistant":
            blocks = list(_assistant(message, where, losses, named))
        elif role == "tool":
            blocks = list(_result(message, where, losses, named))
        else:
            blocks = list(_content(message.get("content"), where, losses, named))
        speaker = "assistant" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["content"].extend(blocks)
        elif blocks:
            turns.append({"role": speaker, "content": blocks})
    return system, turns


def _system(message: Document, where: str, losses: Losses) -> Iterator[Document]:
    for at, part in enumerate(parts(message.get("content"))):
        if part.get("type") != "text":
            losses.cannot(f"{where}.content.{at}", "a system message is text")
        elif part.get("text"):
            yield {"text": part["text"]}
            yield from _cache_point(part)


def _assistant(
    message: Document, where: str, losses: Losses, named: "_Names"
) -> Iterator[Document]:
    for block in message.get("thinking_blocks") or ():
        if block.get("type") == "redacted_thinking":
            yield {"reasoningContent": {"redactedContent": block["data"]}}
        else:
            reasoning = {"text": block.get("thinking") or "", "signature": block["signature"]}
            yield {"reasoningContent": {"reasoningText": reasoning}}
    yield from _content(message.get("content"), where, losses, named)
    if message.get("refusal"):
        yield {"text": message["refusal"]}
    for at, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        given = arguments(function)
        if given is None:
            losses.cannot(f"{where}.tool_calls.{at}.function.arguments", "they are no JSON object")
        use = {"toolUseId": call.get("id"), "name": function.get("name"), "input": given or {}}
        yield {"toolUse": use}


def _result(message: Document, where: str, losses: Losses, named: "_Names") -> Iterator[Document]:
    blocks = list(_content(message.get("content"), where, losses, named))
    result: Document = {
        "toolUseId": message.get("tool_call_id"),
        "content": [block for block in blocks if "cachePoint" not in block],
    }
    if message.get("is_error"):
        result["status"] = "error"
    yield {"toolResult": result}
    yield from (block for block in blocks if "cachePoint" in block)


def _content(content: object, where: str, losses: Losses, named: "_Names") -> Iterator[Document]:
    for at, part in enumerate(parts(content)):
        block = _part(part, f"{where}.content.{at}", losses, named)
        if block is not None:
            yield block
            yield from _cache_point(part)


def _cache_point(part: Document) -> Iterator[Document]:
    asked = part.get("cache_control")
    if asked:
        lasting = asked.get("ttl")
        yield {"cachePoint": {"type": "default", **({"ttl": lasting} if lasting else {})}}


def _part(part: Document, where: str, losses: Losses, named: "_Names") -> Document | None:
    match part.get("type"):
        case "text":
            return {"text": part["text"]} if part.get("text") else None
        case "refusal":
            return {"text": part["refusal"]}
        case "image_url":
            return _image(part["image_url"], f"{where}.image_url", losses)
        case "input_audio":
            audio = part["input_audio"]
            return {"audio": {"format": audio["format"], "source": {"bytes": audio["data"]}}}
        case "file":
            return _document(part["file"], f"{where}.file", losses, named)
        case _:
            losses.cannot(where)
            return None


# ---- images and documents

_IMAGES: Final = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_BY_NAME: Final = {"jpg": "jpeg"}


def _image(image: Document, where: str, losses: Losses) -> Document | None:
    if image.get("detail") not in (None, "auto"):
        losses.cannot(f"{where}.detail")
    source = _source(image.get("url"), _IMAGES)
    if source is None:
        losses.cannot(f"{where}.url", "Bedrock takes png, jpeg, gif and webp, as data or s3://")
        return None
    return {"image": {"format": source[0], "source": source[1]}}


def _document(file: Document, where: str, losses: Losses, named: "_Names") -> Document | None:
    given = file.get("file_data") or file.get("file_url")
    source = _source(given, _DOCUMENTS)
    if source is None:
        param = next((key for key in ("file_id", "file_url") if file.get(key)), "file_data")
        losses.cannot(f"{where}.{param}", "Bedrock takes documents as data or s3://")
        return None
    name = named.name(str(file.get("filename") or "document"))
    return {"document": {"format": source[0], "name": name, "source": source[1]}}


def _source(url: object, formats: dict[str, str]) -> tuple[str, Document] | None:
    """The format and where the bytes are. Bytes are base64, in REST as in data URLs."""
    data = data_url(url)
    if data is not None:
        kind = formats.get(data[0])
        return (kind, {"bytes": data[1]}) if kind else None
    if isinstance(url, str) and url.startswith("s3://"):
        ending = url.rpartition(".")[2].lower()
        kind = _BY_NAME.get(ending, ending)
        return (kind, {"s3Location": {"uri": url}}) if kind in formats.values() else None
    return None


_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")


class _Names:
    """Documents' names: of few letters, and each once within a request."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, wanted: str) -> str:
        stem = wanted.rpartition(".")[0] or wanted
        name = " ".join(_NOT_IN_NAMES.sub("-", stem).split())[:180].strip() or "document"
        number, unique = 1, name
        while unique in self._taken:
            number += 1
            unique = f"{name}-{number}"
        self._taken.add(unique)
        return unique
