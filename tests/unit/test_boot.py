"""The launcher, run for real in a throwaway venv that somebody has tampered with."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

BOOT = Path(__file__).parents[2] / "gateway/_boot.py"

# Stands in for gateway.cli: tells what it was called with and which package it could reach.
COMMAND_LINE = """
import json, sys
import locked
def main() -> int:
    print(json.dumps({"argv": sys.argv[1:], "path": sys.path, "locked": locked.__file__}))
    return 7
"""


class Checkout:
    """A copy of the launcher with a command line of ours, and a venv holding one package."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.boot = _written(root / "gateway/_boot.py", BOOT.read_text())
        _written(root / "gateway/__init__.py", "")
        _written(root / "gateway/cli.py", COMMAND_LINE)
        venv.create(root / "venv", symlinks=True)
        self.python = root / "venv/bin/python"
        base = {"base": str(root / "venv"), "platbase": str(root / "venv")}
        self.packages = Path(sysconfig.get_path("purelib", "venv", base))
        _written(self.packages / "locked.py", "")

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """The venv's Python with these arguments, from a folder that holds nothing of ours."""
        command = [self.python, *arguments]
        elsewhere = {"PATH": os.environ["PATH"]}
        return subprocess.run(command, cwd="/", env=elsewhere, capture_output=True, text=True)

    def plant(self) -> tuple[Path, Path]:
        """Slip a .pth and a sitecustomize.py in; each writes its file when it runs."""
        by_pth, by_customize = self.root / "ran-pth", self.root / "ran-sitecustomize"
        write = "import pathlib; pathlib.Path({!r}).write_text('ran')\n"
        _written(self.packages / "planted.pth", write.format(str(by_pth)))
        _written(self.packages / "sitecustomize.py", write.format(str(by_customize)))
        return by_pth, by_customize


def _written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "a checkout")


def test_what_was_planted_in_the_venv_does_not_run(checkout: Checkout) -> None:
    planted = checkout.plant()
    answer = checkout.run("-I", "-S", checkout.boot, "serve")
    assert answer.returncode == 7, answer.stderr
    assert [file.exists() for file in planted] == [False, False]


def test_what_was_planted_runs_with_python_as_it_comes(checkout: Checkout) -> None:
    planted = checkout.plant()
    checkout.run("-c", "pass")
    assert [file.exists() for file in planted] == [True, True]


def test_the_command_line_gets_the_arguments_and_the_locked_packages(checkout: Checkout) -> None:
    answer = checkout.run("-I", "-S", checkout.boot, "check", "a file.yaml")
    said = json.loads(answer.stdout)
    assert said["argv"] == ["check", "a file.yaml"]
    assert Path(said["locked"]).parent == checkout.packages


def test_nothing_beyond_the_standard_library_the_checkout_and_the_venv_is_importable(
    checkout: Checkout,
) -> None:
    answer = checkout.run("-I", "-S", checkout.boot)
    bare = checkout.run("-I", "-S", "-c", "import json, sys; print(json.dumps(sys.path))")
    ours = [str(checkout.root), str(checkout.packages)]
    assert json.loads(answer.stdout)["path"] == json.loads(bare.stdout) + ours


def test_the_checkout_wins_over_a_gateway_among_the_packages(checkout: Checkout) -> None:
    _written(checkout.packages / "gateway/__init__.py", "")
    _written(checkout.packages / "gateway/cli.py", "raise SystemExit('the wrong one')")
    assert checkout.run("-I", "-S", checkout.boot).returncode == 7


def test_a_package_cannot_stand_in_for_a_standard_module(checkout: Checkout) -> None:
    _written(checkout.packages / "json.py", "raise SystemExit('the wrong one')")
    assert checkout.run("-I", "-S", checkout.boot).returncode == 7


@pytest.mark.parametrize("flags", [[], ["-I"], ["-S"]], ids=["none", "only -I", "only -S"])
def test_without_both_flags_it_refuses(checkout: Checkout, flags: list[str]) -> None:
    answer = checkout.run(*flags, checkout.boot, "serve")
    assert answer.returncode == 2
    assert answer.stderr == "gateway: start it as: python -I -S gateway/_boot.py\n"


def test_outside_a_venv_it_refuses(checkout: Checkout) -> None:
    (checkout.root / "venv/pyvenv.cfg").unlink()
    answer = checkout.run("-I", "-S", checkout.boot, "serve")
    assert answer.returncode == 2
    assert "belongs to no virtual environment" in answer.stderr


def test_these_tests_speak_of_the_python_that_runs_them(checkout: Checkout) -> None:
    version = checkout.run("-c", "import sys; print(sys.version)").stdout.strip()
    assert version == sys.version
