"""What a request asks, without how it is spelled: two that ask the same have the same form.

By the backend's language. Only what its vendor says is the same is made the same; what is left as
it came makes two requests two, which costs a call and never an answer. The order of keys is not
told apart, but for a schema's, which models follow: it is kept as the text that it is.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.chat.document import Document
from gateway.dialects.gemini_asked import camel
from gateway.wire import json


def canonical(language: str, asked: Document) -> Document:
    """asked: a request in that language, which is not changed."""
    form = _FORMS.get(language)
    return asked if form is None else form(asked)


# ---- what several languages share


def _without(document: Document, usual: Mapping[str, object]) -> Document:
    """Nothing said is null, and what is said is not what holds anyway."""
    return {
        name: value
        for name, value in document.items()
        if value is not None and not (name in usual and _equal(value, usual[name]))
    }


def _number(value: object) -> object:
    """1.0 says what 1 says."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _equal(value: object, usual: object) -> bool:
    return value == usual and isinstance(value, bool) == isinstance(usual, bool)


def _listed(document: Document, name: str) -> None:
    """One may stand for a list of one."""
    if isinstance(document.get(name), str):
        document[name] = [document[name]]


def _alone(content: object, kind: str = "text") -> object:
    """A text that is the only part is that text."""
    if isinstance(content, list) and len(content) == 1:
        part = content[0]
        if isinstance(part, dict) and part.keys() == {"type", "text"} and part["type"] == kind:
            return part["text"]
    return content


def _ordered(document: Document, *names: str) -> Document:
    """With schemas as texts, in which the order of their keys is seen."""
    found = {name: document[name] for name in names if isinstance(document.get(name), dict)}
    if not found:
        return document
    return {**document, **{name: json.write(value).decode() for name, value in found.items()}}


def _within(document: Document, name: str, *schemas: str) -> Document:
    """The same for schemas one level down."""
    inner = document.get(name)
    if not isinstance(inner, dict):
        return document
    return {**document, name: _ordered(inner, *schemas)}


def _each(values: object, form: Callable[[Document], Document]) -> object:
    if not isinstance(values, list):
        return values
    return [form(value) if isinstance(value, dict) else value for value in values]


# ---- OpenAI's. platform.openai.com/docs/api-reference, 2026-11

_CHAT: Final = {"n": 1, "logprobs": False}


def _chat(asked: Document) -> Document:
    form = _without(asked, _CHAT)
    if "max_completion_tokens" in form and "max_tokens" not in form:
        form["max_tokens"] = form.pop("max_completion_tokens")
    _listed(form, "stop")
    form["messages"] = _each(form.get("messages"), _message)
    if form.get("tools"):
        form["tools"] = _each(form["tools"], _offered)
        if form.get("tool_choice") == "auto":
            del form["tool_choice"]
    return _within(form, "response_format", "json_schema")


def _offered(tool: Document) -> Document:
    function = tool.get("function")
    if not isinstance(function, dict):
        return tool
    return {**tool, "function": _ordered(_without(function, {"strict": False}), "parameters")}


def _message(message: Document) -> Document:
    if isinstance(message.get("content"), str) and None not in message.values():
        return message
    form = {name: value for name, value in message.items() if value is not None}
    if "content" in form:
        form["content"] = _alone(form["content"])
    return form


_COMPLETION: Final = {"n": 1, "best_of": 1, "echo": False}


def _completion(asked: Document) -> Document:
    form = _without(asked, _COMPLETION)
    prompt = form.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        form["prompt"] = prompt[0]
    _listed(form, "stop")
    return form


_EMBEDDINGS: Final = {"encoding_format": "float"}


def _embeddings(asked: Document) -> Document:
    form = _without(asked, _EMBEDDINGS)
    _listed(form, "input")
    return form


def _responses(asked: Document) -> Document:
    form = _without(asked, {})
    if isinstance(form.get("input"), str):
        form["input"] = [{"role": "user", "content": form["input"]}]
    form["input"] = _each(form.get("input"), _item)
    if form.get("tools"):
        form["tools"] = _each(form["tools"], lambda tool: _ordered(tool, "parameters"))
    return _formatted(form, "text")


def _item(item: Document) -> Document:
    """A message need not say that it is one."""
    form = _without(item, {"type": "message"})
    if "content" in form:
        form["content"] = _alone(form["content"], "input_text")
    return form


def _formatted(form: Document, name: str) -> Document:
    """With the schema of a format that is a part of something else."""
    inner = form.get(name)
    if not isinstance(inner, dict):
        return form
    return {**form, name: _within(inner, "format", "schema")}


# ---- Anthropic's. platform.claude.com/docs/en/api/messages, 2026-11

_MESSAGES: Final = {"service_tier": "auto"}


def _messages(asked: Document) -> Document:
    form = _without(asked, _MESSAGES)
    if "system" in form:
        form["system"] = _alone(form["system"])
    form["messages"] = _each(form.get("messages"), _turn)
    if form.get("tools"):
        form["tools"] = _each(form["tools"], _tool)
        if form.get("tool_choice") == {"type": "auto"}:
            del form["tool_choice"]
    return _formatted(form, "output_config")


def _turn(message: Document) -> Document:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": _alone(_each(content, _block))}


def _block(block: Document) -> Document:
    form = _without(block, {})
    if form.get("type") == "tool_result" and "content" in form:
        form["content"] = _alone(form["content"])
    return form


def _tool(tool: Document) -> Document:
    return _ordered(_without(tool, {"type": "custom"}), "input_schema")


# ---- Google's. ai.google.dev/api/generate-content, 2026-11


def _generate(asked: Document) -> Document:
    form = camel(asked)
    form.pop("labels", None)
    form["contents"] = _each(form.get("contents"), lambda turn: {"role": "user", **turn})
    told = form.get("systemInstruction")
    if isinstance(told, dict) and "parts" in told:
        form["systemInstruction"] = {name: told[name] for name in told if name != "role"}
    form["tools"] = _each(form.get("tools"), _declaring)
    config = form.pop("generationConfig", None)
    if isinstance(config, dict):
        numbers = {name: _number(value) for name, value in config.items()}
        config = _without(numbers, {"candidateCount": 1})
        config = _ordered(config, "responseSchema", "responseJsonSchema")
    if config:
        form["generationConfig"] = config
    return form


def _declaring(tool: Document) -> Document:
    declared = tool.get("functionDeclarations")
    if declared is None:
        return tool
    names = ("parameters", "parametersJsonSchema", "response", "responseJsonSchema")
    return {**tool, "functionDeclarations": _each(declared, lambda one: _ordered(one, *names))}


_FORMS: Final[Mapping[str, Callable[[Document], Document]]] = {
    "openai_chat": _chat,
    "openai_completion": _completion,
    "openai_embeddings": _embeddings,
    "openai_responses": _responses,
    "anthropic": _messages,
    "gemini": _generate,
}
