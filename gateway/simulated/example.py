"""A value that fits a JSON Schema roughly: types, enums, required and nested properties, bounds.

Pure. Not read: patterns, dependencies, conditions, and $ref to other documents.
"""

from collections.abc import Iterator
from typing import Final, TypeGuard

MAX_DEPTH: Final = 12  # a schema that refers to itself ends here
MAX_VALUES: Final = 500  # of one example; a schema may multiply what it repeats
_MAX_NUMBER: Final = 1 << 53  # what every JSON reader can hold

_FORMATS: Final = {
    "date": "2030-01-01",
    "date-time": "2030-01-01T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}
_STRINGS: Final = ("simulated", "example", "sample", "pretend")


def fitting(schema: object, draws: Iterator[int]) -> object:
    """draws are numbers from 0 to 255: the same draws give the same value."""
    return _Maker(schema, draws).value(schema, MAX_DEPTH)


def _mapping(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


class _Maker:
    def __init__(self, root: object, draws: Iterator[int]) -> None:
        self._root = root
        self._draws = draws
        self._left = MAX_VALUES

    def value(self, schema: object, depth: int) -> object:
        self._left -= 1
        if not _mapping(schema) or depth == 0 or self._left < 0:
            return None
        given, found = _given(schema, self._draws)
        if found:
            return given
        if isinstance(reference := schema.get("$ref"), str):
            return self.value(self._referred(reference), depth - 1)
        for word in ("anyOf", "oneOf", "allOf"):
            if isinstance(options := schema.get(word), list) and options:
                return self._merged(schema, options, word, depth)
        return self._typed(schema, depth)

    def _merged(
        self, schema: dict[str, object], options: list[object], word: str, depth: int
    ) -> object:
        """The first option that says something, or for allOf all that their objects hold."""
        if word != "allOf":
            return self.value(options[next(self._draws) % len(options)], depth - 1)
        values = [self.value(option, depth - 1) for option in options]
        if "properties" in schema:
            values.append(self._object(schema, depth))
        objects = [value for value in values if _mapping(value)]
        return {k: v for each in objects for k, v in each.items()} if objects else values[0]

    def _referred(self, reference: str) -> object:
        """What a reference within the same document points to (RFC 6901)."""
        here: object = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            if not _mapping(here):
                return None
            here = here.get(step.replace("~1", "/").replace("~0", "~"))
        return here

    def _typed(self, schema: dict[str, object], depth: int) -> object:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        match kind:
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return self._number(schema)
            case "boolean":
                return next(self._draws) % 2 == 0
            case "array":
                return self._array(schema, depth)
            case "null":
                return None
            case _:
                return self._object(schema, depth)

    def _object(self, schema: dict[str, object], depth: int) -> dict[str, object]:
        properties = schema.get("properties")
        if not _mapping(properties):
            return {}
        required = schema.get("required")
        names = required if isinstance(required, list) else list(properties)
        return {
            name: self.value(properties[name], depth - 1) for name in properties if name in names
        }

    def _array(self, schema: dict[str, object], depth: int) -> list[object]:
        least = _bound(schema, "minItems", 1)
        most = _bound(schema, "maxItems", max(least, 1))
        return [self.value(schema.get("items"), depth - 1) for _ in range(min(least, most, 100))]

    def _string(self, schema: dict[str, object]) -> str:
        form = schema.get("format")
        if isinstance(form, str) and form in _FORMATS:
            return _FORMATS[form]
        word = _STRINGS[next(self._draws) % len(_STRINGS)]
        least, most = _bound(schema, "minLength", 0), _bound(schema, "maxLength", len(word))
        return word.ljust(min(least, 1000), "x")[: max(least, most)]

    def _number(self, schema: dict[str, object]) -> int | float:
        step = max(1, _bound(schema, "multipleOf", 1))
        least = _bound(schema, "minimum", _bound(schema, "exclusiveMinimum", -1) + 1)
        most = _bound(schema, "maximum", _bound(schema, "exclusiveMaximum", least + 10 * step) - 1)
        low, high = -(-least // step), most // step
        return step * (low + next(self._draws) % max(1, high - low + 1))


def _given(schema: dict[str, object], draws: Iterator[int]) -> tuple[object, bool]:
    """What the schema itself names as a value, and whether it does."""
    if "const" in schema:
        return schema["const"], True
    if isinstance(choices := schema.get("enum"), list) and choices:
        return choices[next(draws) % len(choices)], True
    return None, False


def _bound(schema: dict[str, object], word: str, otherwise: int) -> int:
    number = schema.get(word)
    if not isinstance(number, int | float):
        return otherwise
    return int(min(max(number, -_MAX_NUMBER), _MAX_NUMBER))
