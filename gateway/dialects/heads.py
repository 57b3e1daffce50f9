"""A client's body, read once and shallowly, in whatever dialect: what is at fault is named."""

import re
from collections.abc import Collection
from typing import Final

import msgspec

from gateway.errors import Code, GatewayError
from gateway.wire import json

_AT: Final = re.compile(r" - at `(key in )?\$\.?(.*)`$")
_MISSING: Final = re.compile(r"^Object missing required field `(.+?)`")
_JSON_CODES: Final = {
    "syntax": Code.INVALID_JSON,
    "shape": Code.INVALID_BODY,
    "depth": Code.TOO_DEEP,
    "duplicate": Code.DUPLICATE_KEY,
    "number": Code.INVALID_VALUE,
}


def fields(body: bytes, known: Collection[str]) -> json.Fields:
    """The shallow document; known: the keys that decide something here. Raises GatewayError."""
    try:
        document = json.read(body)
    except json.JsonError as error:
        raise GatewayError(_JSON_CODES[error.reason], str(error), param=error.key) from None
    for key in document:
        # Go's encoding/json takes "Model" for "model": a backend would read what we did not.
        if key not in known and key.casefold() in known:
            meant = key.casefold()
            raise GatewayError(
                Code.INVALID_VALUE, f"{key!r} must be written {meant!r}", param=meant
            )
    return document


def misfit(error: msgspec.ValidationError) -> GatewayError:
    """msgspec's words, in the API's: which field, and what would be right."""
    words = str(error)
    at = _AT.search(words)
    path = at.group(2).replace("[...]", "") if at else ""
    words = _AT.sub("", words)
    missing = _MISSING.match(words)
    if missing:
        param = f"{path}.{missing.group(1)}" if path else missing.group(1)
        return GatewayError(Code.MISSING_VALUE, f"{param} is required", param=param)
    plain = words.replace("`", "").replace("Expected", "expected").replace(" | null", "")
    return GatewayError(Code.INVALID_VALUE, f"{path or 'the body'}: {plain}", param=path or None)
