"""A chat document as Cohere's chat (v2) has it.

Refused by name: n, logprobs, logit_bias, a named `tool_choice`, `parallel_tool_calls: false`, audio
and files, images in a tool's result, unknown fields. Cohere's own fields (`documents`,
`citation_options`, `safety_mode`, `priority`) are carried as they are. Signatures fall away.
Source: docs.cohere.com/v2/reference/chat, 2026-11.
"""

from collections.abc import Iterator
from typing import Final

from gateway.chat.document import Document, text_of
from gateway.chat.idle import asking
from gateway.chat.parts import parts
from gateway.dialects.base import Losses

_OWN: Final = ("documents", "citation_options", "safety_mode", "priority", "strict_tools")
# As OpenAI's chat has it, as Cohere has it.
_NAMES: Final = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "p",
    "top_k": "k",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
_KNOWN: Final = frozenset(
    {
        *_OWN,
        *_NAMES,
        "messages",
        "tools",
        "tool_choice",
        "stop",
        "thinking",
        "reasoning_effort",
        "response_format",
    }
)
_BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192}  # tokens; else no limit of its own


def write(chat: Document, losses: Losses) -> Document:
    for name in asking(chat, _KNOWN):
        losses.cannot(name)
    messages = [
        written
        for at, message in enumerate(chat["messages"])
        for written in _message(message, f"messages.{at}", losses)
    ]
    request: Document = {"model": chat.get("model"), "messages": messages}
    if chat.get("stream"):
        request["stream"] = True
    for name, theirs in _NAMES.items():
        if chat.get(name) is not None:
            request[theirs] = chat[name]
    stop = chat.get("stop")
    if stop:
        request["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    optional: Document = {
        **_tools(chat, losses),
        "thinking": _thinking(chat),
        "response_format": _format(chat, losses),
        **{name: chat[name] for name in _OWN if name in chat},
    }
    return {**request, **{name: value for name, value in optional.items() if value is not None}}


def _thinking(chat: Document) -> Document | None:
    thinking, effort = chat.get("thinking"), chat.get("reasoning_effort")
    if thinking:
        budget = thinking.get("budget_tokens")
        if thinking.get("type") == "disabled":
            return {"type": "disabled"}
        return {"type": "enabled", **({"token_budget": budget} if budget else {})}
    if effort is None:
        return None
    if effort == "none":
        return {"type": "disabled"}
    limit = _BUDGETS.get(effort)
    return {"type": "enabled", **({"token_budget": limit} if limit else {})}


def _format(chat: Document, losses: Losses) -> Document | None:
    wanted = chat.get("response_format") or {}
    match wanted.get("type"):
        case None | "text":
            return None
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            schema = (wanted.get("json_schema") or {}).get("schema") or {}
            return {"type": "json_object", "json_schema": schema}
        case _:
            losses.cannot("response_format")
            return None


# ---- tools


def _tools(chat: Document, losses: Losses) -> Document:
    tools = list(_functions(chat.get("tools") or [], losses))
    if chat.get("parallel_tool_calls") is False:
        losses.cannot("parallel_tool_calls", "calls may always be parallel")
    if not tools:
        return {}
    wanted: Document = {"tools": tools}
    strict = [bool(tool["function"].get("strict")) for tool in chat["tools"] if "function" in tool]
    if any(strict):
        if not all(strict):
            losses.cannot("tools", "all functions are strict or none is")
        wanted["strict_tools"] = True
    choice = chat.get("tool_choice")
    if choice in ("none", "required"):
        wanted["tool_choice"] = choice.upper()
    elif choice not in (None, "auto"):
        losses.cannot("tool_choice", "no single tool can be required")
    return wanted


def _functions(tools: list[Document], losses: Losses) -> Iterator[Document]:
    for at, tool in enumerate(tools):
        if tool.get("type") != "function":
            losses.cannot(f"tools.{at}.type", "it knows functions only")
            continue
        function = tool["function"]
        written = {key: function[key] for key in ("name", "description") if function.get(key)}
        written["parameters"] = function.get("parameters") or {"type": "object", "properties": {}}
        yield {"type": "function", "function": written}


# ---- messages


def _message(message: Document, where: str, losses: Losses) -> Iterator[Document]:
    role, content = message.get("role"), message.get("content")
    if message.get("name") and role not in ("tool", "function"):
        losses.cannot(f"{where}.name")
    if role == "assistant":
        yield _assistant(message)
        return
    kinds = ("text", "image_url") if role == "user" else ("text",)
    written = [
        _part(part)
        for at, part in enumerate(parts(content))
        if _carried(part, kinds, f"{where}.content.{at}", losses)
    ]
    said = content if isinstance(content, str) else written
    if role == "tool":
        if message.get("is_error"):
            said = _failed(written)
        yield {"role": "tool", "tool_call_id": message.get("tool_call_id"), "content": said}
    else:
        yield {"role": "system" if role in ("system", "developer") else "user", "content": said}


def _carried(part: Document, kinds: tuple[str, ...], where: str, losses: Losses) -> bool:
    if part.get("type") in kinds:
        return True
    losses.cannot(where)
    return False


def _part(part: Document) -> Document:
    return {key: value for key, value in part.items() if key != "cache_control"}


def _failed(content: list[Document]) -> list[Document]:
    """There is no other place to say so."""
    if text_of(content).lstrip().lower().startswith("error"):
        return content
    return [{"type": "text", "text": "Error: "}, *content]


def _assistant(message: Document) -> Document:
    written: Document = {"role": "assistant"}
    thought = message.get("reasoning_content") or "".join(
        block.get("thinking") or "" for block in message.get("thinking_blocks") or ()
    )
    text = text_of(message.get("content")) or message.get("refusal") or ""
    content = [{"type": "text", "text": text}] if text else []
    calls = message.get("tool_calls")
    if thought and calls:
        written["tool_plan"] = thought
    elif thought:
        content.insert(0, {"type": "thinking", "thinking": thought})
    if content:
        written["content"] = content
    if calls:
        written["tool_calls"] = [
            {"id": call.get("id"), "type": "function", "function": call.get("function")}
            for call in calls
        ]
    return written
