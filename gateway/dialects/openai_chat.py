"""OpenAI's chat completions: what the lingua franca is made of, so there is little to translate.

As a target it refuses `file_url` parts and, in its strict form, `top_k`; it maps `thinking` to
`reasoning_effort`, and `is_error` to a word in the text. `cache_control` falls away (such vendors
cache by themselves), and so do signatures: they are for those who wrote them.
Source: platform.openai.com/docs/api-reference/chat/create and .../object, 2026-11.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.chat import fold
from gateway.chat.deltas import Begin, Count, Delta, Extra, Reasoning
from gateway.chat.document import ROLES, Document
from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.chat.usage import of as usage_of
from gateway.dialects import heads, openai
from gateway.dialects.base import BadAnswer, ClientDialect, Head, Losses, Said, UpstreamDialect
from gateway.dialects.openai_chat_stream import Reader, Writer, said, signed
from gateway.dialects.openai_stream import Watch
from gateway.dialects.openai_words import effort, failed
from gateway.errors import Code, GatewayError
from gateway.wire import json, sse

# ---- requests out

_KEPT: Final = frozenset({"reasoning_content", "extra_content", "top_k"})


@dataclass(frozen=True, slots=True)
class Upstream:
    """kept: the lingua franca's own words that go out as they are."""

    name: str = "openai_chat"
    kept: frozenset[str] = _KEPT
    stream_type: bytes = b"text/event-stream"

    def write_request(self, chat: Document, losses: Losses) -> Document:
        request = {key: value for key, value in chat.items() if key != "thinking"}
        if "top_k" in request and "top_k" not in self.kept:
            if request["top_k"] is not None:
                losses.cannot("top_k", "it has no such thing")
            del request["top_k"]
        word = effort(chat)
        if word is not None:
            request["reasoning_effort"] = word
        request["messages"] = list(self._messages(chat["messages"], losses))
        if chat.get("tools"):
            request["tools"] = [_uncached(tool) for tool in chat["tools"]]
        if chat.get("stream"):
            options = chat.get("stream_options") or {}
            request["stream_options"] = {**options, "include_usage": True}
        else:
            request.pop("stream_options", None)
        return request

    def _messages(self, messages: list[Document], losses: Losses) -> Iterator[Document]:
        """What a tool shows rather than says comes behind the results, from the user."""
        shown: list[Document] = []
        for at, message in enumerate(messages):
            if shown and message.get("role") != "tool":
                yield {"role": "user", "content": shown}
                shown = []
            written = self._message(message, f"messages.{at}", losses)
            if message.get("role") == "tool":
                shown.extend(_take_shown(written))
            yield written
        if shown:
            yield {"role": "user", "content": shown}

    def _message(self, message: Document, at: str, losses: Losses) -> Document:
        gone = {"thinking_blocks", "reasoning_content", "is_error", "cache_control"}
        if "extra_content" not in self.kept:
            gone |= {"extra_content", "images"}
        written = {key: value for key, value in message.items() if key not in gone}
        if "reasoning_content" in self.kept:
            thought = message.get("reasoning_content") or _thought(message)
            if thought:
                written["reasoning_content"] = thought
        content = message.get("content")
        if isinstance(content, list):
            written["content"] = [
                _part(part, f"{at}.content.{nth}", losses) for nth, part in enumerate(content)
            ]
        if message.get("is_error"):
            written["content"] = failed(written.get("content"))
        if message.get("tool_calls") and "extra_content" not in self.kept:
            written["tool_calls"] = [
                {key: value for key, value in call.items() if key != "extra_content"}
                for call in message["tool_calls"]
            ]
        return written

    # ---- answers in

    def read_response(self, document: Document) -> Document:
        choices = document.get("choices")
        if document.get("error") is not None:
            raise BadAnswer("the answer is an error")
        if not isinstance(choices, list):
            raise BadAnswer("the answer has no content")
        try:
            return fold.fold(_answered(document, choices))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise BadAnswer("the answer is not JSON of the expected form") from None

    def reader(self) -> Reader:
        return Reader()

    def read_error(self, body: bytes) -> Said:
        return openai.read_error(body)

    # ---- where the client speaks the same

    def addressed(self, fields: json.Fields, model: msgspec.Raw) -> json.Fields:
        return {**fields, "model": model}

    def read_answer(self, body: bytes) -> Usage | None:
        return openai.read_answer(Operation.CHAT, body)

    def watch(self, head: Head) -> Watch:
        return Watch(withhold_usage=not head.wants_usage, choices=head.choices)


def _thought(message: Document) -> str:
    blocks = message.get("thinking_blocks") or ()
    return "".join(block.get("thinking") or "" for block in blocks)


def _part(part: Document, at: str, losses: Losses) -> Document:
    file = part.get("file")
    if isinstance(file, dict) and "file_url" in file:
        losses.cannot(f"{at}.file.file_url", "it takes files as data or by id")
        return {"type": "text", "text": ""}
    return _uncached(part)


def _uncached(part: Document) -> Document:
    if "cache_control" not in part:
        return part
    return {key: value for key, value in part.items() if key != "cache_control"}


def _take_shown(written: Document) -> list[Document]:
    """Results of tools are text: other parts leave, with a word on where they belong."""
    content = written.get("content")
    if not isinstance(content, list):
        return []
    shown = [part for part in content if part.get("type") != "text"]
    if shown:
        written["content"] = [part for part in content if part.get("type") == "text"] or ""
        label = f"Shown by tool call {written.get('tool_call_id')}:"
        shown.insert(0, {"type": "text", "text": label})
    return shown


_SAID: Final = frozenset(
    {
        "role",
        "content",
        "reasoning",
        "reasoning_content",
        "thinking_blocks",
        "function_call",
    }
)


