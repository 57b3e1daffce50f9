"""What a client asks in Anthropic's words, as chat.

Refused by name: tools that Anthropic runs, and what they said earlier; containers, context
management, MCP servers, fast mode, files to be shown as images, whatever is not known. No losses:
diagnostics, regions that are null, citations of an earlier answer, how a tool's input is streamed.
Source: platform.claude.com/docs/en/api/messages, 2026-11.
"""

import base64
from collections.abc import Callable
from typing import Final, TypeAlias

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.errors import Code, GatewayError
from gateway.wire import json

Part: TypeAlias = Document
_CARRIED: Final = ("model", "max_tokens", "stream", "temperature", "top_p", "top_k")


def read(document: Document, losses: Losses) -> Document:
    chat: Document = {key: document[key] for key in _CARRIED if document.get(key) is not None}
    chat["messages"] = [*_system(document, losses), *_messages(document["messages"], losses)]
    for name, value in document.items():
        if value is not None and name not in _ELSEWHERE:
            _FIELDS.get(name, _unknown(name))(value, chat, losses)
    mark = document.get("cache_control")
    if mark is not None:
        _mark_last(chat["messages"], mark)
    return chat


# ---- fields

_Field = Callable[[object, Document, Losses], None]
_ELSEWHERE: Final = frozenset(
    {*_CARRIED, "messages", "system", "cache_control", "diagnostics", "user_profile_id"}
)


def _unknown(name: str) -> _Field:
    def refuse(value: object, chat: Document, losses: Losses) -> None:
        losses.cannot(name)

    return refuse


def _unless(name: str, *harmless: object) -> _Field:
    def refuse(value: object, chat: Document, losses: Losses) -> None:
        if value not in harmless:
            losses.cannot(name)

    return refuse


def _stop(value: object, chat: Document, losses: Losses) -> None:
    if value:
        chat["stop"] = value


def _user(value: object, chat: Document, losses: Losses) -> None:
    if isinstance(value, dict) and value.get("user_id"):
        chat["user"] = value["user_id"]


def _service_tier(value: object, chat: Document, losses: Losses) -> None:
    if value == "standard_only":
        chat["service_tier"] = "default"
    elif value != "auto":
        losses.cannot("service_tier")


def _thinking(value: object, chat: Document, losses: Losses) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in ("enabled", "adaptive", "disabled"):
        chat["thinking"] = value
    else:
        losses.cannot("thinking.type")


_EFFORTS: Final = {"max": "xhigh"}  # the most that chat can say


def _output(value: object, chat: Document, losses: Losses) -> None:
    for name, said in value.items() if isinstance(value, dict) else ():
        if said is None:
            continue
        if name == "effort":
            chat["reasoning_effort"] = _EFFORTS.get(said, said)
        elif name == "format":
            _format(said, chat, losses)
        else:
            losses.cannot(f"output_config.{name}")


def _format(value: object, chat: Document, losses: Losses) -> None:
    if isinstance(value, dict) and value.get("type") == "json_schema":
        schema = {"name": "output", "schema": value.get("schema") or {}, "strict": True}
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
    else:
        losses.cannot("output_config.format.type")


_CHOICES: Final = {"auto": "auto", "none": "none", "any": "required"}


