"""OpenAI's text completions, on either side of a chat: a prompt as messages, messages as a prompt.

From a client refused: `suffix`, `best_of` above `n`, token ids, and what `openai_completion_parts`
takes over (lists of prompts, `echo`). As a target refused: tools, whatever is not text, formats,
reasoning. Source: platform.openai.com/docs/api-reference/completions/create, 2026-11.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.chat import fold
from gateway.chat.document import Document
from gateway.chat.operation import Operation
from gateway.chat.templates import Template, Turn, named
from gateway.chat.usage import Usage
from gateway.dialects import heads, openai
from gateway.dialects.base import BadAnswer, ClientDialect, Head, Losses, Said, UpstreamDialect
from gateway.dialects.openai_completion_stream import Reader, Tokens, Writer, counted, told
from gateway.dialects.openai_stream import Watch
from gateway.errors import Code, GatewayError
from gateway.wire import json, sse

# ---- requests out

DEFAULT_TOKENS: Final = 1024  # a chat goes on until it is done; a completion ends after 16
MAX_STOPS: Final = 4  # OpenAI's own limit

# Whatever a prompt has no word for, the values that ask for nothing, and why it is refused.
_NO_TOOLS: Final = "a text has no tools"
_ONLY_TEXT: Final = "a text model gives text"
_UNSAYABLE: Final[dict[str, tuple[tuple[object, ...], str]]] = {
    "tools": (([],), _NO_TOOLS),
    "tool_choice": (("none", "auto"), _NO_TOOLS),
    "functions": (([],), _NO_TOOLS),
    "function_call": (("none", "auto"), _NO_TOOLS),
    "response_format": (({"type": "text"},), _ONLY_TEXT),
    "modalities": ((["text"], []), _ONLY_TEXT),
    "audio": ((), _ONLY_TEXT),
    "prediction": ((), "it has no such thing"),
    "web_search_options": ((), "it has no such thing"),
    "reasoning_effort": (("none",), "a text model does not think apart"),
    "thinking": (({"type": "disabled"},), "a text model does not think apart"),
    "verbosity": (("medium",), "it has no such thing"),
    "service_tier": (("auto", "default"), "it has no such thing"),
    "store": ((False,), "it has no such thing"),
    "logprobs": ((False,), ""),  # written anew below
}
# Said again in other words, or hints that change nothing of the answer.
_OTHERWISE: Final = frozenset(
    {
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "top_logprobs",
        "stop",
        "stream_options",
        "parallel_tool_calls",
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
    }
)


@dataclass(frozen=True, slots=True)
class Upstream:
    """template: None lets the model's name decide. stops: beside the template's."""

    template: Template | None = None
    stops: tuple[str, ...] = ()
    name: str = "openai_completion"
    stream_type: bytes = b"text/event-stream"

    def write_request(self, chat: Document, losses: Losses) -> Document:
        template = self.template or named(str(chat.get("model") or ""))
        request = {key: value for key, value in chat.items() if key not in _OTHERWISE}
        for name, (nothing, why) in _UNSAYABLE.items():
            value = request.pop(name, None)
            if name != "logprobs" and value is not None and value not in nothing:
                losses.cannot(name, why)
        turns = [
            turn
            for at, message in enumerate(chat["messages"])
            if (turn := _turn(message, f"messages.{at}", template, losses)) is not None
        ]
        request["prompt"] = template.render(turns)
        request["max_tokens"] = (
            chat.get("max_completion_tokens") or chat.get("max_tokens") or DEFAULT_TOKENS
        )
        request["stop"] = _stops(chat.get("stop"), (*self.stops, *template.stop))
        if chat.get("logprobs"):
            request["logprobs"] = chat.get("top_logprobs") or 0
        if chat.get("stream"):
            request["stream_options"] = {
                **(chat.get("stream_options") or {}),
                "include_usage": True,
            }
        return request

    # ---- answers in

    def read_response(self, document: Document) -> Document:
        if document.get("error") is not None:
            raise BadAnswer("the answer is an error")
        try:
            answer = msgspec.convert(document, _Answer)
        except msgspec.ValidationError:
            raise BadAnswer("the answer is not JSON of the expected form") from None
        chat: Document = {
            "id": answer.id or "",
            "model": answer.model or "",
            "created": int(answer.created or 0),
            "choices": [_chat_choice(choice) for choice in answer.choices],
            "usage": document.get("usage"),
        }
        return fold.fold(fold.unfold(chat))

    def reader(self) -> Reader:
        return Reader()

    def read_error(self, body: bytes) -> Said:
        return openai.read_error(body)

    # ---- where the client speaks the same

    def addressed(self, fields: json.Fields, model: msgspec.Raw) -> json.Fields:
        return {**fields, "model": model}

    def read_answer(self, body: bytes) -> Usage | None:
        return openai.read_answer(Operation.COMPLETION, body)

    def watch(self, head: Head) -> Watch:
        return Watch(withhold_usage=not head.wants_usage, choices=head.choices)


def _turn(message: Document, at: str, template: Template, losses: Losses) -> Turn | None:
    role = message.get("role")
    if role == "developer":
        role = "system"
    if role not in ("system", "user", "assistant"):
        losses.cannot(f"{at}.role", _NO_TOOLS)
        return None
    if message.get("tool_calls") or message.get("function_call"):
        losses.cannot(f"{at}.tool_calls", _NO_TOOLS)
    if message.get("name"):
        losses.cannot(f"{at}.name", "its roles have no names")
    text = _text(message.get("content") or message.get("refusal") or "", at, losses)
    mark = template.marked(text)
    if mark is not None:
        losses.cannot(f"{at}.content", f"{mark!r} is a word of the model's own template")
        text = _unmarked(text, template)
    return role, text


def _text(content: object, at: str, losses: Losses) -> str:
    if not isinstance(content, list):
        return str(content)
    texts = []
    for nth, part in enumerate(content):
        if part.get("type") in ("text", "refusal"):
            texts.append(str(part.get("text") or part.get("refusal") or ""))
        else:
            losses.cannot(f"{at}.content.{nth}", "a text has only text")
    return "".join(texts)


def _unmarked(text: str, template: Template) -> str:
    """Until none is left: taking one away may put another together."""
    while (mark := template.marked(text)) is not None:
        text = text.replace(mark, "")
    return text


def _stops(stop: object, known: tuple[str, ...]) -> list[str]:
    """The client's, then as many of those known of the model as there is room for."""
    asked = [stop] if isinstance(stop, str) else stop
    own = [word for word in asked if isinstance(word, str)] if isinstance(asked, list) else []
    room = max(0, MAX_STOPS - len(own))
    return own + [word for word in known if word not in own][:room]


