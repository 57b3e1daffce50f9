"""Chat asked in Anthropic's words; the messages themselves: anthropic_blocks.py.

Refused by name: seed, logprobs, logit_bias, penalties that are not 0, n above 1, audio, JSON mode
without a schema, names of speakers, custom tools, whatever is not known. No losses, as nothing of
the answer hangs on them: user's metadata but for its id, prompt_cache_key, safety_identifier where
there is a user, the detail of an image, the name of a schema, reasoning that nobody signed.
Source: platform.claude.com/docs/en/api/messages, .../structured-outputs, .../effort, 2026-11.
"""

from collections.abc import Callable
from typing import Final

from gateway.chat.document import Document
from gateway.dialects import anthropic
from gateway.dialects.anthropic_blocks import cached, conversation
from gateway.dialects.base import Losses

MIN_BUDGET: Final = 1024  # tokens of thinking; fewer are refused
_BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192}  # the rest: 16384
_EFFORTS: Final = {"minimal": "low"}
_CARRIED: Final = ("temperature", "top_p", "top_k", "model")


def write(chat: Document, losses: Losses) -> Document:
    request: Document = {key: chat[key] for key in _CARRIED if chat.get(key) is not None}
    request["max_tokens"] = (
        chat.get("max_completion_tokens")
        or chat.get("max_tokens")
        or anthropic.max_tokens(chat["model"])
    )
    if (request.get("temperature") or 0) > 1:
        losses.cannot("temperature", "it goes from 0 to 1")
        del request["temperature"]
    if chat.get("stream"):
        request["stream"] = True
    request.update(conversation(chat, losses))
    for name, value in chat.items():
        if value is not None and name not in _ELSEWHERE:
            _FIELDS.get(name, _unknown(name))(value, request, losses)
    _choose_tools(chat, request, losses)
    _think(chat, request, losses)
    user = chat.get("user") or _user(chat)
    if user:
        request["metadata"] = {"user_id": user}
    return request


def _user(chat: Document) -> object:
    """An Anthropic client's user_id is metadata here too."""
    metadata = chat.get("metadata")
    of_metadata = metadata.get("user_id") if isinstance(metadata, dict) else None
    return of_metadata or chat.get("safety_identifier")


# ---- fields

_Field = Callable[[object, Document, Losses], None]
_ELSEWHERE: Final = frozenset(
    {
        *_CARRIED,
        "messages",
        "stream",
        "stream_options",  # the stream always says its usage
        "max_tokens",
        "max_completion_tokens",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning_effort",
        "thinking",
        "user",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    }
)


def _unknown(name: str) -> _Field:
    def refuse(value: object, request: Document, losses: Losses) -> None:
        losses.cannot(name)

    return refuse


def _unless(name: str, *harmless: object) -> _Field:
    def refuse(value: object, request: Document, losses: Losses) -> None:
        if value not in harmless:
            losses.cannot(name)

    return refuse


def _stop(value: object, request: Document, losses: Losses) -> None:
    if value:
        request["stop_sequences"] = [value] if isinstance(value, str) else value


def _service_tier(value: object, request: Document, losses: Losses) -> None:
    if value == "default":
        request["service_tier"] = "standard_only"
    elif value != "auto":
        losses.cannot("service_tier", "it has auto and default")


def _tools(value: object, request: Document, losses: Losses) -> None:
    tools = value if isinstance(value, list) else []
    written = [_tool(tool, f"tools.{nth}", losses) for nth, tool in enumerate(tools)]
    if any(written):
        request["tools"] = [tool for tool in written if tool]


def _tool(tool: Document, at: str, losses: Losses) -> Document | None:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        losses.cannot(at, "it takes functions")
        return None
    written: Document = {"name": function.get("name")}
    if function.get("description"):
        written["description"] = function["description"]
    written["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
    if function.get("strict"):
        written["strict"] = True
    return cached(written, tool)


def _format(value: object, request: Document, losses: Losses) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "json_schema" and isinstance(value, dict):
        said = value.get("json_schema") or {}
        schema = said.get("schema") or {}
        if said.get("description") and "description" not in schema:
            schema = {**schema, "description": said["description"]}
        form = {"type": "json_schema", "schema": schema}
        request.setdefault("output_config", {})["format"] = form
    elif kind != "text":
        losses.cannot("response_format", "it writes JSON by a schema only")


_FIELDS: Final[dict[str, _Field]] = {
    "stop": _stop,
    "service_tier": _service_tier,
    "tools": _tools,
    "response_format": _format,
    "n": _unless("n", 1),
    "store": _unless("store", False),
    "logprobs": _unless("logprobs", False),
    "top_logprobs": _unless("top_logprobs", 0),
    "logit_bias": _unless("logit_bias", {}),
    "presence_penalty": _unless("presence_penalty", 0),
    "frequency_penalty": _unless("frequency_penalty", 0),
    "modalities": _unless("modalities", ["text"], []),
    "functions": _unless("functions", []),
    "verbosity": _unless("verbosity", "medium"),
}

_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}


def _choose_tools(chat: Document, request: Document, losses: Losses) -> None:
    said = chat.get("tool_choice")
    choice: Document = {}
    if isinstance(said, str) and said in _CHOICES:
        choice["type"] = _CHOICES[said]
    elif isinstance(said, dict) and isinstance(said.get("function"), dict):
        choice = {"type": "tool", "name": said["function"].get("name")}
    elif said is not None:
        losses.cannot("tool_choice", "it takes auto, none, required, or one function")
    if "tools" not in request:
        return  # there is nothing to choose
    if chat.get("parallel_tool_calls") is False and choice.get("type") != "none":
        choice = {"type": "auto", **choice, "disable_parallel_tool_use": True}
    if choice:
        request["tool_choice"] = choice


# ---- thinking


def _think(chat: Document, request: Document, losses: Losses) -> None:
    """reasoning_effort becomes an effort, or for older models a budget; `thinking` goes as it is
    and comes first.
    """
    effort, thinking, model = chat.get("reasoning_effort"), chat.get("thinking"), chat["model"]
    if thinking is not None:
        request["thinking"] = thinking
    if effort is None:
        return
    if effort == "none":
        request.setdefault("thinking", {"type": "disabled"})
    elif anthropic.adaptive(model):
        request.setdefault("thinking", {"type": "adaptive"})
        request.setdefault("output_config", {})["effort"] = _EFFORTS.get(effort, effort)
    elif thinking is None:
        budget = min(_BUDGETS.get(effort, 16384), request["max_tokens"] - 1)
        if not anthropic.thinks(model):
            losses.cannot("reasoning_effort", "the model does not think")
        elif budget < MIN_BUDGET:
            losses.cannot("reasoning_effort", f"thinking takes more than {MIN_BUDGET} tokens")
        else:
            request["thinking"] = {"type": "enabled", "budget_tokens": budget}
