"""A chat, asked in OpenAI's Responses: messages as items, tools and formats in their newer form.

Refused: `n` above 1, `stop`, `seed`, penalties, `logit_bias`, `top_k`, audio, names of speakers,
tools that are no functions. Nothing is stored unless the chat says so.
Source: platform.openai.com/docs/api-reference/responses/create, 2026-11.
"""

from collections.abc import Iterator
from typing import Final

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.openai_responses_items import unsigned
from gateway.dialects.openai_words import effort, failed

_NO_SUCH: Final = "it has no such thing"
# What cannot be said, and the values that ask for nothing.
_UNSAYABLE: Final[dict[str, tuple[object, ...]]] = {
    "n": (1,),
    "stop": ([],),
    "seed": (),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "top_k": (),
    "audio": (),
    "modalities": (["text"], []),
    "prediction": (),
    "web_search_options": (),
    "functions": ([],),
    "function_call": ("none", "auto"),
}
_OTHERWISE: Final = frozenset(
    {
        "messages",
        "tools",
        "tool_choice",
        "response_format",
        "verbosity",
        "reasoning_effort",
        "thinking",
        "max_tokens",
        "max_completion_tokens",
        "logprobs",
        "top_logprobs",
        "stream_options",
    }
)


def write_request(chat: Document, losses: Losses) -> Document:
    request = {key: value for key, value in chat.items() if key not in _OTHERWISE}
    for name, nothing in _UNSAYABLE.items():
        value = request.pop(name, None)
        if value is not None and value not in nothing:
            losses.cannot(name, _NO_SUCH)
    request["input"] = [
        item
        for at, message in enumerate(chat["messages"])
        for item in _items(message, f"messages.{at}", losses)
    ]
    if request.get("store") is None:
        request["store"] = False
    limit = chat.get("max_completion_tokens") or chat.get("max_tokens")
    if limit:
        request["max_output_tokens"] = limit
    if chat.get("tools"):
        request["tools"] = list(_tools(chat["tools"], losses))
    if chat.get("tool_choice") is not None:
        request["tool_choice"] = _choice(chat["tool_choice"])
    text = _text_config(chat)
    if text:
        request["text"] = text
    _think(chat, request)
    if chat.get("logprobs"):
        request["top_logprobs"] = chat.get("top_logprobs") or 0
        request["include"] = [*request.get("include", ()), "message.output_text.logprobs"]
    return request


def _think(chat: Document, request: Document) -> None:
    """What is thought comes sealed, to be given back: nothing is stored."""
    word = effort(chat)
    if word is not None:
        request["reasoning"] = {"effort": word}
        thinking = chat.get("thinking")
        if isinstance(thinking, dict) and thinking.get("type") != "disabled":
            request["reasoning"]["summary"] = "auto"  # who asks for thinking wants to read it
    sealed = any(item.get("type") == "reasoning" for item in request["input"])
    if (word not in (None, "none") or sealed) and not request["store"]:
        request["include"] = [*request.get("include", ()), "reasoning.encrypted_content"]


# ---- messages


def _items(message: Document, at: str, losses: Losses) -> Iterator[Document]:
    role = message.get("role")
    if message.get("name"):
        losses.cannot(f"{at}.name", "its roles have no names")
    match role:
        case "assistant":
            yield from _assistant(message, at, losses)
        case "tool":
            content = message.get("content")
            output = failed(content) if message.get("is_error") else content
            yield {
                "type": "function_call_output",
                "call_id": message.get("tool_call_id"),
                "output": _content(output or "", at, losses),
            }
        case "system" | "developer" | "user":
            content = _content(message.get("content") or "", at, losses)
            yield {"type": "message", "role": role, "content": content}
        case _:
            losses.cannot(f"{at}.role", "it is OpenAI's old form: use tools")


def _assistant(message: Document, at: str, losses: Losses) -> Iterator[Document]:
    for block in message.get("thinking_blocks") or ():
        item = unsigned(block)
        if item is not None:
            yield item
    content = message.get("content") or message.get("refusal")
    if content:
        yield {"type": "message", "role": "assistant", "content": _said(content, at, losses)}
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        yield {
            "type": "function_call",
            "call_id": call.get("id"),
            "name": function.get("name"),
            "arguments": function.get("arguments") or "",
        }


def _said(content: object, at: str, losses: Losses) -> str:
    """The assistant's words, as one text."""
    if not isinstance(content, list):
        return str(content)
    texts = []
    for nth, part in enumerate(content):
        if part.get("type") in ("text", "refusal"):
            texts.append(str(part.get("text") or part.get("refusal") or ""))
        else:
            losses.cannot(f"{at}.content.{nth}", "an assistant says text")
    return "".join(texts)


def _content(content: object, at: str, losses: Losses) -> str | list[Document]:
    if not isinstance(content, list):
        return str(content)
    parts = []
    for nth, part in enumerate(content):
        match part.get("type"):
            case "text":
                parts.append({"type": "input_text", "text": part.get("text") or ""})
            case "image_url":
                image = part.get("image_url") or {}
                detail = image.get("detail") or "auto"
                parts.append(
                    {"type": "input_image", "image_url": image.get("url"), "detail": detail}
                )
            case "file":
                parts.append({"type": "input_file", **(part.get("file") or {})})
            case _:
                losses.cannot(f"{at}.content.{nth}", "it takes texts, images and files")
    return parts


# ---- the rest


def _tools(tools: list[Document], losses: Losses) -> Iterator[Document]:
    for at, tool in enumerate(tools):
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict):
            losses.cannot(f"tools.{at}", "only functions are carried")
            continue
        written: Document = {
            "type": "function",
            "name": function.get("name"),
            "parameters": function.get("parameters") or {"type": "object", "properties": {}},
            "strict": bool(function.get("strict")),  # here it would be true unless said
        }
        if function.get("description"):
            written["description"] = function["description"]
        yield written


def _choice(choice: object) -> object:
    """{"type": "function", "function": {"name"}} has one level less here."""
    if not isinstance(choice, dict):
        return choice
    kind = choice.get("type")
    inner = choice.get(kind) if isinstance(kind, str) else None
    if not isinstance(inner, dict):
        return choice
    if kind == "allowed_tools":
        inner = {**inner, "tools": [_choice(tool) for tool in inner.get("tools") or ()]}
    return {"type": kind, **inner}


def _text_config(chat: Document) -> Document:
    config: Document = {}
    form = chat.get("response_format")
    if isinstance(form, dict):
        schema = form.get("json_schema")
        flat = isinstance(schema, dict) and form.get("type") == "json_schema"
        config["format"] = {"type": "json_schema", **(schema or {})} if flat else form
    if chat.get("verbosity") is not None:
        config["verbosity"] = chat["verbosity"]
    return config
