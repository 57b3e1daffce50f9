"""A Gemini client's request, read into the lingua franca.

Google takes names in camelCase and in snake_case, and so do we. Refused by name towards others:
`cachedContent`, tools that Google runs itself, spoken answers, `safetySettings` that block anything
(`OFF` and `BLOCK_NONE` ask for nothing), and any field that nobody here knows. `labels` fall away.
Source: ai.google.dev/api/generate-content and .../docs/thinking, 2026-11.
"""

import re
from typing import Final

import msgspec

from gateway.chat.document import Document
from gateway.dialects import gemini_spoken, heads
from gateway.dialects.base import Losses

# ---- the form


class _Declaration(msgspec.Struct, rename="camel"):
    name: str
    description: str | None = None
    parameters: Document | None = None
    parameters_json_schema: Document | None = None


class _Tool(msgspec.Struct, rename="camel"):
    function_declarations: list[_Declaration] | None = None


class _Calling(msgspec.Struct, rename="camel"):
    mode: str = "AUTO"
    allowed_function_names: list[str] | None = None


class _ToolConfig(msgspec.Struct, rename="camel"):
    function_calling_config: _Calling | None = None


class _Blob(msgspec.Struct, rename="camel"):
    mime_type: str
    data: str
    display_name: str | None = None


class _File(msgspec.Struct, rename="camel"):
    file_uri: str
    mime_type: str | None = None


class _Call(msgspec.Struct):
    name: str
    args: Document | None = None
    id: str | None = None


class _Result(msgspec.Struct):
    name: str | None = None
    response: Document | None = None
    id: str | None = None
    parts: "list[_Part] | None" = None


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: _Blob | None = None
    file_data: _File | None = None
    function_call: _Call | None = None
    function_response: _Result | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None
    role: str | None = None


class _Instruction(msgspec.Struct):
    parts: list[_Part] | None = None
    text: str | None = None


class _Thinking(msgspec.Struct, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class _Config(msgspec.Struct, rename="camel"):
    """What is read; the rest of its fields are looked at by name."""

    stop_sequences: list[str] | None = None
    response_mime_type: str | None = None
    response_schema: Document | None = None
    response_json_schema: Document | None = None
    thinking_config: _Thinking | None = None
    response_modalities: list[str] | None = None
    media_resolution: str | None = None


class _Safety(msgspec.Struct):
    threshold: str = ""


class _Request(msgspec.Struct, rename="camel"):
    contents: list[_Content]
    system_instruction: _Instruction | str | None = None
    tools: list[_Tool] | None = None
    tool_config: _ToolConfig | None = None
    generation_config: _Config | None = None
    safety_settings: list[_Safety] | None = None


_SETTINGS: Final = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "candidateCount": "n",
    "maxOutputTokens": "max_tokens",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "responseLogprobs": "logprobs",
    "logprobs": "top_logprobs",
}
_CONFIG: Final = frozenset({*_SETTINGS, *_Config.__struct_encode_fields__})
_FIELDS: Final = frozenset({*_Request.__struct_encode_fields__, "model", "stream", "labels"})
_TEXT: Final = re.compile(r"_([a-z0-9])")
# Below these stand names that are the user's.
_THEIRS: Final = frozenset(
    {
        "args",
        "response",
        "parameters",
        "parametersJsonSchema",
        "responseSchema",
        "responseJsonSchema",
        "labels",
        "partMetadata",
    }
)


def read(document: Document, losses: Losses) -> Document:
    asked = camel(document)
    try:
        request = msgspec.convert(asked, _Request)
    except msgspec.ValidationError as error:
        raise heads.misfit(error) from None
    for name in sorted(asked.keys() - _FIELDS):
        losses.cannot(name, "only Gemini knows it")
    for nth, setting in enumerate(request.safety_settings or ()):
        if setting.threshold not in ("OFF", "BLOCK_NONE"):
            losses.cannot(f"safetySettings.{nth}", "only Gemini has such a filter")
    config = asked.get("generationConfig") or {}
    chat: Document = {name: asked[name] for name in ("model", "stream") if name in asked}
    detail = _detail(request.generation_config)
    chat["messages"] = [
        *gemini_spoken.system(asked.get("systemInstruction"), losses),
        *gemini_spoken.messages(asked["contents"], detail, losses),
    ]
    chat.update(_settings(config, losses))
    if request.generation_config is not None:
        chat.update(_wanted(request.generation_config, losses))
    chat.update(_tools(request, asked, losses))
    return chat


def camel(document: Document) -> Document:
    """With its own names in camelCase, and without what is null."""
    written: Document = {}
    for key, value in document.items():
        if value is None:
            continue
        name = _TEXT.sub(lambda found: found[1].upper(), key)
        written[name] = value if name in _THEIRS else _deeper(value)
    return written


def _deeper(value: object) -> object:
    if isinstance(value, dict):
        return camel(value)
    return [_deeper(one) for one in value] if isinstance(value, list) else value


# ---- how it is to be answered


def _settings(config: Document, losses: Losses) -> Document:
    for name in sorted(config.keys() - _CONFIG):
        if config[name] is not None:
            losses.cannot(f"generationConfig.{name}", "only Gemini knows it")
    return {
        chat: config[name]
        for name, chat in _SETTINGS.items()
        if config.get(name) is not None and (name, config[name]) != ("candidateCount", 1)
    }


