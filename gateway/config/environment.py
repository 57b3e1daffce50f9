"""${NAME} and ${NAME:-default} within a text. Pure: the environment is an argument."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(
    r"\$\$\{"  # stands for a literal ${
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<given>:-(?P<default>[^{}]*))?\}"
    r"|\$\{",
    re.A,
)


class Unresolved(ValueError):
    """A reference that cannot be followed. Its text names the variable, never a value."""


def refers(text: str) -> bool:
    return "${" in text


def filled(text: str, env: Mapping[str, str]) -> str:
    """The text with every reference replaced; what was put in is not looked at again."""
    if not refers(text):
        return text
    return _REFERENCE.sub(lambda found: _value(found, env), text)


def _value(found: re.Match[str], env: Mapping[str, str]) -> str:
    if found[0] == "$${":
        return "${"
    name = found["name"]
    if name is None:
        raise Unresolved(
            "has a '${' that begins no ${NAME} or ${NAME:-default}; write $${ for a literal one"
        )
    value = env.get(name, "")
    if value:
        return value
    if found["given"] is not None:
        return found["default"]
    if name in env:
        raise Unresolved(
            f"environment variable {name} is empty; write ${{{name}:-}} where that is meant"
        )
    raise Unresolved(f"environment variable {name} is not set")
