"""The pairing of modules and unit tests, on a small tree: it holds, and it bites both ways."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / ".ci/pairing.py"
unpaired: Callable[[Path], list[str]] = runpy.run_path(str(SCRIPT))["unpaired"]

PAIRED = (
    "gateway/__init__.py",
    "gateway/__main__.py",
    "gateway/_boot.py",
    "gateway/wire/__init__.py",
    "gateway/wire/sse.py",
    "tests/unit/conftest.py",
    "tests/unit/test_boot.py",
    "tests/unit/wire/test_sse.py",
    "tests/unit/house/test_pairing.py",
    "tests/laws/test_limits.py",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in PAIRED:
        _touch(tmp_path / name)
    return tmp_path


def _touch(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def test_a_paired_tree_has_no_faults(tree: Path) -> None:
    assert unpaired(tree) == []


def test_a_module_without_its_test_is_told(tree: Path) -> None:
    _touch(tree / "gateway/wire/http.py")
    assert unpaired(tree) == ["gateway/wire/http.py has no tests/unit/wire/test_http.py"]


def test_a_test_without_its_module_is_told(tree: Path) -> None:
    (tree / "gateway/wire/sse.py").unlink()
    assert unpaired(tree) == ["tests/unit/wire/test_sse.py tests no module of gateway/"]


def test_a_test_in_another_folder_does_not_count(tree: Path) -> None:
    (tree / "tests/unit/wire/test_sse.py").rename(tree / "tests/unit/test_sse.py")
    assert len(unpaired(tree)) == 2