def _wanted(config: _Config, losses: Losses) -> Document:
    wanted: Document = {}
    if config.stop_sequences:
        wanted["stop"] = config.stop_sequences
    if any(one != "TEXT" for one in config.response_modalities or ()):
        losses.cannot("generationConfig.responseModalities", "only text can be asked of others")
    mime = config.response_mime_type or "text/plain"
    if mime == "application/json":
        wanted["response_format"] = _format(config)
    elif mime != "text/plain":
        losses.cannot("generationConfig.responseMimeType", "only Gemini writes it")
    if config.thinking_config is not None:
        wanted.update(_thinking(config.thinking_config))
    return wanted


def _format(config: _Config) -> Document:
    wanted = config.response_json_schema
    if wanted is None and config.response_schema is not None:
        wanted = schema(config.response_schema)
    if wanted is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "response", "schema": wanted}}


def _thinking(config: _Thinking) -> Document:
    """Thoughts are told only to who asks; `adaptive` leaves the amount to the model."""
    wanted: Document = {}
    shown: Document = {} if config.include_thoughts else {"display": "omitted"}
    budget = config.thinking_budget
    if config.thinking_level and config.thinking_level != "THINKING_LEVEL_UNSPECIFIED":
        wanted["reasoning_effort"] = config.thinking_level.lower()
    if budget == 0:
        wanted["thinking"] = {"type": "disabled"}
    elif budget is not None and budget > 0:
        wanted["thinking"] = {"type": "enabled", "budget_tokens": budget, **shown}
    elif config.include_thoughts or budget is not None:
        wanted["thinking"] = {"type": "adaptive", **shown}
    return wanted


_DETAILS: Final = {"MEDIA_RESOLUTION_LOW": "low", "MEDIA_RESOLUTION_HIGH": "high"}


def _detail(config: _Config | None) -> str:
    return _DETAILS.get((config and config.media_resolution) or "", "")


# ---- tools


def _tools(request: _Request, asked: Document, losses: Losses) -> Document:
    chat: Document = {}
    for nth, tool in enumerate(asked.get("tools") or ()):
        for name in sorted(tool.keys() - {"functionDeclarations"}):
            if name == "googleSearch" and not tool[name]:
                chat["web_search_options"] = {}
            elif tool[name] is not None:
                losses.cannot(f"tools.{nth}.{name}", "Google runs it itself")
    declared = [
        {"type": "function", "function": _function(one)}
        for tool in request.tools or ()
        for one in tool.function_declarations or ()
    ]
    if declared:
        chat["tools"] = declared
        calling = request.tool_config and request.tool_config.function_calling_config
        choice = _choice(calling or _Calling())
        if choice is not None:
            chat["tool_choice"] = choice
    return chat


def _function(declared: _Declaration) -> Document:
    function: Document = {"name": declared.name}
    if declared.description:
        function["description"] = declared.description
    parameters = declared.parameters_json_schema
    if parameters is None and declared.parameters is not None:
        parameters = schema(declared.parameters)
    if parameters is not None:
        function["parameters"] = parameters
    return function


_MODES: Final = {"ANY": "required", "NONE": "none"}


def _choice(calling: _Calling) -> str | Document | None:
    names, mode = calling.allowed_function_names, _MODES.get(calling.mode, "auto")
    if not names or mode == "none":
        return None if mode == "auto" else mode
    if len(names) == 1 and mode == "required":
        return {"type": "function", "function": {"name": names[0]}}
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


# ---- schemas

_NESTED: Final = ("items", "additionalProperties")
_LISTED: Final = ("anyOf", "prefixItems")
_NUMBERS: Final = (
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
)


def schema(told: Document) -> Document:
    """Google's Schema (OpenAPI 3.0, types in capitals, 64-bit numbers as text) as JSON Schema."""
    written: Document = {}
    for key, value in told.items():
        name = _TEXT.sub(lambda found: found[1].upper(), key)
        if name == "type" and isinstance(value, str):
            if value != "TYPE_UNSPECIFIED":
                written["type"] = value.lower()
        elif name in ("properties", "defs") and isinstance(value, dict):
            below = {theirs: _schema(one) for theirs, one in value.items()}
            written["$defs" if name == "defs" else name] = below
        elif name in _NESTED and isinstance(value, dict):
            written[name] = schema(value)
        elif name in _LISTED and isinstance(value, list):
            written[name] = [_schema(one) for one in value]
        elif name in _NUMBERS and isinstance(value, str) and value.isdecimal():
            written[name] = int(value)
        elif name == "ref":
            written["$ref"] = value
        elif name not in ("nullable", "propertyOrdering", "example"):
            written[name] = value
    return _nullable(written) if told.get("nullable") else written


def _schema(told: object) -> object:
    return schema(told) if isinstance(told, dict) else told


def _nullable(written: Document) -> Document:
    if "type" in written:
        written["type"] = [written["type"], "null"]
    if isinstance(written.get("enum"), list):
        written["enum"] = [*written["enum"], None]
    return written
