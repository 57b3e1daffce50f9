"""A request in OpenAI's Responses, read as a chat: items as messages, in their order.

Refused: what only OpenAI's own store knows (`previous_response_id`, `conversation`, `prompt`, item
references, `background`), tools that its servers run, `truncation: auto`.
Source: platform.openai.com/docs/api-reference/responses/create, 2026-11.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.chat.document import Document
from gateway.dialects import heads
from gateway.dialects.base import Losses, untranslatable
from gateway.dialects.openai_responses_items import block
from gateway.errors import Code, GatewayError


class _Format(msgspec.Struct):
    type: str
    name: str | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None


class _Tool(msgspec.Struct):
    type: str
    name: str | None = None
    parameters: Document | None = None


class _Request(msgspec.Struct):
    input: str | list[Document]
    instructions: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | Document | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    max_output_tokens: int | None = None
    parallel_tool_calls: bool | None = None
    top_logprobs: int | None = None
    store: bool | None = None
    truncation: str | None = None
    background: bool | None = None


_STORED: Final = ("previous_response_id", "conversation", "prompt")
_WITHOUT: Final = "the answer before it is not kept here: send the whole conversation in input"
_OTHERWISE: Final = frozenset(
    {
        *_STORED,
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "text",
        "reasoning",
        "include",
        "max_output_tokens",
        "top_logprobs",
        "store",
        "truncation",
        "background",
        "max_tool_calls",  # of those that OpenAI's servers run
        "stream_options",
        "prompt_cache_retention",
    }
)


def read_request(document: Document, losses: Losses) -> Document:
    try:
        request = msgspec.convert(document, _Request)
    except msgspec.ValidationError as error:
        raise heads.misfit(error) from None
    for name in _STORED:  # never dropped: another question would be answered
        if document.get(name) is not None:
            raise untranslatable(name, _WITHOUT)
    for name, asked in (
        ("background", request.background),
        ("store", request.store),
        ("truncation", request.truncation not in (None, "disabled")),
    ):
        if asked:
            losses.cannot(name, "it is done by OpenAI's servers only")
    chat = {key: value for key, value in document.items() if key not in _OTHERWISE}
    system = [{"role": "system", "content": request.instructions}] if request.instructions else []
    chat["messages"] = [*system, *_Messages(losses).read(request.input)]
    if request.max_output_tokens is not None:
        chat["max_completion_tokens"] = request.max_output_tokens
    tools = list(_tools(document.get("tools") or [], losses))
    if tools:
        chat["tools"] = tools
    if request.tool_choice is not None:
        _choose(request.tool_choice, chat, losses)
    _shape(document, request, chat)
    return chat


def _shape(document: Document, request: _Request, chat: Document) -> None:
    """How the answer is to be: its form, its length, how it is thought about."""
    if request.text is not None and request.text.format is not None:
        form = document["text"]["format"]
        inner = {key: value for key, value in form.items() if key != "type"}
        if form["type"] == "json_schema":
            chat["response_format"] = {"type": "json_schema", "json_schema": inner}
        elif form["type"] != "text":
            chat["response_format"] = form
    if request.text is not None and request.text.verbosity is not None:
        chat["verbosity"] = request.text.verbosity
    if request.reasoning is not None and request.reasoning.effort is not None:
        chat["reasoning_effort"] = request.reasoning.effort
    if "message.output_text.logprobs" in (request.include or ()) or request.top_logprobs:
        chat["logprobs"] = True
        if request.top_logprobs:
            chat["top_logprobs"] = request.top_logprobs


# ---- items


class _Messages:
    """The messages so far. What the assistant thinks, says and calls in a row is one message."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._messages: list[Document] = []

    def read(self, items: str | list[Document]) -> list[Document]:
        if isinstance(items, str):
            return [{"role": "user", "content": items}]
        for at, item in enumerate(items):
            self._item(item, f"input.{at}")
        return self._messages

    def _item(self, item: Document, at: str) -> None:
        match item.get("type", "message"):
            case "message" if item.get("role") == "assistant":
                self._said(item, at)
            case "message":
                role = _string(item, "role", at)
                if role not in ("user", "system", "developer"):
                    raise _wrong(f"{at}.role", "must be user, system, developer or assistant")
                content = self._content(item.get("content"), f"{at}.content")
                self._messages.append({"role": role, "content": content})
            case "function_call":
                self._called(item, at)
            case "function_call_output":
                output = self._content(item.get("output"), f"{at}.output")
                result = {"tool_call_id": _string(item, "call_id", at), "content": output}
                self._messages.append({"role": "tool", **result})
            case "reasoning":
                self._thought(item)
            case "item_reference":
                raise untranslatable(at, "no item is kept here: send it whole")
            case kind:
                self._losses.cannot(at, f"items of type {str(kind)[:64]!r} are OpenAI's own")

    def _assistant(self, *, fresh: bool) -> Document:
        """The message that the assistant is at; fresh: one in which nothing is said yet."""
        last = self._messages[-1] if self._messages else None
        if last is None or last["role"] != "assistant" or (fresh and _spoken(last)):
            last = {"role": "assistant", "content": None}
            self._messages.append(last)
        return last

    def _said(self, item: Document, at: str) -> None:
        content = item.get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        message = self._assistant(fresh=True)
        texts, refusals = [], []
        for nth, part in enumerate(parts):
            match part.get("type") if isinstance(part, dict) else None:
                case "output_text" | "input_text" | "text":
                    texts.append(_string(part, "text", f"{at}.content.{nth}"))
                case "refusal":
                    refusals.append(_string(part, "refusal", f"{at}.content.{nth}"))
                case _:
                    self._losses.cannot(f"{at}.content.{nth}", "an assistant says text")
        message["content"] = "".join(texts) or None
        if refusals:
            message["refusal"] = "".join(refusals)

    def _called(self, item: Document, at: str) -> None:
        function = {
            "name": _string(item, "name", at),
            "arguments": _string(item, "arguments", at),
        }
        call: Document = {"id": _string(item, "call_id", at), "type": "function"}
        call["function"] = function
        if isinstance(item.get("extra_content"), dict):
            call["extra_content"] = item["extra_content"]
        self._assistant(fresh=False).setdefault("tool_calls", []).append(call)

    def _thought(self, item: Document) -> None:
        message = self._assistant(fresh=True)
        text, signed = block(item)
        if signed is not None:
            message.setdefault("thinking_blocks", []).append(signed)
        if text:
            message["reasoning_content"] = message.get("reasoning_content", "") + text

    def _content(self, content: object, at: str) -> str | list[Document]:
        if isinstance(content, str):
            return content
        if not isinstance(content, list):
            raise _wrong(at, "must be a text or a list of parts")
        return [
            part
            for nth, given in enumerate(content)
            if (part := self._part(given, f"{at}.{nth}")) is not None
        ]

    def _part(self, part: object, at: str) -> Document | None:
        match part.get("type") if isinstance(part, dict) else None:
            case "input_text" | "output_text" | "text":
                return {"type": "text", "text": _string(part, "text", at)}
            case "input_image" if _has(part, "image_url"):
                image = {"url": _string(part, "image_url", at)}
                if _has(part, "detail"):
                    image["detail"] = _string(part, "detail", at)
                return {"type": "image_url", "image_url": image}
            case "input_file":
                names = ("file_data", "file_id", "file_url", "filename")
                file = {name: _string(part, name, at) for name in names if _has(part, name)}
                return {"type": "file", "file": file}
            case _:
                self._losses.cannot(at, "only texts, images with their url and files are carried")
                return None


