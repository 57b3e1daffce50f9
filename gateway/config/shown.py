"""A config as an admin may see it: what is in force, with every secret masked."""

import re
from typing import Final

import msgspec

from gateway.config.schema import Config
from gateway.config.secret import HIDDEN, Secret

_USER: Final = re.compile(r"(?<=://)[^/@\s]*@")  # of a URL; it may hold a password


def shown(config: Config) -> object:
    """As JSON values."""
    return _masked(msgspec.to_builtins(config, enc_hook=_hidden, builtin_types=(bytes,)))


def _hidden(value: object) -> str:
    if isinstance(value, Secret):
        return HIDDEN if value else ""
    raise TypeError(type(value))


def _masked(value: object) -> object:
    match value:
        case bytes():  # digests
            return HIDDEN
        case str():
            return _USER.sub(f"{HIDDEN}@", value)
        case dict():
            return {str(name): _masked(one) for name, one in value.items()}
        case list() | tuple():
            return [_masked(one) for one in value]
        case _:
            return value
