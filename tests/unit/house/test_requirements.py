"""The lock files: small, complete, hashed, and silent about where the wheels come from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCKS = ("run", "test", "model", "lock")
MOST_AT_RUN_TIME = 20  # packages, those of others included; docs/dependencies.md

# One locked package: an exact version, perhaps a marker, and at least one hash, a line each.
LOCKED = re.compile(r"[a-z0-9-]+==[\w.]+(?: ; [^\n]+?)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n")


def _text(file: str) -> str:
    return (ROOT / "requirements" / file).read_text()


def _names(file: str) -> set[str]:
    return set(re.findall(r"^(\w[\w-]*)", _text(file), re.MULTILINE))


def _pins(file: str) -> set[str]:
    return set(re.findall(r"^[\w-]+==\S+", _text(file), re.MULTILINE))


def _is_locked(text: str) -> bool:
    """True if the text is locked packages and nothing else: no option, no address, no loose pin."""
    return bool(text) and LOCKED.sub("", text) == ""


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_and_hashed_and_nothing_else_is_said(name: str) -> None:
    assert _is_locked(_text(f"{name}.txt"))


@pytest.mark.parametrize(
    "line",
    [
        "left-pad==1.0\n",
        "left-pad>=1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n",
        "--find-links https://packages.example/simple\n",
        "left-pad @ https://packages.example/left-pad.whl\n",
        "# from somewhere\n",
    ],
)
def test_a_line_of_another_kind_is_noticed(line: str) -> None:
    assert not _is_locked(_text("run.txt") + line)


def test_the_run_time_tree_is_small() -> None:
    assert 0 < len(_names("run.txt")) <= MOST_AT_RUN_TIME


def test_the_tests_run_on_what_is_served() -> None:
    served, tested = (_pins(file) for file in ("run.txt", "test.txt"))
    assert served
    assert served - tested == set()


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_locked(name: str) -> None:
    asked = {wanted.lower() for wanted in _names(f"{name}.in")}
    assert asked
    assert asked - _names(f"{name}.txt") == set()


def test_the_project_and_the_lock_ask_for_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == _text("run.in").split()
