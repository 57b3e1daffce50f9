"""./dev run on a fresh checkout, with an empty lock and a command line that is only a stand-in."""

import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Tells how it was started; stays until it is told to go when asked to wait.
COMMAND_LINE = """
import json, os, signal, sys
def main() -> int:
    said = {"argv": sys.argv[1:], "key": os.environ["GATEWAY_DEMO_KEY"], "pid": os.getpid()}
    print(json.dumps(said), flush=True)
    if "--wait" in sys.argv:
        signal.pause()
    return 5
"""


class Checkout:
    """A fresh one whose path holds a space. Its lock is empty: pip's work is pip's affair."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.dev = root / "dev"
        (root / "gateway").mkdir(parents=True)
        (root / "requirements").mkdir()
        shutil.copy(ROOT / "dev", self.dev)
        shutil.copy(ROOT / "gateway/_boot.py", root / "gateway")
        (root / "gateway/__init__.py").touch()
        (root / "gateway/cli.py").write_text(COMMAND_LINE)
        (root / "requirements/run.txt").touch()
        self.stamp = root / ".venv/run/stamp"
        self.key = root / ".dev/demo-key"

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """./dev run from another folder, with no HOME and a closed stdin."""
        return subprocess.Popen(
            ["bash", "-c", 'exec "$0" run "$@" <&-', self.dev, *arguments],
            cwd="/",
            env={"PATH": os.environ["PATH"], **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _said(running: subprocess.Popen[str]) -> dict[str, object]:
    out, err = running.communicate(timeout=60)
    assert running.returncode == 5, err
    said: dict[str, object] = json.loads(out)
    return said


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("house") / "a checkout")


@pytest.fixture(scope="module")
def checkout(fresh: Checkout) -> Checkout:
    """The checkout after two first runs at once, the harder way to begin."""
    first, second = fresh.start(), fresh.start()
    assert _said(first)["key"] == _said(second)["key"]
    return fresh


@pytest.fixture
def waiting(checkout: Checkout) -> Iterator[subprocess.Popen[str]]:
    running = checkout.start("--wait")
    yield running
    running.kill()
    running.communicate()


def test_it_serves_the_config_of_the_checkout_and_greets(checkout: Checkout) -> None:
    config = str(checkout.root / "config.yaml")
    assert _said(checkout.start())["argv"] == ["serve", "--greet", "--config", config]


def test_arguments_come_after_ours_so_that_they_win(checkout: Checkout) -> None:
    argv = _said(checkout.start("--config", "my own.yaml", "--set", "a.b=c"))["argv"]
    assert isinstance(argv, list)
    assert argv[-4:] == ["--config", "my own.yaml", "--set", "a.b=c"]


def test_the_demo_key_is_kept_and_for_its_owner_only(checkout: Checkout) -> None:
    kept = checkout.key.read_text().strip()
    assert len(kept) > 32
    assert stat.S_IMODE(checkout.key.stat().st_mode) == 0o600
    assert _said(checkout.start())["key"] == kept


def test_a_demo_key_of_the_caller_wins(checkout: Checkout) -> None:
    assert _said(checkout.start(GATEWAY_DEMO_KEY="mine"))["key"] == "mine"


def test_signals_reach_the_gateway_itself(waiting: subprocess.Popen[str]) -> None:
    assert waiting.stdout is not None
    assert json.loads(waiting.stdout.readline())["pid"] == waiting.pid
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(timeout=10) == -signal.SIGTERM


def test_a_whole_venv_is_used_as_it_is(checkout: Checkout) -> None:
    made_at = checkout.stamp.stat().st_mtime_ns
    _said(checkout.start())
    assert checkout.stamp.stat().st_mtime_ns == made_at


def test_what_serves_has_no_installer_and_no_pth(checkout: Checkout) -> None:
    installed = (checkout.root / ".venv/run/lib").glob("python3*/site-packages/*")
    assert checkout.stamp.exists()
    assert {file.name for file in installed} <= {"__pycache__"}


@pytest.mark.parametrize("change", ["another lock", "half-made"])
def test_a_venv_that_is_not_what_it_should_be_is_made_again(
    checkout: Checkout, change: str
) -> None:
    if change == "half-made":
        checkout.stamp.unlink()
    else:
        (checkout.root / "requirements/run.txt").write_text("# another lock\n")
    left = checkout.root / ".venv/run/left-over"
    left.touch()
    _said(checkout.start())
    assert checkout.stamp.exists()
    assert not left.exists()


def test_without_a_python_it_says_what_is_missing(checkout: Checkout, tmp_path: Path) -> None:
    for tool in ("bash", "cat", "dirname", "mkdir", "rm"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    shutil.rmtree(checkout.root / ".venv")
    running = checkout.start(PATH=str(tmp_path))
    _, err = running.communicate(timeout=60)
    assert running.returncode == 1
    assert err.startswith("dev: no Python >= 3.11 with its venv module is on the PATH")
