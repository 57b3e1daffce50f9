"""Text into nodes: places, names that stay texts, and the bombs that are refused."""

import time

import pytest

from gateway.config.faults import ConfigError
from gateway.config.nodes import MAX_BYTES, Items, Node, Scalar, Section, compose

# They do not repeat what is there: it may be a secret without its quotes.
TAG = "tags have no meaning here; a text that begins with '!' stands in quotes"
ALIAS = "this alias has no anchor before it; a text that begins with '*' stands in quotes"


def _tree(text: str | bytes) -> Node:
    root, faults = compose(text, "c")
    assert faults == []
    return root


def _refusal(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as refused:
        compose(text, "c")
    return str(refused.value)


def test_every_node_knows_its_place() -> None:
    root = _tree("a: 1\nbc:\n  - x\n  - {d: 'e'}\n")
    assert isinstance(root, Section)
    assert (root.place.line, root.place.column) == (1, 1)
    assert (root.entries["bc"].key.place.line, root.entries["bc"].key.place.column) == (2, 1)
    items = root.entries["bc"].node
    assert isinstance(items, Items)
    inner = items.items[1]
    assert isinstance(inner, Section)
    value = inner.entries["d"].node
    assert isinstance(value, Scalar)
    assert (value.text, value.plain, value.place.line, value.place.column) == ("e", False, 4, 9)


def test_without_places_faults_are_at_the_source() -> None:
    root, _ = compose("a: 1", "--set x", placed=False)
    assert root.place.line == 0
    with pytest.raises(ConfigError, match=r"^--set x: not YAML"):
        compose("[", "--set x", placed=False)


@pytest.mark.parametrize("name", ["on", "1.5", "null", "010", "2024-01-01", "~", "no", "1:30"])
def test_a_name_is_the_text_that_was_written(name: str) -> None:
    root = _tree(f"{name}: {name}")
    assert isinstance(root, Section)
    value = root.entries[name].node
    assert isinstance(value, Scalar)
    assert value.text == name


def test_an_empty_file_is_an_empty_scalar() -> None:
    for text in ("", "# nothing\n", b"\xef\xbb\xbf", "---\n"):
        root = _tree(text)
        assert isinstance(root, Scalar)
        assert root.empty


def test_a_byte_order_mark_does_not_matter() -> None:
    assert isinstance(_tree(b"\xef\xbb\xbfa: 1"), Section)


def test_an_alias_is_what_its_anchor_is() -> None:
    root = _tree("a: &x [1]\nb: *x\n")
    assert isinstance(root, Section)
    assert root.entries["b"].node is root.entries["a"].node


def test_a_key_that_is_an_alias_has_its_own_place() -> None:
    root = _tree("a: &x name\nb: {*x : 1}\n")
    assert isinstance(root, Section)
    inner = root.entries["b"].node
    assert isinstance(inner, Section)
    assert inner.entries["name"].key.place.line == 2


def test_a_key_that_stands_twice_is_a_fault_and_the_first_holds() -> None:
    root, faults = compose("a:\n  - {b: 1}\n  - b: 1\n    b: 2\n", "c")
    assert [str(fault) for fault in faults] == [
        "c:4:5 a[1].b: the key 'b' stands here twice, first in line 3"
    ]
    assert isinstance(root, Section)


def test_a_merge_key_is_a_fault() -> None:
    _, faults = compose("a: &x {b: 1}\nc: {<<: *x}\n", "c")
    assert [(fault.line, fault.key) for fault in faults] == [(2, "c.<<")]
    assert "merge keys are not read" in faults[0].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "c:2:1: not YAML: did not find expected node content"),
        ("a: b: c", "c:1:5: not YAML: mapping values are not allowed in this context"),
        ("a: 1\n\tb: 2", "c:2:1: not YAML: found a tab character that violates indentation"),
        ("a: \x07", "c: not YAML: control characters are not allowed"),
        (b"a: \xff", "c: not UTF-8"),
        ("a: \ud800", "c: not UTF-8"),
        ("a: 1\n---\nb: 2", "c:2:1: a second document begins here; a config is one"),
        ("[a]: 1", "c:1:1: a key must be a text"),
        ("a: !!int 1", f"c:1:4: {TAG}"),
        ("a: !!python/object/apply:os.getcwd []", f"c:1:4: {TAG}"),
        ("a: !planted 1", f"c:1:4: {TAG}"),
        ("a: *planted", f"c:1:4: {ALIAS}"),
        ("a: &x [*x]", "c:1:8: this alias stands within its own anchor"),
    ],
)
def test_what_is_no_tree_is_refused_with_its_place(text: str | bytes, message: str) -> None:
    assert _refusal(text) == message


def test_a_large_file_is_refused() -> None:
    assert isinstance(_tree("#" * (MAX_BYTES - 1)), Scalar)
    assert _refusal("#" * (MAX_BYTES + 1)) == (
        f"c: larger than {MAX_BYTES} bytes; a config may not be"
    )


def test_depth_is_bounded() -> None:
    assert isinstance(_tree("[" * 19 + "x" + "]" * 19), Items)
    assert _refusal("[" * 21 + "]" * 21) == "c:1:21: nested more than 20 deep"
    assert _refusal("[" * 500_000).endswith("nested more than 20 deep")
    assert _refusal("- " * 21 + "x").endswith("nested more than 20 deep")


def test_depth_is_bounded_through_aliases() -> None:
    levels = ["x0: &a0 [x]"] + [f"x{i}: &a{i} [*a{i - 1}]" for i in range(1, 30)]
    assert _refusal("\n".join(levels)).endswith("nested more than 20 deep")


def test_anchors_and_aliases_are_counted() -> None:
    fits = "a: &x 1\n" + "".join(f"b{i}: *x\n" for i in range(99))
    assert isinstance(_tree(fits), Section)
    assert _refusal(fits + "c: *x").endswith("more than 100 anchors and aliases")


def test_billion_laughs_are_refused_at_once() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    begun = time.process_time()
    assert "with the aliases written out" in _refusal("\n".join(lines))
    assert time.process_time() - begun < 1


def test_very_many_values_are_refused() -> None:
    assert "more than 100000 values" in _refusal("[" + "1," * 200_000 + "]")


def test_very_many_twins_are_told_a_hundred_times() -> None:
    _, faults = compose("a: 1\n" * 5000, "c")
    assert len(faults) == 100