def _tool_choice(value: object, chat: Document, losses: Losses) -> None:
    choice = value if isinstance(value, dict) else {}
    kind = choice.get("type")
    if kind in _CHOICES:
        chat["tool_choice"] = _CHOICES[kind]
    elif kind == "tool":
        chat["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    else:
        losses.cannot("tool_choice.type")
    if choice.get("disable_parallel_tool_use"):
        chat["parallel_tool_calls"] = False


# What a tool may say that changes no answer, or is what it would be anyway.
_HARMLESS: Final[dict[str, tuple[object, ...]]] = {
    "type": ("custom",),
    "allowed_callers": (["direct"], []),
    "defer_loading": (False,),
    "input_examples": ([],),
    "eager_input_streaming": (False, True),
}


def _tools(value: object, chat: Document, losses: Losses) -> None:
    tools = value if isinstance(value, list) else []
    read = [_tool(tool, f"tools.{nth}", losses) for nth, tool in enumerate(tools)]
    if any(read):
        chat["tools"] = [tool for tool in read if tool]


def _tool(tool: Document, at: str, losses: Losses) -> Document | None:
    if tool.get("type") not in (None, "custom"):
        losses.cannot(at, "the tool is one that Anthropic runs or knows")
        return None
    function: Document = {"name": tool.get("name")}
    if tool.get("description"):
        function["description"] = tool["description"]
    function["parameters"] = tool.get("input_schema") or {}
    if tool.get("strict"):
        function["strict"] = True
    known = ("name", "description", "input_schema", "strict", "cache_control")
    for key, value in tool.items():
        if key not in known and value is not None and value not in _HARMLESS.get(key, ()):
            losses.cannot(f"{at}.{key}")
    return _marked({"type": "function", "function": function}, tool)


_FIELDS: Final[dict[str, _Field]] = {
    "stop_sequences": _stop,
    "metadata": _user,
    "service_tier": _service_tier,
    "thinking": _thinking,
    "output_config": _output,
    "output_format": _format,  # as it was called before output_config
    "tools": _tools,
    "tool_choice": _tool_choice,
    "speed": _unless("speed", "standard"),
    "mcp_servers": _unless("mcp_servers", []),
    "context_management": _unless("context_management", {}, {"edits": []}),
}

# ---- messages


def _system(document: Document, losses: Losses) -> list[Document]:
    system = document.get("system")
    if not system:
        return []
    return [{"role": "system", "content": _content(system, "system", losses)}]


def _messages(messages: list[Document], losses: Losses) -> list[Document]:
    read: list[Document] = []
    for nth, message in enumerate(messages):
        at = f"messages.{nth}"
        match message.get("role"):
            case "user":
                read.extend(_from_user(message.get("content"), f"{at}.content", losses))
            case "assistant":
                read.append(_from_assistant(message.get("content"), f"{at}.content", losses))
            case "system":
                content = _content(message.get("content"), f"{at}.content", losses)
                read.append({"role": "system", "content": content})
            case _:
                raise _invalid(f"{at}.role", "must be user, assistant or system")
    return read


def _invalid(param: str, why: str) -> GatewayError:
    return GatewayError(Code.INVALID_VALUE, f"{param}: {why}", param=param)


def _blocks(content: object, at: str) -> list[Document]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise _invalid(at, "must be a string or a list of blocks")
    for nth, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise _invalid(f"{at}.{nth}", "must be a block with a type")
    return content


def _from_user(content: object, at: str, losses: Losses) -> list[Document]:
    """The results of tools, each a message of its own, then the rest."""
    results: list[Document] = []
    parts: list[Part] = []
    for nth, block in enumerate(_blocks(content, at)):
        if block["type"] == "tool_result":
            results.append(_result(block, f"{at}.{nth}", losses))
        else:
            part = _part(block, f"{at}.{nth}", losses)
            parts.extend([part] if part is not None else [])
    if parts or not results:
        results.append({"role": "user", "content": _joined(parts)})
    return results


def _result(block: Document, at: str, losses: Losses) -> Document:
    content = _content(block.get("content") or "", f"{at}.content", losses)
    message = {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": content}
    if block.get("is_error"):
        message["is_error"] = True
    return _marked(message, block)


def _from_assistant(content: object, at: str, losses: Losses) -> Document:
    message: Document = {"role": "assistant", "content": None}
    texts: list[Part] = []
    thoughts: list[str] = []
    for nth, block in enumerate(_blocks(content, at)):
        match block["type"]:
            case "text":
                texts.append(_marked({"type": "text", "text": _said(block, at, nth)}, block))
            case "thinking":
                thoughts.append(block.get("thinking") or "")
                if block.get("signature"):  # else it is another vendor's
                    message.setdefault("thinking_blocks", []).append(block)
            case "redacted_thinking":
                message.setdefault("thinking_blocks", []).append(block)
            case "tool_use":
                message.setdefault("tool_calls", []).append(_call(block))
                if block.get("cache_control"):
                    message["cache_control"] = block["cache_control"]
            case kind:
                losses.cannot(f"{at}.{nth}", f"it has no {kind}")
    if texts:
        plain = not any("cache_control" in text for text in texts)
        message["content"] = "".join(text["text"] for text in texts) if plain else texts
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    return message


def _said(block: Document, at: str, nth: int) -> str:
    text = block.get("text")
    if not isinstance(text, str):
        raise _invalid(f"{at}.{nth}.text", "must be a string")
    return text


def _call(block: Document) -> Document:
    arguments = json.write(block.get("input") or {}).decode()
    function = {"name": block.get("name"), "arguments": arguments}
    return {"id": block.get("id"), "type": "function", "function": function}


# ---- parts


def _content(content: object, at: str, losses: Losses) -> str | list[Part]:
    blocks = _blocks(content, at)
    parts = (_part(block, f"{at}.{nth}", losses) for nth, block in enumerate(blocks))
    return _joined([part for part in parts if part is not None])


def _joined(parts: list[Part]) -> str | list[Part]:
    """One plain text is a string, which every backend takes."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        text: str = parts[0]["text"]
        return text
    return parts


def _part(block: Document, at: str, losses: Losses) -> Part | None:
    place, _, nth = at.rpartition(".")
    match block["type"]:
        case "text":
            part: Part | None = {"type": "text", "text": _said(block, place, int(nth))}
        case "image":
            part = _image(block, at, losses)
        case "document":
            part = _document(block, at, losses)
        case kind:
            losses.cannot(at, f"it has no {kind}")
            return None
    return None if part is None else _marked(part, block)


def _image(block: Document, at: str, losses: Losses) -> Part | None:
    url = _url(block.get("source"))
    if url is None:
        losses.cannot(f"{at}.source", "it takes data or a URL")
        return None
    return {"type": "image_url", "image_url": {"url": url}}


def _document(block: Document, at: str, losses: Losses) -> Part | None:
    source = block.get("source")
    source = source if isinstance(source, dict) else {}
    file: Document = {}
    match source.get("type"):
        case "base64":
            file["file_data"] = _url(source)
        case "text":
            data = base64.b64encode(str(source.get("data") or "").encode()).decode()
            file["file_data"] = f"data:text/plain;base64,{data}"
        case "url":
            file["file_url"] = source.get("url")
        case "file":
            file["file_id"] = source.get("file_id")
        case _:
            losses.cannot(f"{at}.source", "it takes data, a URL or a file")
            return None
    if block.get("title"):
        file["filename"] = block["title"]
    part: Part = {"type": "file", "file": file}
    for key in ("citations", "context"):
        if block.get(key) is not None:
            part[key] = block[key]
    return part


def _url(source: object) -> str | None:
    match source:
        case {"type": "base64", "media_type": str(kind), "data": str(data)}:
            return f"data:{kind};base64,{data}"
        case {"type": "url", "url": str(url)}:
            return url
        case _:
            return None


# ---- marks for the cache


def _marked(part: Part, block: Document) -> Part:
    mark = block.get("cache_control")
    return part if mark is None else {**part, "cache_control": mark}


def _mark_last(messages: list[Document], mark: object) -> None:
    """A mark on the whole request is one on its last block."""
    last = messages[-1]
    content = last.get("content")
    if last["role"] != "user":
        last["cache_control"] = mark
    elif isinstance(content, list):
        last["content"] = [*content[:-1], {"cache_control": mark, **content[-1]}]
    else:
        last["content"] = [{"type": "text", "text": content, "cache_control": mark}]
