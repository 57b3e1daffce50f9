"""ruff and mypy as pyproject.toml sets them, each shown a planted fault: it bites, by name."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOUND = '"""A module."""\n'

# What ruff says to a module of gateway/ that holds these lines.
LINTED = {
    "D100": "",
    "E501": SOUND + f"X = '{'x' * 100}'\n",
    "F401": SOUND + "import math\n",
    "I001": SOUND + "import sys\nimport math\n\nprint(sys, math)\n",
    "B006": SOUND + "def f(x: list[int] = []) -> None: ...\n",
    "UP007": SOUND + "from typing import Union\n\nX = Union[int, str]\n",
    "SIM102": SOUND + "for a in range(3):\n    if a:\n        if a > 1:\n            print(a)\n",
    "RUF006": SOUND + "import asyncio\n\nasync def f() -> None:\n    asyncio.create_task(f())\n",
    "C401": SOUND + "X = set(x for x in range(3))\n",
    "C901": SOUND + "def f(a: int) -> None:\n" + "    if a:\n        print(a)\n" * 10,
    "ASYNC251": SOUND + "import time\n\nasync def f() -> None:\n    time.sleep(1)\n",
    "S101": SOUND + "assert print\n",
    "S102": SOUND + "exec('1')\n",
    "S307": SOUND + "print(eval('1'))\n",
    "BLE001": SOUND + "try:\n    print()\nexcept Exception:\n    print()\n",
}

# Names that are banned, each with a line that uses it.
BANNED = {
    "typing.Any": "from typing import Any\n",
    "pickle": "import pickle\n",
    "marshal": "from marshal import loads\n",
    "shelve": "import shelve\n",
    "os.system": "import os\n\nos.system('true')\n",
    "os.popen": "import os\n\nos.popen('true')\n",
    "yaml.load": "import yaml\n\nyaml.load('', yaml.Loader)\n",
}

# What mypy says to these lines.
TYPED = {
    "no-untyped-def": "def f(a): return a\n",
    "no-any-return": "import json\n\ndef f() -> int:\n    return json.loads('1')\n",
    "type-arg": "def f(a: dict) -> None: ...\n",
    "unreachable": "def f(a: int) -> None:\n    if isinstance(a, str):\n        print(a)\n",
    "ignore-without-code": "x: int = ''  # type: ignore\n",
    "unused-ignore": "x: int = 1  # type: ignore[assignment]\n",
}


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Where a module of gateway/ would lie, under the settings as they are."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "gateway").mkdir()
    return tmp_path / "gateway/planted.py"


def _run(module: Path, tool: str, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", tool, *arguments, "gateway/planted.py"]
    answer = subprocess.run(command, cwd=module.parents[1], capture_output=True, text=True)
    return answer.returncode, answer.stdout + answer.stderr


def _ruff(module: Path) -> tuple[int, str]:
    return _run(module, "ruff", "check", "--no-cache", "--output-format=concise")


def test_a_sound_module_passes_all_three(module: Path) -> None:
    module.write_text(SOUND + "\nX: int = 1\n")
    for tool, *arguments in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        status, said = _run(module, tool, *arguments)
        assert status == 0, said


@pytest.mark.parametrize("rule", LINTED)
def test_ruff_bites(module: Path, rule: str) -> None:
    module.write_text(LINTED[rule])
    status, said = _ruff(module)
    assert status == 1, said
    assert f" {rule} " in said


@pytest.mark.parametrize("name", BANNED)
def test_a_banned_name_is_refused_with_its_reason(module: Path, name: str) -> None:
    module.write_text(SOUND + BANNED[name])
    status, said = _ruff(module)
    assert status == 1, said
    assert f"TID251 `{name}` is banned: " in said


def test_a_line_formatted_otherwise_is_refused(module: Path) -> None:
    module.write_text(SOUND + "\nX = 'single quotes'\n")
    status, said = _run(module, "ruff", "format", "--check", "--no-cache")
    assert status == 1, said


def test_mypy_bites(module: Path) -> None:
    module.write_text(SOUND + "\n".join(TYPED.values()))
    status, said = _run(module, "mypy")
    assert status == 1, said
    assert [code for code in TYPED if f"[{code}]" not in said] == []
