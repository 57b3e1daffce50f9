"""What one request of a key may ask for at most: choices, tokens, messages, bytes.

Whatever the dialect calls it: the fields are looked at as they stand in the body. A field that is
not there asks for nothing; one that is no number is somebody else's to refuse.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.config.schema import Caps
from gateway.errors import Code, GatewayError

# As `_plain` has them: a reader of camelCase may take any mixture with snake_case for it.
_CHOICES: Final = frozenset({"n", "bestof", "candidatecount"})
_TOKENS: Final = frozenset(
    {"maxtokens", "maxcompletiontokens", "maxoutputtokens", "numpredict"},
)
_MESSAGES: Final = ("messages", "input", "prompt", "contents")
_NESTED: Final = ("generationConfig", "generation_config")  # Gemini's own place for the same
_number: Final = msgspec.json.Decoder(float).decode
_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def check_size(caps: Caps, body_bytes: int) -> None:
    """Raises GatewayError."""
    _hold("the body", "bytes", body_bytes, caps.body_bytes)


def check(caps: Caps, fields: Mapping[str, msgspec.Raw]) -> None:
    """fields: the top level of the body. Raises GatewayError."""
    for at in _levels(fields):
        for name, raw in at.items():
            word = _plain(name)
            if word in _CHOICES:
                _hold(name, "", _amount(raw), caps.n)
            elif word in _TOKENS:
                _hold(name, "", _amount(raw), caps.max_tokens)
    for name in _MESSAGES:
        _hold(name, "items", _length(fields.get(name)), caps.messages)


def _levels(fields: Mapping[str, msgspec.Raw]) -> Iterator[Mapping[str, msgspec.Raw]]:
    yield fields
    for name in _NESTED:
        if name in fields:
            try:
                yield _object(fields[name])
            except msgspec.DecodeError:
                continue


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _amount(raw: msgspec.Raw) -> float:
    try:
        return _number(raw)
    except msgspec.DecodeError:
        return 0


def _length(raw: msgspec.Raw | None) -> int:
    """A list of numbers is one prompt, in tokens."""
    try:
        items = [] if raw is None else _items(raw)
    except msgspec.DecodeError:
        return 0
    return 1 if items and bytes(items[0])[:1].isdigit() else len(items)


def _hold(name: str, unit: str, asked: float, most: int | None) -> None:
    if most is not None and asked > most:
        words = f"{name}: this key may ask for {most} {unit}".rstrip() + " at most"
        param = None if name == "the body" else name
        raise GatewayError(Code.PARAM_LIMIT, words, param=param)
