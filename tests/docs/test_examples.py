"""Every example in the documentation is run: each page is one shell session, on a real gateway."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from gateway.config import load
from gateway.providers import discover
from tests.docs.reading import PAGES, ROOT, Block, blocks, name
from tests.harness import KEY, Gateway

BLOCKS = {name(page): list(blocks(page.read_text(), name(page))) for page in PAGES}
ALL = [block for found in BLOCKS.values() for block in found]
RUN = {"sh", "python", "then"}
SHOWN = {"yaml", "json", "text", "js"}
MARK = "@@ block "

# What the fragments on the pages may refer to.
REST: dict[str, dict[str, object]] = {
    "backends": {
        "sim": {"provider": "simulated"},
        "local": {"provider": "openai_compatible", "base_url": "http://127.0.0.1:8000/v1"},
        "openai": {"provider": "openai"},
    },
    "models": {"demo": "sim/lorem"},
}


def _is_run(block: Block) -> bool:
    return block.language in RUN and not block.told("not run")


def _pages_that_run() -> list[str]:
    return [page for page, found in BLOCKS.items() if any(map(_is_run, found))]


# ---- a page's session


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the reader sits: a folder that looks like the checkout, beside a running gateway."""

    gateway: Gateway
    folder: Path

    def run(self, found: list[Block]) -> tuple[int, dict[str, str]]:
        """The exit code, and what each block printed."""
        script = "set -euo pipefail\n" + "".join(map(_spoken, found))
        answer = subprocess.run(
            ["bash", "-c", self._here(script)],
            cwd=self.folder,
            env={**os.environ, "GATEWAY_DEMO_KEY": "", "CURL_HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        _, *parts = answer.stdout.split(MARK)
        return answer.returncode, dict(part.split("\n", 1) for part in parts)

    def _here(self, script: str) -> str:
        server, admin = (
            url.removeprefix("http://") for url in (self.gateway.url, self.gateway.admin)
        )
        return script.replace("127.0.0.1:8080", server).replace("127.0.0.1:9090", admin)


def _spoken(block: Block) -> str:
    text = block.text
    if block.language == "python":
        text = f"{shlex.quote(sys.executable)} - <<'END OF PYTHON'\n{text}END OF PYTHON\n"
    return f"echo '{MARK}{block}'\n{text}\n"


@contextmanager
def _desk(found: list[Block]) -> Iterator[Desk]:
    config = (ROOT / "config.yaml").read_text()
    for block in found:
        if "serve" in block.said:
            config = block.text
    with Gateway(config, env={"GATEWAY_DEMO_KEY": KEY}) as gateway:
        folder = gateway.file.parent
        (folder / ".dev").mkdir()
        (folder / ".dev/demo-key").write_text(f"{KEY}\n")
        (folder / ".venv").mkdir()
        (folder / ".venv/run").symlink_to(Path(sys.executable).parent.parent)
        for part in ("gateway", "tests", "deploy"):
            (folder / part).symlink_to(ROOT / part)
        (folder / ".curlrc").write_text("silent\nshow-error\nmax-time = 20\n")
        yield Desk(gateway, folder)


@pytest.mark.parametrize("page", _pages_that_run())
def test_the_examples_of_a_page_do_what_it_says(page: str) -> None:
    found = [block for block in BLOCKS[page] if _is_run(block)]
    with _desk(BLOCKS[page]) as desk:
        exit_code, printed = desk.run(found)
    last = list(printed.items())[-1:]
    assert exit_code == 0, last
    for block in found:
        for wanted in block.told("prints"):
            assert wanted in printed[str(block)]
        for unwanted in block.told("prints not"):
            assert unwanted not in printed[str(block)]


def test_an_example_that_fails_is_noticed() -> None:
    found = [
        Block("page", 1, "sh", "echo one\n"),
        Block("page", 2, "python", "raise SystemExit(3)\n"),
    ]
    with _desk([]) as desk:
        exit_code, printed = desk.run(found)
    assert exit_code == 3
    assert printed["page:1"] == "one\n"


# ---- what is not run


@pytest.mark.parametrize("block", ALL, ids=str)
def test_a_block_is_run_or_read_or_says_why_not(block: Block) -> None:
    assert block.language in RUN | SHOWN, f"{block}: nobody checks a block of {block.language!r}"
    if block.language == "js":
        assert block.told("not run")


@pytest.mark.parametrize("block", [b for b in ALL if b.language == "json"], ids=str)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", [b for b in ALL if b.language == "yaml"], ids=str)
def test_yaml_is_a_config_that_loads(block: Block) -> None:
    said = yaml.safe_load(block.text)
    whole = {**said, **{part: {**rest, **said.get(part, {})} for part, rest in REST.items()}}
    config = load.parse(
        yaml.safe_dump(whole),
        path=str(block),
        env=_Anything(),
        known_providers=discover().keys(),
        read_secret=lambda path: "sk-" + "0" * 32,
    )
    assert set(said.get("models", {})) <= set(config.models)


class _Anything(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, key: str, default: object = None) -> str:
        return f"{key.lower()}-0123456789abcdef"

    def __contains__(self, key: object) -> bool:
        return True
