"""OpenAI's and Anthropic's clients in Node: installed once from the lock file in node/, driven by
lines of JSON.
"""

import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, Self

from tests.harness import ROOT

HERE: Final = Path(__file__).parent / "node"
INSTALL_S: Final = 60
ANSWER_S: Final = 30


def missing() -> str | None:
    """What must be on the PATH and is not; None if all is there."""
    absent = [program for program in ("node", "npm") if shutil.which(program) is None]
    return f"{' and '.join(absent)} not on the PATH" if absent else None


class NotThere(Exception):
    """The packages cannot be installed here; the words say why."""


class NodeError(Exception):
    """What a call raised over there."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told["message"])
        self.kind = told["kind"]
        self.status = told.get("status")
        self.type = told.get("type")
        self.code = told.get("code")
        self.param = told.get("param")
        self.request_id = told.get("requestID")


class Node:
    """One node process; its calls are the ones in calls.mjs."""

    def __init__(self, base_url: str, key: str) -> None:
        """Raises NotThere."""
        program = installed() / "calls.mjs"
        shutil.copyfile(HERE / "calls.mjs", program)
        self._process = subprocess.Popen(
            ["node", program, base_url, key], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=ANSWER_S)

    def __call__(self, call: str, **given: object) -> Any:
        """What the call gives. Raises NodeError."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"call": call, **given}).encode() + b"\n")
        stdin.flush()
        ready, _, _ = select.select([stdout], [], [], ANSWER_S)
        line = stdout.readline() if ready else b""
        assert line, f"node gave no answer to {call}"
        answer = json.loads(line)
        if "error" in answer:
            raise NodeError(answer["error"])
        return answer.get("value")


def installed() -> Path:
    """A folder with node_modules as locked; made once for each lock file. Raises NotThere."""
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    home = _cache() / f"openai-node-{lock}"
    if not home.exists():
        _install(home)
    return home


def _cache() -> Path:
    """.venv/ is what ./dev makes and nobody keeps; elsewhere the environment that runs us."""
    made = ROOT / ".venv"
    return made if made.is_dir() else Path(sys.prefix)


def _install(home: Path) -> None:
    """Whole or not at all: made beside, then renamed."""
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        made = Path(folder) / "made"
        made.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, made / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
        try:
            done = subprocess.run(
                command, cwd=made, capture_output=True, text=True, timeout=INSTALL_S
            )
        except subprocess.TimeoutExpired:
            raise NotThere(f"npm ci has not ended within {INSTALL_S} s") from None
        if done.returncode != 0:
            raise NotThere(f"npm ci failed: {_reason(done.stderr)}")
        try:
            os.rename(made, home)
        except OSError:
            if not home.exists():  # else another session was faster
                raise


def _reason(said: str) -> str:
    lines = [line for line in said.splitlines() if line.startswith("npm error")]
    return lines[0] if lines else "it says nothing"
