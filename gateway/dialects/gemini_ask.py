"""The lingua franca's requests in Gemini's words.

Refused by name: custom tools, `parallel_tool_calls: false`, `logit_bias`, `prediction`, spoken
answers, names of speakers, files by another vendor's id, any field that nobody knows. Fallen away
without harm: `user`, `metadata` and the like, which only label; `cache_control` (Google caches by
itself); others' signatures; names of files. All that systems and developers say is said first.
Source: ai.google.dev/api/generate-content, .../docs/thinking, .../docs/function-calling, 2026-11.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.chat.document import Document, text_of
from gateway.dialects import gemini_form
from gateway.dialects.base import Losses
from gateway.dialects.gemini import OWN, signature_of
from gateway.dialects.gemini_parts import images, parts

_SETTINGS: Final = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
# Gemini's own, for a route's defaults and for clients who know whom they talk to.
_OWN: Final = {
    "safety_settings": "safetySettings",
    "safetySettings": "safetySettings",
    "cached_content": "cachedContent",
    "cachedContent": "cachedContent",
    "labels": "labels",
}
_READ: Final = frozenset(
    {
        *_SETTINGS,
        *_OWN,
        "messages",
        "tools",
        "tool_choice",
        "response_format",
        "reasoning_effort",
        "thinking",
        "stop",
        "web_search_options",
        "extra_body",
    }
)
_LABELS: Final = frozenset(
    {
        "model",
        "stream",
        "stream_options",
        "user",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    }
)
_NO_OPS: Final[dict[str, tuple[object, ...]]] = {  # values that ask for nothing
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "store": (False,),
    "parallel_tool_calls": (True,),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
    "verbosity": ("medium",),
    "logit_bias": ({},),
    "tools": ([],),
    "stop": ([],),
}
# Since its third generation it thinks by level, and wants its signatures back.
_LEVELLED: Final = re.compile(r"(?:.*/)?gemini-(?:[3-9]|[1-9][0-9])\b")
# Google's own words for a call that another model made. ai.google.dev/gemini-api/docs/
# thought-signatures, 2026-11.
_UNSIGNED: Final = "skip_thought_signature_validator"


def written(chat: Document, losses: Losses, *, ids: bool) -> Document:
    gemini_form.check(chat)
    asked = {name: value for name, value in chat.items() if value is not None}
    for name in asked.keys() - _LABELS - _READ:
        if asked[name] not in _NO_OPS.get(name, ()):
            losses.cannot(name, "Gemini has no such thing")
    request: Document = {}
    system, contents = _Contents(chat, losses, ids=ids).written()
    if system:
        request["systemInstruction"] = {"parts": system}
    request["contents"] = contents
    request.update(_tools(asked, losses))
    config = _config(asked, losses)
    if config:
        request["generationConfig"] = config
    google = _google(asked, losses)
    if "cached_content" in google:
        request["cachedContent"] = google["cached_content"]
    request.update((own, asked[name]) for name, own in _OWN.items() if name in asked)
    return request


# ---- how it is to be answered


def _config(asked: Document, losses: Losses) -> Document:
    config: Document = {
        own: asked[name]
        for name, own in _SETTINGS.items()
        if name in asked and asked[name] not in _NO_OPS.get(name, ())
    }
    stop = asked.get("stop")
    if stop:
        config["stopSequences"] = [stop] if isinstance(stop, str) else stop
    config.update(_format(asked.get("response_format"), losses))
    thinking = _thinking(asked, losses)
    if thinking:
        config["thinkingConfig"] = thinking
    seen = list(images(asked["messages"]))
    low = [at for detail, at in seen if detail == "low"]
    if low and len(low) == len(seen):
        config["mediaResolution"] = "MEDIA_RESOLUTION_LOW"
    elif low:
        losses.cannot(low[0], "Gemini sees all images of a request in one resolution")
    return config


def _format(wanted: Document | None, losses: Losses) -> Document:
    match (wanted or {}).get("type", "text"):
        case "text":
            return {}
        case "json_object":
            return {"responseMimeType": "application/json"}
        case "json_schema" if wanted is not None:
            schema = wanted["json_schema"].get("schema")
            described = {} if schema is None else {"responseJsonSchema": schema}
            return {"responseMimeType": "application/json", **described}
        case kind:
            losses.cannot("response_format.type", f"Gemini has no format {kind!r}")
            return {}


# Tokens for each word, as Google's own OpenAI form has them.
_BUDGETS: Final = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}


def _thinking(asked: Document, losses: Losses) -> Document:
    own = _google(asked, losses).get("thinking_config")
    if isinstance(own, dict):
        return {_camel(key): value for key, value in own.items()}
    thinking = asked.get("thinking") or {}
    shown = thinking.get("display") != "omitted"
    match thinking.get("type"):
        case "disabled":
            return {"thinkingBudget": 0}
        case "enabled":
            return {"thinkingBudget": thinking["budget_tokens"], "includeThoughts": shown}
    effort = asked.get("reasoning_effort")
    if effort is None:
        return {"includeThoughts": shown} if thinking else {}
    if effort == "none":
        return {"thinkingBudget": 0}
    if _LEVELLED.match(asked.get("model") or ""):
        level = "high" if effort == "xhigh" else effort
        return {"thinkingLevel": level.upper(), "includeThoughts": shown}
    return {"thinkingBudget": _BUDGETS.get(effort, 24576), "includeThoughts": shown}


def _google(asked: Document, losses: Losses) -> Document:
    """What Google's own OpenAI form takes beside OpenAI's."""
    extra = asked.get("extra_body") or {}
    for name in extra:
        if name != "google":
            losses.cannot(f"extra_body.{name}", "Gemini has no such thing")
    google = extra.get("google") or {}
    for name in google:
        if name not in ("thinking_config", "cached_content"):
            losses.cannot(f"extra_body.google.{name}", "Google has no such thing")
    return google if isinstance(google, dict) else {}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


# ---- tools


def _tools(asked: Document, losses: Losses) -> Document:
    declared, strict = [], False
    for nth, tool in enumerate(asked.get("tools") or ()):
        if tool.get("type") != "function":
            losses.cannot(f"tools.{nth}.type", "Gemini calls functions only")
            continue
        function = tool["function"]
        strict = strict or function.get("strict") is True
        one = {key: function[key] for key in ("name", "description") if function.get(key)}
        if function.get("parameters"):
            one["parametersJsonSchema"] = function["parameters"]
        declared.append(one)
    request: Document = {}
    tools: list[Document] = [{"functionDeclarations": declared}] if declared else []
    if "web_search_options" in asked:
        tools.append({"googleSearch": {}})
        for name, value in asked["web_search_options"].items():
            if value is not None and (name, value) != ("search_context_size", "medium"):
                losses.cannot(f"web_search_options.{name}", "Google searches by its own lights")
    if tools:
        request["tools"] = tools
    calling = _calling(asked.get("tool_choice"), losses)
    if strict and calling.get("mode", "AUTO") == "AUTO":
        calling["mode"] = "VALIDATED"
    if calling and declared:
        request["toolConfig"] = {"functionCallingConfig": calling}
    return request


_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def _calling(choice: object, losses: Losses) -> Document:
    match choice:
        case None:
            return {}
        case str() if choice in _MODES:
            return {"mode": _MODES[choice]}
        case {"type": "function", "function": {"name": name}}:
            return {"mode": "ANY", "allowedFunctionNames": [name]}
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}:
            functions = [tool.get("function") or {} for tool in tools]
            names = [function["name"] for function in functions if "name" in function]
            # AUTO takes no names; VALIDATED is the same with them.
            return {
                "mode": "ANY" if mode == "required" else "VALIDATED",
                "allowedFunctionNames": names,
            }
        case _:
            losses.cannot("tool_choice", "Gemini has no such choice")
            return {}


# ---- what has been said


class _Contents:
    """The messages, turned into contents. Results of tools stand together, behind their calls."""

    def __init__(self, chat: Document, losses: Losses, *, ids: bool) -> None:
        self._messages: list[Document] = chat["messages"]
        self._losses = losses
        self._ids = ids
        self._signs = bool(_LEVELLED.match(chat.get("model") or ""))
        self._names: dict[str, str] = {}  # the function that each call calls, by the call's id
        self._results: list[Document] = []
        self._shown: list[Document] = []  # what tools show rather than say: the user's to show
        self._contents: list[Document] = []

    def written(self) -> tuple[list[Document], list[Document]]:
        system: list[Document] = []
        for nth, message in enumerate(self._messages):
            at = f"messages.{nth}"
            role = message.get("role")
            if role == "tool":
                self._result(message, at)
                continue
            self._flush()
            said = list(parts(message.get("content"), f"{at}.content", self._losses))
            if message.get("name") is not None:
                self._losses.cannot(f"{at}.name", "Gemini has no names for speakers")
            match role:
                case "system" | "developer":
                    system.extend(said)
                case "assistant":
                    self._add("model", self._spoken(message, said, at))
                case _:
                    self._add("user", said or [{"text": ""}])
        self._flush()
        if not self._contents:  # something has to be asked
            return [], [{"role": "user", "parts": system}]
        return system, self._contents

    def _add(self, role: str, said: list[Document]) -> None:
        """One after another of the same side are one turn; results of tools stay by themselves."""
        last = self._contents[-1] if self._contents else None
        if last is not None and last["role"] == role and "functionResponse" not in last["parts"][0]:
            last["parts"].extend(said)
        elif said:
            self._contents.append({"role": role, "parts": said})

    def _flush(self) -> None:
        if self._results:
            self._contents.append({"role": "user", "parts": self._results})
            self._results = []
        if self._shown:
            self._contents.append({"role": "user", "parts": self._shown})
            self._shown = []

    # ---- the model's side

    def _spoken(self, message: Document, said: list[Document], at: str) -> list[Document]:
        if message.get("audio") is not None:
            self._losses.cannot(f"{at}.audio", "Gemini has no sound of another's answer")
        if message.get("refusal"):
            said.append({"text": message["refusal"]})
        said.extend(parts(message.get("images"), f"{at}.images", self._losses))
        signature = signature_of(message.get("extra_content"))
        if signature:
            if not said:
                said.append({"text": ""})
            said[-1]["thoughtSignature"] = signature
        calls = [self._call(call) for call in message.get("tool_calls") or ()]
        if self._signs and calls and not any("thoughtSignature" in call for call in calls):
            calls[0]["thoughtSignature"] = _UNSIGNED
        return [*_thoughts(message), *said, *calls]

    def _call(self, call: Document) -> Document:
        function = call.get("function") or {}
        name, told = function.get("name") or "", call.get("id") or ""
        self._names[told] = name
        written: Document = {"name": name, "args": _object(function.get("arguments")) or {}}
        if self._ids and told:
            written["id"] = told
        signature = signature_of(call.get("extra_content"))
        part: Document = {"functionCall": written}
        if signature:
            part["thoughtSignature"] = signature
        return part

    # ---- its tools'

    def _result(self, message: Document, at: str) -> None:
        told = message.get("tool_call_id") or ""
        name = message.get("name") or self._names.get(told)
        if name is None:
            self._losses.cannot(f"{at}.tool_call_id", "no call before it has this id")
            return
        content = message.get("content")
        response: Document = {"name": name, "response": _response(message, content)}
        if self._ids and told:
            response["id"] = told
        self._results.append({"functionResponse": response})
        said = content if isinstance(content, list) else []
        seen = [part for part in said if part.get("type") != "text"]
        if seen:
            self._shown.append({"text": f"Shown by {name}:"})
            self._shown.extend(parts(seen, f"{at}.content", self._losses))


def _thoughts(message: Document) -> Iterator[Document]:
    """Its reasoning: with a signature where that is Google's, without where it is another's."""
    told = ""
    for block in message.get("thinking_blocks") or ():
        text, signature = block.get("thinking") or "", block.get("signature") or ""
        told += text
        part: Document = {"text": text, "thought": True}
        if signature.startswith(OWN):
            part["thoughtSignature"] = signature.removeprefix(OWN)
        if text or "thoughtSignature" in part:
            yield part
    rest = (message.get("reasoning_content") or "").removeprefix(told)
    if rest:
        yield {"text": rest, "thought": True}


def _response(message: Document, content: object) -> Document:
    """An object is a result as it stands; anything else is Google's `output`, or `error`."""
    text = text_of(content)
    if message.get("is_error"):
        return {"error": text}
    found = _object(text)
    return {"output": text} if found is None else found


_any_object: Final = msgspec.json.Decoder(Document).decode


def _object(text: object) -> Document | None:
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return None
    try:
        return _any_object(text)
    except (msgspec.DecodeError, RecursionError):
        return None
