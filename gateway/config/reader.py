"""A tree of nodes into the values that the types describe; every fault is noted, none stops it.

Driven by msgspec's description of `written.File`. A value that is wrong is left out (its default
stands in, else the thing that needs it is left out too), so that the rest is still looked at.
"""

import functools
from collections.abc import Callable, Mapping
from typing import assert_never, cast

import msgspec
from msgspec import inspect

from gateway.config import environment, scalars
from gateway.config.faults import Path, nearest, shortened
from gateway.config.findings import NOTHING, Findings, Found, Nothing
from gateway.config.nodes import Items, Node, Scalar, Section
from gateway.config.scalars import Wrong
from gateway.config.schema import Address
from gateway.config.secret import Secret
from gateway.config.written import File

FILE_REFERENCE = "file:"


@functools.cache
def described(cls: type[msgspec.Struct]) -> inspect.StructType:
    kind = inspect.type_info(cls)
    if not isinstance(kind, inspect.StructType):
        raise TypeError(cls)
    return kind


class Reader:
    def __init__(
        self, env: Mapping[str, str], read_secret: Callable[[str], str], findings: Findings
    ) -> None:
        self._env = env
        self._read_secret = read_secret
        self._findings = findings

    def file(self, node: Node) -> File | None:
        """None if a required part is missing or wrong."""
        value = self._read(described(File), node, ())
        return None if isinstance(value, Nothing) else cast(File, value)  # by its description

    def _read(self, kind: inspect.Type, node: Node, path: Path) -> object:
        self._findings.found[path] = Found(node, NOTHING)
        try:
            value = self._value(_bare(kind), node, path)
        except (Wrong, environment.Unresolved) as wrong:
            self._findings.blame(node.place, path, str(wrong))
            return NOTHING
        self._findings.found[path] = Found(node, value)
        return value

    def _value(self, kind: inspect.Type, node: Node, path: Path) -> object:
        match kind:
            case inspect.UnionType():
                return self._one_of(kind, node, path)
            case inspect.CustomType(cls=cls) if cls is object:
                return self._json(node, path)
            case inspect.StructType(cls=cls) if cls is not Address:
                return self._struct(kind, _section(node), path)
            case inspect.DictType():
                return self._names(kind, _section(node), path)
            case inspect.VarTupleType():
                return self._items(kind, node, path)
            case _:
                return self._scalar(kind, node)

    # Nodes that hold others.

    def _one_of(self, kind: inspect.UnionType, node: Node, path: Path) -> object:
        kinds = [one for one in map(_bare, kind.types) if not isinstance(one, inspect.NoneType)]
        optional = len(kinds) < len(kind.types)
        if optional and isinstance(node, Scalar) and node.empty:
            return None
        for one in kinds:
            if _holds(one, node):
                return self._value(one, node, path)
        raise Wrong(f"must be {' or '.join(map(expected, kinds))}")

    def _struct(self, kind: inspect.StructType, section: Section, path: Path) -> object:
        fields = {field.name: field for field in kind.fields}
        values: dict[str, object] = {}
        for name, entry in section.entries.items():
            field = fields.get(name)
            if field is None:
                message = f"unknown key {shortened(name)!r}{nearest(name, fields)}"
                self._findings.blame(entry.key.place, (*path, name), message)
            else:
                values[name] = self._read(field.type, entry.node, (*path, name))
        for name, field in fields.items():
            if field.required and name not in section.entries:
                message = f"is missing; {expected(_bare(field.type))} belongs here"
                self._findings.blame(section.place, (*path, name), message)
        good = {name: value for name, value in values.items() if value is not NOTHING}
        if any(field.required and name not in good for name, field in fields.items()):
            return NOTHING
        return kind.cls(**good)

    def _names(self, kind: inspect.DictType, section: Section, path: Path) -> object:
        if len(section.entries) < (kind.min_length or 0):
            raise Wrong("is empty; one or more belong here")
        values: dict[str, object] = {}
        for name, entry in section.entries.items():
            key = _bare(kind.key_type)
            if isinstance(key, inspect.StrType):
                try:
                    scalars.printable(name, key)
                except Wrong as wrong:
                    self._findings.blame(entry.key.place, (*path, name), f"the name {wrong}")
                    continue
            value = self._read(kind.value_type, entry.node, (*path, name))
            if value is not NOTHING:
                values[name] = value
        return values

    def _items(self, kind: inspect.VarTupleType, node: Node, path: Path) -> object:
        nodes = _items(node)
        if len(nodes) < (kind.min_length or 0):
            raise Wrong("is empty; one or more belong here")
        values = [self._read(kind.item_type, one, (*path, i)) for i, one in enumerate(nodes)]
        return tuple(value for value in values if value is not NOTHING)

    def _json(self, node: Node, path: Path) -> object:
        match node:
            case Scalar():
                text = self._filled(node)
                return scalars.json_value(text, plain=node.plain)
            case Items():
                kind: inspect.Type = inspect.VarTupleType(_JSON)
                values = self._value(kind, node, path)
                return list(cast(tuple[object, ...], values))  # as _items() makes them
            case Section():
                return self._value(inspect.DictType(inspect.AnyType(), _JSON), node, path)
            case _:
                assert_never(node)

    # Scalars.

    def _scalar(self, kind: inspect.Type, node: Node) -> object:
        if not isinstance(node, Scalar):
            raise Wrong(f"must be {expected(kind)}")
        if isinstance(kind, inspect.CustomType):
            return self._secret(node)
        if node.plain and not node.text:
            raise Wrong(f"is empty; {expected(kind)} belongs here")
        text = self._filled(node)
        # What comes out of the environment is a text anyway, so quotes around it say nothing.
        if not node.plain and text == node.text and isinstance(kind, _BARE_ONLY):
            raise Wrong(f"must be {expected(kind)}, without quotes")
        return _meaning(kind, text)

    def _filled(self, node: Scalar) -> str:
        text = environment.filled(node.text, self._env)
        if text is not node.text and any("\ud800" <= sign <= "\udfff" for sign in text):
            raise Wrong("the environment has bytes for it that are no UTF-8")
        return text

    def _secret(self, node: Scalar) -> Secret:
        if node.empty:
            return Secret("")
        text = self._filled(node)
        # Only the file itself may point to another file, not what the environment put in.
        if not node.text.startswith(FILE_REFERENCE):
            return Secret(text)
        path = text.removeprefix(FILE_REFERENCE)
        if not path.startswith("/"):
            raise Wrong("must name a secret's file by its whole path, such as file:/run/secrets/x")
        try:
            secret = self._read_secret(path)
        except OSError as error:
            reason = error.strerror or "it is not there"
            raise Wrong(f"the secret's file cannot be read: {reason}") from None
        except ValueError:
            raise Wrong("the secret's file cannot be read: not a text") from None
        if not secret:
            raise Wrong("the secret's file is empty")
        return Secret(secret)