def _spoken(message: Document) -> bool:
    said = message.get("content") or message.get("refusal")
    return bool(said or message.get("tool_calls"))


def _has(part: object, name: str) -> bool:
    return isinstance(part, dict) and part.get(name) is not None


def _string(item: object, name: str, at: str) -> str:
    value = item.get(name) if isinstance(item, dict) else None
    if value is None:
        raise GatewayError(Code.MISSING_VALUE, f"{at}.{name} is required", param=f"{at}.{name}")
    if not isinstance(value, str):
        raise _wrong(f"{at}.{name}", "must be a text")
    return value


def _wrong(param: str, why: str) -> GatewayError:
    return GatewayError(Code.INVALID_VALUE, f"{param}: {why}", param=param)


# ---- tools


def _tools(tools: list[Document], losses: Losses) -> Iterator[Document]:
    for at, tool in enumerate(tools):
        if tool["type"] != "function":
            losses.cannot(f"tools.{at}", f"a tool of type {tool['type'][:64]!r} is OpenAI's own")
            continue
        names = ("description", "parameters", "strict")
        function = {"name": _string(tool, "name", f"tools.{at}")}
        function |= {name: tool[name] for name in names if tool.get(name) is not None}
        written: Document = {"type": "function", "function": function}
        if tool.get("cache_control") is not None:
            written["cache_control"] = tool["cache_control"]
        yield written


def _choose(choice: str | Document, chat: Document, losses: Losses) -> None:
    if isinstance(choice, str):
        chat["tool_choice"] = choice
        return
    match choice.get("type"):
        case "function":
            name = _string(choice, "name", "tool_choice")
            chat["tool_choice"] = {"type": "function", "function": {"name": name}}
        case "allowed_tools":
            tools = [
                {"type": "function", "function": {"name": tool.get("name")}}
                for tool in choice.get("tools") or ()
                if isinstance(tool, dict)
            ]
            allowed = {"mode": choice.get("mode"), "tools": tools}
            chat["tool_choice"] = {"type": "allowed_tools", "allowed_tools": allowed}
        case _:
            losses.cannot("tool_choice", "only functions are carried")
