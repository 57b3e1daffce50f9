"""./dev bench in its smallest form: what is counted adds up, and idleness is noticed.

Not a word about speed: that is for a quiet machine to say.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from bench.scenarios import BY_NAME
from tests.harness import ROOT

SCENARIOS = ["small", "200k", "burst", "paced50", "rate300"]
SMALLEST = ["--rounds", "1", "--seconds", "0.2", "--warm-up", "0.05"]


def _bench(
    *arguments: str, env: Mapping[str, str] = MappingProxyType({})
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-I", str(ROOT / "bench"), *SMALLEST, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, **env},
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file: Path = tmp_path_factory.mktemp("bench") / "results.json"
    done = _bench("--vs", "none", "--scenarios", ",".join(SCENARIOS), "--json", str(file))
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(file.read_text())
    return said | {"printed": done.stdout}


@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=SCENARIOS)
def test_all_that_is_sent_is_forwarded_and_answered(results: dict[str, Any], number: int) -> None:
    turn = results["turns"][number]
    outcome, seen = turn["outcome"], turn["seen"]
    assert turn["scenario"] == SCENARIOS[number]
    assert outcome["errors"] == 0, outcome["first_error"]
    assert 0 < outcome["sent"] == outcome["answered"]
    assert outcome["connections"] == BY_NAME[SCENARIOS[number]].connections  # each is kept
    assert seen == {
        "requests": outcome["sent"],
        "keys": outcome["sent"],
        "models": outcome["sent"],
        "aborted": 0,
    }


def test_every_scenario_has_its_row(results: dict[str, Any]) -> None:
    printed = results["printed"]
    for scenario in SCENARIOS:
        assert f"| {scenario:<8} | gateway |" in printed


def test_cpu_time_and_memory_are_the_gateways(results: dict[str, Any]) -> None:
    outcomes = [turn["outcome"] for turn in results["turns"]]
    for outcome in outcomes:
        assert 0 <= outcome["target_cpu_s"] < 2 * outcome["seconds"] * (os.cpu_count() or 1)
        assert outcome["rss_bytes"] > 10 << 20
    assert sum(outcome["target_cpu_s"] for outcome in outcomes) > 0  # it counts in 10 ms


def test_a_target_that_leaves_its_work_out_is_told_on() -> None:
    port = _free_port()  # the provider itself, in the part of a target
    idle = f"idle=http://127.0.0.1:{port}/v1"
    vs = ("--vs", idle, "--vs", "limited")
    done = _bench("--provider-port", str(port), *vs, "--scenarios", "small")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "| small    | limited |" in done.stdout
    row = next(line for line in done.stdout.splitlines() if "| small    | idle" in line)
    assert "provider's key missing; model not rewritten" in row


def test_a_target_that_does_not_start_ends_the_others() -> None:
    mark = secrets.token_hex(16).encode()
    broken = f"broken=http://127.0.0.1:{_free_port()}/v1 sh -c 'echo no such model; exit 3'"
    done = _bench("--vs", broken, "--scenarios", "small", env={"BENCH_MARK": mark.decode()})
    assert done.returncode == 1
    assert "bench: broken gives no answer" in done.stderr
    assert "no such model" in done.stderr
    assert [file for file in Path("/proc").glob("[0-9]*/environ") if mark in _bytes(file)] == []


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # another's, or just ended
        return b""


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
