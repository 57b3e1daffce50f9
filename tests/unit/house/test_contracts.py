"""The import contracts of pyproject.toml, held against a bare house: it stands, and each bites."""

import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
LINTER = Path(sysconfig.get_path("scripts")) / "lint-imports"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]


class Planted(NamedTuple):
    """One import that breaks one contract."""

    contract: str
    module: str
    line: str


PLANTED = (
    Planted("the house has floors", "errors", "import gateway.chat"),
    Planted("the house has floors", "exchange", "import gateway.server"),
    Planted("the house has floors", "server", "import gateway.admin"),
    Planted("the house has floors", "upstream", "import gateway.stores"),
    Planted("the house has floors", "policy", "import gateway.dialects.anthropic"),
    Planted("the house has floors", "config", "def late():\n    import gateway.runtime"),
    Planted("the core does no I/O", "policy", "import time"),
    Planted("the core does no I/O", "wire", "import asyncio.streams"),
    Planted("the core does no I/O", "chat", "from random import choice"),
    Planted("the core does no I/O", "dialects.openai", "import os.path"),
    Planted("the core does no I/O", "providers.openai", "import gateway.sweep"),
    Planted("dialects do not know each other", "dialects.openai", "from . import anthropic"),
    Planted("providers do not know each other", "providers.openai", "from . import anthropic"),
    Planted("aiohttp stays at the doors", "exchange", "import aiohttp"),
    Planted("httptools parses at the two ends of the road", "runtime", "import httptools"),
    Planted("Redis has one user", "exchange", "import redis.asyncio"),
    Planted("telling has one place", "server", "from prometheus_client import Counter"),
    Planted("YAML is read in one place", "app", "import yaml"),
)  # fmt: skip

PERMITTED = (
    ("admin.api", "import aiohttp.web"),
    ("app", "import aiohttp"),
    ("cli", "import gateway.app"),
    ("config.nodes", "import yaml"),
    ("dialects.openai", "import gateway.dialects.base"),
    ("providers.openai", "import gateway.dialects.openai"),
    ("server.connection", "import httptools"),
    ("stores.redis", "import redis.asyncio"),
    ("sweep", "import time"),
    ("telemetry.metrics", "import prometheus_client"),
    ("upstream.connection", "import httptools"),
)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Every room that the contracts name, empty, under the contracts as they are."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for layer in CONTRACTS[0]["layers"]:
        for room in layer.split("|"):
            _plant(tmp_path, f"{room.strip().strip('()')}.__init__", "")
    for room in ("dialects", "providers"):
        for name in ("base", "openai", "anthropic"):
            _plant(tmp_path, f"{room}.{name}", "")
    _plant(tmp_path, "sweep", "import asyncio")
    _plant(tmp_path, "__init__", "")
    return tmp_path


def _plant(house: Path, module: str, line: str) -> None:
    stem = house / "gateway" / module.replace(".", "/")
    file = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(line + "\n")


def _lint(house: Path) -> tuple[int, str]:
    command = [str(LINTER), "--no-cache", "--no-logo"]
    answer = subprocess.run(command, cwd=house, capture_output=True, text=True)
    return answer.returncode, answer.stdout + answer.stderr


def test_what_each_room_is_for_is_permitted(house: Path) -> None:
    for module, line in PERMITTED:
        _plant(house, module, line)
    status, said = _lint(house)
    assert status == 0, said
    assert f"{len(CONTRACTS)} kept, 0 broken" in said


@pytest.mark.parametrize("planted", PLANTED, ids=lambda it: f"{it.module}: {it.line}")
def test_a_planted_import_breaks_its_contract(house: Path, planted: Planted) -> None:
    _plant(house, planted.module, planted.line)
    status, said = _lint(house)
    assert status == 1, said
    assert f"{planted.contract} BROKEN" in said


def test_a_room_without_a_floor_breaks_the_house(house: Path) -> None:
    _plant(house, "attic", "")
    status, said = _lint(house)
    assert status == 1, said
    assert "attic" in said


def test_every_contract_has_been_bitten() -> None:
    assert {planted.contract for planted in PLANTED} == {contract["name"] for contract in CONTRACTS}