class _Choice(msgspec.Struct):
    index: int | None = 0
    text: str | None = None
    reasoning: str | None = None
    logprobs: Tokens | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    id: str | None = None
    model: str | None = None
    created: int | float | None = None


def _chat_choice(choice: _Choice) -> Document:
    written: Document = {
        "index": choice.index or 0,
        "message": {"content": choice.text, "reasoning_content": choice.reasoning},
        "finish_reason": choice.finish_reason or "stop",
    }
    if choice.logprobs is not None and choice.logprobs.tokens:
        written["logprobs"] = {"content": told(choice.logprobs)}
    return written


# ---- the client's side

_PROMPT_FIELDS: Final = frozenset({"prompt", "suffix", "best_of", "echo", "logprobs"})


class _Request(msgspec.Struct):
    prompt: str | list[str | int | list[int]] | None = None
    suffix: str | None = None
    best_of: int | None = None
    n: int | None = None
    echo: bool | None = None
    logprobs: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Client:
    name: str = "openai_completion"
    heartbeat: bytes = b": \n\n"

    def read_head(self, body: bytes) -> tuple[Head, json.Fields]:
        return openai.read_request(Operation.COMPLETION, body)

    def read_request(self, document: Document, losses: Losses) -> Document:
        try:
            request = msgspec.convert(document, _Request)
        except msgspec.ValidationError as error:
            raise heads.misfit(error) from None
        if request.suffix:
            losses.cannot("suffix", "a chat has no gap to fill in")
        if request.best_of is not None and request.best_of > (request.n or 1):
            losses.cannot("best_of", "a chat gives all that it has made")
        if request.echo:
            losses.cannot("echo", "a chat does not repeat what it was told")
        chat: Document = {
            key: value for key, value in document.items() if key not in _PROMPT_FIELDS
        }
        chat["messages"] = [{"role": "user", "content": _prompt(request.prompt, losses)}]
        if request.logprobs is not None:
            chat["logprobs"], chat["top_logprobs"] = True, request.logprobs
        return chat

    def write_response(self, answer: Document, request: Document) -> Document:
        choices = [_completion_choice(choice) for choice in answer["choices"]]
        return {**answer, "object": "text_completion", "choices": choices}

    def writer(self, request: Document) -> Writer:
        options = request.get("stream_options") or {}
        return Writer(wants_usage=options.get("include_usage") is True)

    def error_body(self, error: GatewayError) -> bytes:
        return openai.error_body(error)

    def error_event(self, error: GatewayError) -> bytes:
        return sse.encode(openai.error_body(error))


def _prompt(prompt: str | list[str | int | list[int]] | None, losses: Losses) -> str:
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt
    if not prompt:
        raise GatewayError(Code.MISSING_VALUE, "prompt is required", param="prompt")
    if isinstance(prompt[0], str):
        losses.cannot("prompt", "a chat has one prompt at a time")
        return prompt[0]
    losses.cannot("prompt", "token ids mean something to one model only")
    return ""


def _completion_choice(choice: Document) -> Document:
    message, reason = choice["message"], choice.get("finish_reason")
    content = (choice.get("logprobs") or {}).get("content")
    return {
        "index": choice["index"],
        "text": message.get("content") or message.get("refusal") or "",
        "logprobs": counted(content, 0) if content else None,
        "finish_reason": "stop" if reason == "tool_calls" else reason,
    }


CLIENT: Final[ClientDialect] = Client()
UPSTREAM: Final[UpstreamDialect] = Upstream()
