"""The line over every table: what it was measured on, and with."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

import gateway
from bench.targets import Cores, Plan


def described(cores: Cores, plans: list[Plan]) -> list[str]:
    versions = [f"Python {platform.python_version()}", f"gateway {gateway.__version__}"]
    packages = ("uvloop", "httptools", "msgspec", "aiohttp")
    versions += [f"{name} {importlib.metadata.version(name)}" for name in packages]
    versions += [_nginx(plan) for plan in plans if plan.name == "nginx"]
    return [
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        ", ".join(versions),
        _placement(cores),
    ]


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _text("/proc/cpuinfo"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _nginx(plan: Plan) -> str:
    said = subprocess.run(  # noqa: S603 - the nginx that is measured
        [plan.command[0], "-v"], capture_output=True, text=True, check=False
    )
    return said.stderr.strip().removeprefix("nginx version: ")


def _placement(cores: Cores) -> str:
    on = ", ".join(map(str, cores.target))
    if cores.load in cores.target:
        return f"everything on core {cores.load}, which blurs all but CPU per request"
    line = f"target on core {on}; load client and provider on core {cores.load}"
    siblings = _siblings(cores.load) & set(cores.target)
    if siblings:
        line += f"; {cores.load} and {min(siblings)} are two threads of one physical core"
    return line


def _siblings(core: int) -> set[int]:
    """The logical cores that share a physical one with this; as the hypervisor tells it."""
    text = _text(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").strip()
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
