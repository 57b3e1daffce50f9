"""What reading a file has found so far: its faults, and what stands where."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from gateway.config.environment import refers
from gateway.config.faults import MAX_FAULTS, ConfigError, Fault, Path, shortened
from gateway.config.nodes import Node, Place, Scalar, Section

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


class Nothing:
    """Stands for a value that could not be read; its fault has been told."""


NOTHING: Final = Nothing()


@dataclass(frozen=True, slots=True)
class Found:
    node: Node
    value: object


@dataclass(slots=True)
class Findings:
    faults: list[Fault] = field(default_factory=list)
    found: dict[Path, Found] = field(default_factory=dict)  # what the file says itself

    def blame(self, place: Place, path: Path, message: str) -> None:
        """Raises ConfigError when there are so many that reading on is of no use."""
        self.faults.append(place.fault(path, message))
        if len(self.faults) >= MAX_FAULTS:
            self.faults.append(place.fault((), "too many faults; reading ends here"))
            raise self.error()

    def error(self) -> ConfigError:
        return ConfigError(sorted(self.faults, key=lambda fault: (fault.line, fault.column)))

    def blame_at(self, path: Path, message: str) -> None:
        """At the place of what is there, else of what should hold it."""
        self.blame(self.place(path), path, message)

    def blame_name(self, path: Path, message: str) -> None:
        """At the place of the name that the path ends in, not of what it names."""
        above = self.found[path[:-1]].node
        entry = above.entries.get(str(path[-1])) if isinstance(above, Section) else None
        self.blame(entry.key.place if entry else above.place, path, message)

    def place(self, path: Path) -> Place:
        while path not in self.found:
            path = path[:-1]
        return self.found[path].node.place

    def given(self, path: Path) -> bool:
        return path in self.found

    def broken(self, path: Path) -> bool:
        """The file says it, and it was told what is wrong with it."""
        return path in self.found and self.found[path].value is NOTHING

    def names(self, path: Path) -> tuple[str, ...]:
        """What stands in a section, readable or not."""
        found = self.found.get(path)
        return tuple(found.node.entries) if found and isinstance(found.node, Section) else ()

    def items(self, path: Path, kind: type[T]) -> Iterator[tuple[Path, T]]:
        """The readable items of a list, each with its place in the file."""
        for index in itertools.count():
            found = self.found.get((*path, index))
            if found is None:
                return
            if isinstance(found.value, kind):
                yield (*path, index), found.value

    def over(self, base: S, own: S, path: Path) -> S:
        """The base, but for the keys that the file says itself below this path."""
        said = [name for name in own.__struct_fields__ if (*path, name) in self.found]
        return msgspec.structs.replace(base, **{name: getattr(own, name) for name in said})

    def quoted(self, path: Path, piece: str) -> str:
        """The piece as it may be shown: as the file has it, not as the environment filled it."""
        found = self.found.get(path)
        if found is not None and isinstance(found.node, Scalar) and refers(found.node.text):
            return repr(shortened(found.node.text))
        return repr(shortened(piece))