def expected(kind: inspect.Type) -> str:
    """What belongs there, in words."""
    match kind:
        case inspect.StructType(cls=cls):
            return "host:port" if cls is Address else "a section of keys and values"
        case inspect.DictType():
            return "a section of names and values"
        case inspect.VarTupleType():
            return "a list, such as [a, b]"
        case inspect.LiteralType():
            return f"one of {', '.join(map(str, kind.values))}"
        case inspect.UnionType():
            return " or ".join(expected(_bare(one)) for one in kind.types)
        case _:
            return _WORDS.get(type(kind), "a text")


def _meaning(kind: inspect.Type, text: str) -> object:
    match kind:
        case inspect.StructType():
            try:
                return Address.parse(text)
            except ValueError as error:
                raise Wrong(str(error)) from None
        case inspect.IntType():
            return scalars.whole(text, kind)
        case inspect.FloatType():
            return scalars.number(text, kind)
        case inspect.BoolType():
            return scalars.boolean(text)
        case inspect.LiteralType():
            return scalars.word(text, kind)
        case inspect.StrType():
            return scalars.printable(text, kind)
        case _:
            raise TypeError(kind)


def _bare(kind: inspect.Type) -> inspect.Type:
    """The type without its docs."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind


def _holds(kind: inspect.Type, node: Node) -> bool:
    match kind:
        case inspect.StructType(cls=cls) if cls is not Address:
            return isinstance(node, Section)
        case inspect.DictType():
            return isinstance(node, Section)
        case inspect.VarTupleType():
            return isinstance(node, Items)
        case _:
            return isinstance(node, Scalar)


def _section(node: Node) -> Section:
    if isinstance(node, Scalar) and node.empty:
        return Section(node.place, {})
    if not isinstance(node, Section):
        raise Wrong("must be a section of keys and values")
    return node


def _items(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Scalar) and node.empty:
        return ()
    if not isinstance(node, Items):
        raise Wrong("must be a list, such as [a, b]")
    return node.items


_JSON = inspect.CustomType(object)
_BARE_ONLY = (inspect.IntType, inspect.FloatType, inspect.BoolType)
_WORDS: dict[type[inspect.Type], str] = {
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
}
