"""A chat document as Ollama's own `/api/chat` has it.

Refused by name: n, logit_bias, a `tool_choice` that requires, `parallel_tool_calls: false`, images
by URL, files, audio, unknown fields. Ollama's own fields (`options`, `keep_alive`) are carried as
they are; what OpenAI's fields say goes into the options. Signatures fall away.
Source: docs.ollama.com/api/chat, 2026-11.
"""

from typing import Final

from gateway.chat.document import Document, text_of
from gateway.chat.idle import asking
from gateway.chat.parts import arguments, data_url, parts
from gateway.dialects.base import Losses

# As OpenAI's chat has it, as Ollama's options have it.
_OPTIONS: Final = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
_OWN: Final = ("keep_alive", "logprobs", "top_logprobs")
_KNOWN: Final = frozenset(
    {
        *_OPTIONS,
        *_OWN,
        "options",
        "messages",
        "tools",
        "tool_choice",
        "stop",
        "thinking",
        "reasoning_effort",
        "response_format",
    }
)
_LEVELS: Final = "gpt-oss"  # the family whose thinking has levels; that of others is on or off


def write(chat: Document, losses: Losses) -> Document:
    for name in asking(chat, _KNOWN):
        losses.cannot(name)
    called: dict[str, str] = {}  # names by the ids of calls
    messages = [
        _message(message, f"messages.{at}", losses, called)
        for at, message in enumerate(chat["messages"])
    ]
    request: Document = {
        "model": chat.get("model"),
        "messages": messages,
        "stream": bool(chat.get("stream")),
    }
    optional: Document = {
        "options": _options(chat) or None,
        "tools": _tools(chat, losses) or None,
        "think": _think(chat),
        "format": _format(chat, losses),
        **{name: chat.get(name) for name in _OWN},
    }
    return {**request, **{name: value for name, value in optional.items() if value is not None}}


def _options(chat: Document) -> Document:
    options: Document = {
        theirs: chat[name] for name, theirs in _OPTIONS.items() if chat.get(name) is not None
    }
    stop = chat.get("stop")
    if stop:
        options["stop"] = [stop] if isinstance(stop, str) else stop
    return {**options, **(chat.get("options") or {})}


def _think(chat: Document) -> bool | str | None:
    thinking, effort = chat.get("thinking"), chat.get("reasoning_effort")
    if effort is not None:
        if effort != "none" and _LEVELS in str(chat.get("model")):
            return {"minimal": "low", "xhigh": "high"}.get(effort, str(effort))
        return bool(effort != "none")
    return thinking.get("type") != "disabled" if thinking else None


def _format(chat: Document, losses: Losses) -> Document | str | None:
    wanted = chat.get("response_format") or {}
    match wanted.get("type"):
        case None | "text":
            return None
        case "json_object":
            return "json"
        case "json_schema":
            schema: Document = (wanted.get("json_schema") or {}).get("schema") or {}
            return schema
        case _:
            losses.cannot("response_format")
            return None


def _tools(chat: Document, losses: Losses) -> list[Document]:
    if chat.get("parallel_tool_calls") is False:
        losses.cannot("parallel_tool_calls", "calls may always be parallel")
    choice = chat.get("tool_choice")
    if choice == "none":
        return []
    if choice not in (None, "auto"):
        losses.cannot("tool_choice", "no tool can be required")
    tools = []
    for at, tool in enumerate(chat.get("tools") or ()):
        if tool.get("type") == "function":
            tools.append({"type": "function", "function": tool["function"]})
        else:
            losses.cannot(f"tools.{at}.type", "it knows functions only")
    return tools


# ---- messages


def _message(message: Document, where: str, losses: Losses, called: dict[str, str]) -> Document:
    role = message.get("role")
    if message.get("name") and role not in ("tool", "function"):
        losses.cannot(f"{where}.name")
    written: Document = {
        "role": "system" if role == "developer" else role,
        "content": text_of(message.get("content")) or message.get("refusal") or "",
    }
    images = _images(message, where, losses)
    if images:
        written["images"] = images
    if role == "assistant":
        written.update(_assistant(message, where, losses, called))
    elif role == "tool":
        told = str(message.get("tool_call_id") or "")
        written["tool_call_id"] = told
        written["tool_name"] = message.get("name") or called.get(told, "")
        if message.get("is_error") and not written["content"].lower().startswith("error"):
            written["content"] = f"Error: {written['content']}"
    return written


def _assistant(message: Document, where: str, losses: Losses, called: dict[str, str]) -> Document:
    written: Document = {}
    thought = message.get("reasoning_content") or "".join(
        block.get("thinking") or "" for block in message.get("thinking_blocks") or ()
    )
    if thought:
        written["thinking"] = thought
    calls = []
    for at, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        given = arguments(function)
        if given is None:
            losses.cannot(f"{where}.tool_calls.{at}.function.arguments", "they are no JSON object")
        called[str(call.get("id"))] = str(function.get("name"))
        said = {"index": at, "name": function.get("name"), "arguments": given or {}}
        calls.append({"id": call.get("id"), "function": said})
    if calls:
        written["tool_calls"] = calls
    return written


def _images(message: Document, where: str, losses: Losses) -> list[str]:
    images = []
    for at, part in enumerate(parts(message.get("content"))):
        if part.get("type") == "image_url":
            image = part.get("image_url") or {}
            data = data_url(image.get("url"))
            if image.get("detail") not in (None, "auto"):
                losses.cannot(f"{where}.content.{at}.image_url.detail")
            if data is None:
                losses.cannot(f"{where}.content.{at}.image_url.url", "Ollama takes images as data")
            else:
                images.append(data[1])
        elif part.get("type") not in ("text", "refusal"):
            losses.cannot(f"{where}.content.{at}")
    return images