def _answered(document: Document, choices: list[Document]) -> Iterator[Delta]:
    created = document.get("created")
    yield Begin(
        str(document.get("id") or ""),
        str(document.get("model") or ""),
        int(created) if isinstance(created, int | float) else 0,
    )
    for choice in choices:
        message = choice.get("message") or {}
        index = choice.get("index") or 0
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if message.get("thinking_blocks"):
            yield from _blocks(index, message["thinking_blocks"], reasoning)
        elif reasoning:
            yield Reasoning(index, reasoning)
        if message.get("content"):
            yield from said(index, message["content"])
        rest = {key: value for key, value in message.items() if key not in _SAID}
        if rest.get("reasoning_details"):
            yield Extra(index, {"reasoning_details": rest.pop("reasoning_details")})
        rest["tool_calls"] = list(_calls(message))
        reason = choice.get("finish_reason") or "stop"
        called = rest["tool_calls"] and reason == "stop"
        whole = {**choice, "message": rest, "finish_reason": "tool_calls" if called else reason}
        yield from (
            delta for delta in fold.unfold({"choices": [whole]}) if not isinstance(delta, Begin)
        )
    usage = usage_of(document.get("usage"))
    if usage is not None:
        yield Count(usage)


def _blocks(index: int, blocks: list[Document], reasoning: str | None) -> Iterator[Delta]:
    told = ""
    for block in blocks:
        text = block.get("thinking") or ""
        told += text
        if text:
            yield Reasoning(index, text)
        yield signed(index, block)
    rest = (reasoning or "").removeprefix(told)
    if rest:
        yield Reasoning(index, rest)


def _calls(message: Document) -> Iterator[Document]:
    calls = list(message.get("tool_calls") or ())
    if message.get("function_call"):
        calls.append({"id": "", "type": "function", "function": message["function_call"]})
    for call in calls:
        function = call.get("function") or {}
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            function = {**function, "arguments": json.write(arguments).decode()}
        yield {**call, "function": function}


# ---- the client's side


class _Url(msgspec.Struct):
    url: str


class _Audio(msgspec.Struct):
    data: str
    format: str


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _Url | None = None
    input_audio: _Audio | None = None
    file: Document | None = None
    refusal: str | None = None


class _Called(msgspec.Struct):
    name: str
    arguments: str


class _Call(msgspec.Struct):
    id: str
    function: _Called


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    thinking_blocks: list[Document] | None = None
    reasoning_content: str | None = None
    function_call: object = None


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Document | None = None


class _Tool(msgspec.Struct):
    type: str
    function: _Function | None = None


class _Request(msgspec.Struct):
    """What a translation reads without looking twice."""

    messages: list[_Message]
    tools: list[_Tool] | None = None
    tool_choice: str | Document | None = None
    response_format: Document | None = None
    reasoning_effort: str | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    top_k: int | None = None
    thinking: Document | None = None
    metadata: Document | None = None
    logit_bias: dict[str, float] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    functions: object = None
    function_call: object = None


_SAYS: Final = ("text", "image_url", "input_audio", "file", "refusal")
_OLD: Final = "it is OpenAI's old form: use tools"


@dataclass(frozen=True, slots=True)
class Client:
    name: str = "openai_chat"
    heartbeat: bytes = b": \n\n"

    def read_head(self, body: bytes) -> tuple[Head, json.Fields]:
        return openai.read_request(Operation.CHAT, body)

    def read_request(self, document: Document, losses: Losses) -> Document:
        try:
            request = msgspec.convert(document, _Request)
        except msgspec.ValidationError as error:
            raise heads.misfit(error) from None
        gone = {name for name in ("functions", "function_call") if document.get(name) is not None}
        for name in sorted(gone):
            losses.cannot(name, _OLD)
        for nth, message in enumerate(request.messages):
            _check(message, nth, losses)
        return {key: value for key, value in document.items() if key not in gone}

    def write_response(self, answer: Document, request: Document) -> Document:
        choices = [
            {
                **choice,
                "message": {"refusal": None, **choice["message"]},
                "logprobs": choice.get("logprobs"),
            }
            for choice in answer["choices"]
        ]
        return {**answer, "choices": choices}

    def writer(self, request: Document) -> Writer:
        options = request.get("stream_options") or {}
        return Writer(wants_usage=options.get("include_usage") is True)

    def error_body(self, error: GatewayError) -> bytes:
        return openai.error_body(error)

    def error_event(self, error: GatewayError) -> bytes:
        return sse.encode(openai.error_body(error))


def _check(message: _Message, nth: int, losses: Losses) -> None:
    place, at = f"messages[{nth}]", f"messages.{nth}"  # as OpenAI says it; as losses do
    if message.role not in ROLES:
        param = f"{place}.role"
        raise GatewayError(
            Code.INVALID_VALUE, f"{param}: must be one of {', '.join(ROLES)}", param=param
        )
    if message.role == "tool" and message.tool_call_id is None:
        raise _missing(f"{place}.tool_call_id")
    if message.role == "function":
        losses.cannot(f"{at}.role", _OLD)
    if message.function_call is not None:
        losses.cannot(f"{at}.function_call", _OLD)
    for number, part in enumerate(message.content if isinstance(message.content, list) else ()):
        if part.type in _SAYS and getattr(part, part.type) is None:
            raise _missing(f"{place}.content[{number}].{part.type}")


def _missing(param: str) -> GatewayError:
    return GatewayError(Code.MISSING_VALUE, f"{param} is required", param=param)


CLIENT: Final[ClientDialect] = Client()
UPSTREAM: Final[UpstreamDialect] = Upstream()
# For vendors that refuse every word that OpenAI's reference does not have.
STRICT: Final[UpstreamDialect] = Upstream(kept=frozenset())
