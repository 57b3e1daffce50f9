"""Examples fit the schemas that callers really send, and end for those that they should not."""

import itertools
from collections.abc import Iterator

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulated.example import MAX_VALUES, fitting

TREE: dict[str, object] = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/node"}},
            "required": ["name"],
        }
    },
}

SCHEMAS: list[dict[str, object]] = [
    {"type": "string", "minLength": 12, "maxLength": 20},
    {"type": "string", "maxLength": 3},
    {"type": "string", "format": "date-time"},
    {"type": "integer", "minimum": 5, "maximum": 7},
    {"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 7},
    {"type": "integer", "minimum": 7, "multipleOf": 5},
    {"type": "number", "maximum": 3},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["null", "string"]},
    {"enum": ["celsius", "fahrenheit"]},
    {"const": {"a": 1}},
    {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 4},
    {"type": "array", "maxItems": 0},
    {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}]},
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        "required": ["city"],
        "additionalProperties": False,
    },
    TREE,
]


def draws(first: int = 0) -> Iterator[int]:
    return itertools.cycle(itertools.chain(range(first, 256), range(first)))


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
@pytest.mark.parametrize("first", range(0, 256, 17))
def test_an_example_fits(schema: dict[str, object], first: int) -> None:
    jsonschema.validate(fitting(schema, draws(first)), schema)


def test_the_same_draws_give_the_same_example() -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 9}
    assert fitting(schema, draws()) == fitting(schema, draws()) != fitting(schema, draws(1))


def test_what_is_not_required_is_left_out() -> None:
    properties = {"a": {"const": 1}, "b": {"const": 2}}
    assert fitting({"properties": properties, "required": ["b"]}, draws()) == {"b": 2}
    assert fitting({"properties": properties}, draws()) == {"a": 1, "b": 2}


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    loop = {"type": "object", "properties": {"again": {"$ref": "#"}}}
    assert isinstance(fitting(loop, draws()), dict)


def test_a_schema_that_multiplies_stays_small() -> None:
    bomb = {"type": "array", "items": {"$ref": "#"}, "minItems": 100}
    assert len(msgspec.json.encode(fitting(bomb, draws()))) < 200 * MAX_VALUES


named = ["type", "properties", "items", "enum", "anyOf", "allOf", "$ref", "required", "format"]
bounds = ["minimum", "maximum", "multipleOf", "minItems", "maxItems", "minLength", "maxLength"]
words = st.sampled_from(named + bounds)
kinds = st.sampled_from(["string", "integer", "number", "array", "object", "null", "#", "#/a/b"])
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | kinds
schemas = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4)
)


@given(schemas)
def test_no_schema_whatever_breaks_it(schema: object) -> None:
    msgspec.json.encode(fitting(schema, draws()))
