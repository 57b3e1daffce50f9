"""A newcomer's first minutes: a fresh clone, one command, and the request that it prints."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from tests.e2e.conftest import skip
from tests.harness import LOOPBACK, ROOT

READY_S = 110.0
LAST_LINE = "Stop with Ctrl-C."


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """What a clone of this state would hold, and nothing that ./dev or a tool has made."""
    folder = tmp_path_factory.mktemp("newcomer") / "clone"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        return None
    for name in filter(None, listed.stdout.split("\0")):
        source, copy = ROOT / name, folder / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    return folder


@pytest.fixture(scope="module")
def online() -> bool:
    """pip itself is asked whether it can install, so that a mirror or a proxy counts as well."""
    command = [
        sys.executable, "-I", "-m", "pip", "install", "--dry-run", "--no-deps", "--quiet",
        "--ignore-installed", "--retries", "0", "--timeout", "10", "pyyaml",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True).returncode == 0


@dataclass(slots=True)
class Started:
    process: "subprocess.Popen[str]"
    printed: str  # up to the line that says how to stop

    @property
    def base_url(self) -> str:
        return self._after("base URL")

    @property
    def key(self) -> str:
        return self._after("demo key")

    @property
    def request(self) -> str:
        """The command to try, as it would be copied."""
        return self.printed.partition("Try it:")[2].partition(LAST_LINE)[0]

    def _after(self, words: str) -> str:
        found = re.search(rf"^ *{words} +(\S+)$", self.printed, re.M)
        assert found is not None, self.printed
        return found[1]


@pytest.fixture
def started(request: pytest.FixtureRequest, clone: Path | None, online: bool) -> Iterator[Started]:
    """./dev run, in a group of its own as a terminal would put it."""
    if clone is None:
        skip(request, "this is no git checkout, so there is nothing to clone")
    if not online:
        skip(request, "pip reaches no package index here, so a fresh clone cannot be set up")
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    with subprocess.Popen(
        [clone / "dev", "run", *LOOPBACK],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=clone.parent,
        env=mine,
        start_new_session=True,
    ) as process:
        try:
            yield Started(process, _until_last_line(process))
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _until_last_line(process: "subprocess.Popen[str]") -> str:
    lines: list[str] = []
    assert process.stdout is not None
    stuck = threading.Timer(READY_S, os.killpg, (process.pid, signal.SIGKILL))
    stuck.start()
    try:
        for line in process.stdout:
            lines.append(line)
            if LAST_LINE in line:
                return "".join(lines)
    finally:
        stuck.cancel()
    raise AssertionError(f"./dev run gave up:\n{''.join(lines)}")


def test_the_printed_request_streams_an_answer_to_its_end(started: Started) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not on the PATH")
    said = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", started.request],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    events = [line.removeprefix("data: ") for line in said.splitlines() if line]
    log = _end(started.process, signal.SIGINT)
    assert events[-1] == "[DONE]", log
    assert len(events) > 5


def test_the_printed_url_and_key_serve_an_openai_client(started: Started) -> None:
    with openai.OpenAI(base_url=started.base_url, api_key=started.key, max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["demo"]
    with (
        openai.OpenAI(base_url=started.base_url, api_key="sk-other", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()
    _end(started.process, signal.SIGTERM)


def _end(process: "subprocess.Popen[str]", signal_: signal.Signals) -> str:
    """Its log. Ctrl-C reaches the whole group; whatever the signal, it is an orderly end."""
    os.killpg(process.pid, signal_)
    rest, _ = process.communicate(timeout=15)
    assert process.returncode == 0, rest
    assert "Traceback" not in rest
    return rest
