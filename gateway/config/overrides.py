"""--set KEY=VALUE: one value of the tree replaced by its dotted key, in a new tree.

A name with a dot in it stands in double quotes: models."gpt-5.6".targets[0].weight=3
"""

import re
from collections.abc import Sequence

from gateway.config.faults import ConfigError, Fault, Path, dotted, shortened
from gateway.config.nodes import MAX_DEPTH, Entry, Items, Node, Place, Scalar, Section, compose

_STEP = re.compile(r'\.?(?:"([^"]*)"|([^.\[\]"]+))|\[([0-9]{1,6})\]')


def applied(root: Node, overrides: Sequence[tuple[str, str]], faults: list[Fault]) -> Node:
    """Faults are added for those that cannot be; they change nothing."""
    for key, text in overrides:
        source = f"--set {key}"
        try:
            value, twice = compose(text, source, placed=False)
            faults.extend(twice)
            root = _replaced(root, _path(key, source), (), value, Place(source, 0, 0))
        except ConfigError as error:
            faults.extend(error.faults)
    return root


def _path(key: str, source: str) -> Path:
    steps: list[str | int] = []
    at = 0
    while at < len(key):
        found = _STEP.match(key, at)
        if found is None or (not steps and key[at] in ".["):
            break
        quoted, bare, index = found.groups()
        steps.append(int(index) if index is not None else bare if quoted is None else quoted)
        at = found.end()
    if at < len(key) or not 0 < len(steps) < MAX_DEPTH:
        message = "is no dotted key, such as server.listen or models.smart.targets[0].weight"
        raise ConfigError([Fault(source, 0, 0, "", message)])
    return tuple(steps)


def _replaced(node: Node | None, rest: Path, before: Path, value: Node, place: Place) -> Node:
    if not rest:
        return value
    step, path = rest[0], (*before, rest[0])
    if isinstance(step, int):
        if not isinstance(node, Items) or step >= len(node.items):
            raise _refused(place, f"there is no {shortened(dotted(path))}")
        inner = _replaced(node.items[step], rest[1:], path, value, place)
        return Items(node.place, (*node.items[:step], inner, *node.items[step + 1 :]))
    if node is None or (isinstance(node, Scalar) and node.empty):
        node = Section(place, {})
    if not isinstance(node, Section):
        raise _refused(place, f"{shortened(dotted(before))} is not a section of keys and values")
    entry = node.entries.get(step)
    inner = _replaced(entry.node if entry else None, rest[1:], path, value, place)
    key = entry.key if entry else Scalar(place, step, plain=True)
    return Section(node.place, {**node.entries, step: Entry(key, inner)})


def _refused(place: Place, message: str) -> ConfigError:
    return ConfigError([place.fault((), message)])
