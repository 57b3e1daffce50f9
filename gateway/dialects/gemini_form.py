"""The form of a request in the lingua franca, as far as Gemini's words are made of it.

Clients' dialects have looked at most of it; what they let ride along is looked at here.
"""

from typing import Final

import msgspec

from gateway.chat.document import Document
from gateway.dialects import heads
from gateway.errors import Code, GatewayError


class _Named(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Document | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct):
    type: str
    function: _Named | None = None


class _Allowed(msgspec.Struct):
    mode: str
    tools: list[_Tool]


class _Choice(msgspec.Struct):
    type: str
    function: _Named | None = None
    allowed_tools: _Allowed | None = None


class _Schema(msgspec.Struct):
    schema: Document | None = None


class _Format(msgspec.Struct):
    type: str = "text"
    json_schema: _Schema | None = None


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class _Google(msgspec.Struct):
    thinking_config: Document | None = None
    cached_content: str | None = None


class _Extra(msgspec.Struct):
    google: _Google | None = None


class _Url(msgspec.Struct):
    url: str
    detail: str | None = None


class _Audio(msgspec.Struct):
    data: str
    format: str


class _File(msgspec.Struct):
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _Url | None = None
    input_audio: _Audio | None = None
    file: _File | None = None


class _Block(msgspec.Struct):
    thinking: str | None = None
    signature: str | None = None


class _Called(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    function: _Called | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    images: list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    thinking_blocks: list[_Block] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None


class _Request(msgspec.Struct):
    messages: list[_Message]
    model: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Choice | None = None
    response_format: _Format | None = None
    reasoning_effort: str | None = None
    thinking: _Thinking | None = None
    stop: str | list[str] | None = None
    web_search_options: Document | None = None
    extra_body: _Extra | None = None


_MEMBERS: Final = ("image_url", "input_audio", "file")


def check(chat: Document) -> None:
    """Raises GatewayError, naming the field at fault."""
    try:
        request = msgspec.convert(chat, _Request)
    except msgspec.ValidationError as error:
        raise heads.misfit(error) from None
    for nth, tool in enumerate(request.tools or ()):
        if tool.type == "function" and tool.function is None:
            raise _missing(f"tools.{nth}.function")
    thinking = request.thinking
    if thinking is not None and thinking.type == "enabled" and thinking.budget_tokens is None:
        raise _missing("thinking.budget_tokens")
    wanted = request.response_format
    if wanted is not None and wanted.type == "json_schema" and wanted.json_schema is None:
        raise _missing("response_format.json_schema")
    for nth, message in enumerate(request.messages):
        for name in ("content", "images"):
            _check_parts(getattr(message, name), f"messages.{nth}.{name}")


def _check_parts(content: object, at: str) -> None:
    for nth, part in enumerate(content if isinstance(content, list) else ()):
        if part.type in _MEMBERS and getattr(part, part.type) is None:
            raise _missing(f"{at}.{nth}.{part.type}")


def _missing(param: str) -> GatewayError:
    return GatewayError(Code.MISSING_VALUE, f"{param} is required", param=param)
