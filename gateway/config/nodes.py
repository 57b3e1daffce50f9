"""The file's text as a small tree of nodes that know their places. No tag constructs anything.

Scalars keep their text: what it means is for the type that is expected there to say, so that a
model called 1.5 or on is a name. Bombs are refused while the events of libyaml come in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import yaml

from gateway.config.faults import MAX_FAULTS, ConfigError, Fault, Path, dotted, shortened

MAX_BYTES = 1 << 20  # of text; a thousand models take a tenth of it
MAX_DEPTH = 20
MAX_ANCHORS = 100  # anchors and aliases
MAX_NODES = 100_000  # with every alias written out

# These do not repeat what is there: it may be a secret that wants quotes.
_TAG = "tags have no meaning here; a text that begins with '!' stands in quotes"
_ALIAS = "this alias has no anchor before it; a text that begins with '*' stands in quotes"
_TOO_DEEP = f"nested more than {MAX_DEPTH} deep"


@dataclass(frozen=True, slots=True)
class Place:
    source: str  # the file, or "--set KEY"
    line: int  # from 1; 0: the source as a whole
    column: int

    def fault(self, path: Path, message: str) -> Fault:
        return Fault(self.source, self.line, self.column, dotted(path), message)


@dataclass(frozen=True, slots=True)
class Scalar:
    place: Place
    text: str
    plain: bool  # written without quotes

    @property
    def empty(self) -> bool:
        return self.plain and self.text in ("", "~", "null")


@dataclass(frozen=True, slots=True)
class Items:
    place: Place
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Section:
    place: Place
    entries: dict[str, "Entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    key: Scalar
    node: "Node"


Node = Scalar | Items | Section


def compose(text: str | bytes, source: str, *, placed: bool = True) -> tuple[Node, list[Fault]]:
    """The tree, and the keys that stand there twice. Raises ConfigError if it is no tree at all.

    Without `placed`, all faults are at the source as a whole.
    """
    composer = _Composer(source, placed)
    try:
        composer.feed(_utf8(text, source))
    except yaml.reader.ReaderError as error:
        raise ConfigError([Fault(source, 0, 0, "", f"not YAML: {error.reason}")]) from None
    except yaml.MarkedYAMLError as error:
        place = composer.place(error.problem_mark)
        raise ConfigError([place.fault((), f"not YAML: {error.problem}")]) from None
    except yaml.YAMLError:
        raise ConfigError([Fault(source, 0, 0, "", "not YAML")]) from None
    return composer.root, composer.faults


def _utf8(text: str | bytes, source: str) -> bytes:
    try:
        octets = text.encode() if isinstance(text, str) else text
        octets.decode()
    except UnicodeError:
        raise ConfigError([Fault(source, 0, 0, "", "not UTF-8")]) from None
    if len(octets) > MAX_BYTES:
        message = f"larger than {MAX_BYTES} bytes; a config may not be"
        raise ConfigError([Fault(source, 0, 0, "", message)])
    return octets.removeprefix(b"\xef\xbb\xbf")


class _Open:
    """A list or section whose end has not come yet."""

    def __init__(self, place: Place, anchor: str | None, *, section: bool) -> None:
        self.place = place
        self.anchor = anchor
        self.section = section
        self.items: list[Node] = []
        self.entries: dict[str, Entry] = {}
        self.key: Scalar | None = None
        self.weight = 1  # nodes in it, aliases written out
        self.height = 0  # how deep it goes, itself not counted

    def step(self) -> str | int:
        """What leads from here to the node that comes next."""
        return self.key.text if self.key is not None else len(self.items)


class _Known(NamedTuple):
    """A node that is complete, and what it costs to write it out."""

    node: Node
    weight: int
    height: int


class _Mark(Protocol):
    """A place as libyaml tells it; PyYAML has two types for it."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class _Composer:
    """Events in, one tree out; an explicit stack, so depth costs nothing before it is refused."""

    def __init__(self, source: str, placed: bool) -> None:
        self.whole = Place(source, 0, 0)
        self.placed = placed
        self.faults: list[Fault] = []
        self.root: Node = Scalar(self.whole, "", plain=True)
        self._documents = 0
        self._anchors: dict[str, _Known | None] = {}  # None: not closed yet
        self._named = 0
        self._open: list[_Open] = []

    def place(self, mark: _Mark | None) -> Place:
        if mark is None or not self.placed:
            return self.whole
        return Place(self.whole.source, mark.line + 1, mark.column + 1)

    def feed(self, octets: bytes) -> None:
        for event in _events(octets):
            place = self.place(event.start_mark)
            match event:
                case yaml.ScalarEvent():
                    self._check(event, place)
                    scalar = _Known(Scalar(place, event.value, event.implicit[0]), 1, 1)
                    self._complete(scalar, event.anchor, place)
                case yaml.AliasEvent():
                    self._add(self._aliased(event.anchor or "", place), place)
                case yaml.CollectionStartEvent():
                    self._check(event, place)
                    if event.anchor is not None:
                        self._anchors[event.anchor] = None
                    section = isinstance(event, yaml.MappingStartEvent)
                    self._open.append(_Open(place, event.anchor, section=section))
                case yaml.CollectionEndEvent():
                    self._close()
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        raise _refused(place, "a second document begins here; a config is one")
                case _:
                    pass  # begin and end of the stream

    def _check(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, place: Place) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise _refused(place, _TOO_DEEP)
        if event.tag is not None:
            raise _refused(place, _TAG)
        if event.anchor is not None:
            self._count_name(place)

    def _count_name(self, place: Place) -> None:
        self._named += 1
        if self._named > MAX_ANCHORS:
            raise _refused(place, f"more than {MAX_ANCHORS} anchors and aliases")

    def _complete(self, known: _Known, anchor: str | None, place: Place) -> None:
        if anchor is not None:
            self._anchors[anchor] = known
        self._add(known, place)

    def _aliased(self, anchor: str, place: Place) -> _Known:
        self._count_name(place)
        if anchor not in self._anchors:
            raise _refused(place, _ALIAS)
        found = self._anchors[anchor]
        if found is None:
            raise _refused(place, "this alias stands within its own anchor")
        if len(self._open) + found.height > MAX_DEPTH:
            raise _refused(place, _TOO_DEEP)
        return found

    def _add(self, known: _Known, place: Place) -> None:
        node = known.node
        if not self._open:
            self.root = node
            return
        inner = self._open[-1]
        inner.weight += known.weight
        inner.height = max(inner.height, known.height)
        if inner.weight > MAX_NODES:
            raise _refused(place, f"more than {MAX_NODES} values, with the aliases written out")
        if not inner.section:
            inner.items.append(node)
        elif inner.key is None:
            if not isinstance(node, Scalar):
                raise _refused(place, "a key must be a text")
            inner.key = Scalar(place, node.text, node.plain)  # not where its anchor stands
        else:
            self._enter(inner, inner.key, node)
            inner.key = None

    def _enter(self, section: _Open, key: Scalar, node: Node) -> None:
        first = section.entries.get(key.text)
        if key.text == "<<" and key.plain:
            self._blame(key, "merge keys are not read; give a whole section an anchor instead")
        elif first is None:
            section.entries[key.text] = Entry(key, node)
        else:
            also = f", first in line {first.key.place.line}" if first.key.place.line else ""
            message = f"the key {shortened(key.text)!r} stands here twice{also}"
            self._blame(key, message)

    def _blame(self, key: Scalar, message: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            path = (*(outer.step() for outer in self._open[:-1]), key.text)
            self.faults.append(key.place.fault(path, message))

    def _close(self) -> None:
        closed = self._open.pop()
        node: Node
        if closed.section:
            node = Section(closed.place, closed.entries)
        else:
            node = Items(closed.place, tuple(closed.items))
        self._complete(_Known(node, closed.weight, closed.height + 1), closed.anchor, closed.place)


def _events(octets: bytes) -> Iterator[yaml.Event]:
    # The types of PyYAML do not say what parse() gives.
    events: Iterator[yaml.Event] = yaml.parse(octets, Loader=yaml.CSafeLoader)
    return events


def _refused(place: Place, message: str) -> ConfigError:
    return ConfigError([place.fault((), message)])
