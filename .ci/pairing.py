"""Every module of gateway/ has its unit test, every unit test its module.

gateway/a/b.py pairs with tests/unit/a/test_b.py; a leading underscore is dropped.
Exempt: __init__.py, __main__.py, and tests/unit/house, which tests the house and no room of it.
"""

import sys
from pathlib import Path

EXEMPT = ("__init__.py", "__main__.py")


def unpaired(root: Path) -> list[str]:
    """One line for each file under root that stands alone; empty if all are paired."""
    sources = {_test_of(file): file for file in _files(root / "gateway", "*.py")}
    tests = {file for file in _files(root / "tests/unit", "test_*.py") if file.parts[0] != "house"}
    untested = [f"gateway/{sources[t]} has no tests/unit/{t}" for t in sources.keys() - tests]
    orphans = [f"tests/unit/{test} tests no module of gateway/" for test in tests - sources.keys()]
    return sorted(untested + orphans)


def _files(folder: Path, pattern: str) -> list[Path]:
    found = (file.relative_to(folder) for file in folder.rglob(pattern))
    return [file for file in found if file.name not in EXEMPT]


def _test_of(source: Path) -> Path:
    return source.with_name(f"test_{source.name.lstrip('_')}")


if __name__ == "__main__":
    faults = unpaired(Path(__file__).resolve().parent.parent)
    print("\n".join(faults) or "every module has its unit test, every unit test its module")
    sys.exit(bool(faults))
