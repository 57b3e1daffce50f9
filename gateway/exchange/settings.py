"""What a route says of every request (`defaults`, `force`), put into a client's own words.

The config says it in the lingua franca's names; a language's own names may stand there as well, and
go out as they are. What a language has no word for is left out, and told.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from gateway.chat.operation import Operation
from gateway.dialects.base import Losses
from gateway.wire import json

# Questions that nothing is said for: how many tokens there are does not depend on it.
_COUNTING: Final = frozenset({Operation.COUNT_TOKENS, Operation.COUNT_CONTENT})
_SOUGHT: Final = {"max_completion_tokens", "max_tokens"}
# Two names of one thing, of which a target may know either and heed only one.
_TWINS: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
V = TypeVar("V")
# By language, what it calls otherwise; None: it has no such thing.
_NONE: Final[Mapping[str, str | None]] = dict.fromkeys(
    (
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "n",
        "presence_penalty",
        "response_format",
        "seed",
        "top_logprobs",
    )
)
_ANTHROPIC: Final[Mapping[str, str | None]] = {
    **_NONE,
    "max_completion_tokens": "max_tokens",
    "stop": "stop_sequences",
}
_RESPONSES: Final[Mapping[str, str | None]] = {
    **_NONE,
    "top_logprobs": "top_logprobs",
    "stop": None,
    "top_k": None,
    **dict.fromkeys(_SOUGHT, "max_output_tokens"),
}
_GEMINI: Final[Mapping[str, str | None]] = {
    **_NONE,
    **dict.fromkeys(_SOUGHT, "maxOutputTokens"),
    "frequency_penalty": "frequencyPenalty",
    "n": "candidateCount",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "stop": "stopSequences",
    "temperature": "temperature",
    "top_k": "topK",
    "top_p": "topP",
}
_FLAT: Final = {Operation.MESSAGES: _ANTHROPIC, Operation.RESPONSES: _RESPONSES}
_LISTS: Final = frozenset({"stop_sequences", "stopSequences"})
_CONFIG: Final = ("generationConfig", "generation_config")  # Google takes either
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def settled(
    operation: Operation,
    fields: json.Fields,
    defaults: json.Fields,
    force: json.Fields,
    losses: Losses,
) -> json.Fields:
    """The client's document with it; never the one that came in."""
    if operation in _COUNTING:
        return fields
    if operation is Operation.GENERATE:
        return _google(fields, defaults, force, losses)
    words = _FLAT.get(operation)
    if words is not None:
        defaults, force = _said(defaults, words, losses), _said(force, words, losses)
    return overlaid(fields, defaults, force)


def overlaid(
    asked: Mapping[str, V], defaults: Mapping[str, V], force: Mapping[str, V]
) -> dict[str, V]:
    """What is asked over the defaults, what is forced over both: under either of its names."""
    kept = {name: value for name, value in defaults.items() if _TWINS.get(name) not in asked}
    said = {**kept, **asked}
    free = {name: value for name, value in said.items() if _TWINS.get(name) not in force}
    return {**free, **force}


def _said(given: json.Fields, words: Mapping[str, str | None], losses: Losses) -> json.Fields:
    """In a language's words."""
    said: dict[str, msgspec.Raw] = {}
    for name, value in given.items():
        word = words.get(name, name)
        if word is None:
            losses.cannot(name, "the client's language has no such thing")
        else:
            said[word] = _listed(value) if word in _LISTS else value
    return said


def _listed(value: msgspec.Raw) -> msgspec.Raw:
    return value if bytes(value).startswith(b"[") else msgspec.Raw(b"[%b]" % bytes(value))


def _google(
    fields: json.Fields, defaults: json.Fields, force: json.Fields, losses: Losses
) -> json.Fields:
    """Most of it has its place in the generation's config."""
    place = next((name for name in _CONFIG if name in fields), _CONFIG[0])
    config = _config(fields.get(place))
    known = {_camel(name) for name in config}
    before, after = _parted(defaults, losses), _parted(force, losses)
    first = {name: value for name, value in before[1].items() if name not in known}
    kept = {name: value for name, value in config.items() if _camel(name) not in after[1]}
    merged = {**first, **kept, **after[1]}
    whole = {**before[0], **fields, **after[0]}
    if merged:
        whole[place] = msgspec.Raw(json.write(merged))
    return whole


def _parted(given: json.Fields, losses: Losses) -> tuple[json.Fields, json.Fields]:
    """What stands in the document itself, and what in its config, in Google's words."""
    beside: dict[str, msgspec.Raw] = {}
    inside: dict[str, msgspec.Raw] = {}
    for name, value in given.items():
        if name in _CONFIG:
            inside |= {_camel(key): one for key, one in _config(value).items()}
        elif name in _GEMINI:
            inside |= _said({name: value}, _GEMINI, losses)
        else:
            beside[name] = value
    return beside, inside


def _config(raw: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    return {} if raw is None or bytes(raw) == b"null" else _object(raw)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
