"""What Linux tells of processes: who descends from whom, CPU time, memory, what cores did.

Knows nothing of the benchmark. Source: proc(5); Documentation/scheduler/sched-stats.rst.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def tree(root: int) -> list[int]:
    """root, all that descend from it, and all that are left of its session."""
    children: dict[int, list[int]] = {}
    session = []
    for pid in _numbers("/proc"):
        if fields := _stat(pid):
            children.setdefault(int(fields[1]), []).append(pid)
            if int(fields[3]) == root:
                session.append(pid)
    found: dict[int, None] = {}
    waiting = [root, *session]
    while waiting:
        pid = waiting.pop()
        if pid not in found and _stat(pid):
            found[pid] = None
        waiting += [child for child in children.get(pid, []) if child not in found]
    return sorted(found)


class Cpu(msgspec.Struct, frozen=True):
    """The CPU time of some processes until now, from two clocks.

    Threads have a fine one, which ends with the thread; processes one in ticks of 10 ms, which
    also holds their threads and children that have ended.
    """

    threads_ns: dict[str, int]
    ticks: int

    @classmethod
    def of(cls, pids: Sequence[int]) -> "Cpu":
        threads = {}
        ticks = 0
        for pid in pids:
            if fields := _stat(pid):
                ticks += sum(map(int, fields[11:15]))  # utime stime cutime cstime
            for thread in _numbers(f"/proc/{pid}/task"):
                if said := _text(f"/proc/{pid}/task/{thread}/schedstat").split():
                    threads[str(thread)] = int(said[0])
        return cls(threads, ticks)

    def since(self, before: "Cpu") -> float:
        """Seconds: by the fine clock, unless the coarse one has clearly seen more."""
        fine_s = (
            sum(ns - before.threads_ns.get(thread, 0) for thread, ns in self.threads_ns.items())
            / 1e9
        )
        coarse_s = (self.ticks - before.ticks) * TICK_S
        return coarse_s if coarse_s > fine_s * 1.05 + 3 * TICK_S else fine_s


class Cores(msgspec.Struct, frozen=True):
    """Seconds, per core, since the machine started."""

    busy_s: dict[int, float]
    stolen_s: dict[int, float]  # by the hypervisor, for other guests

    @classmethod
    def now(cls) -> "Cores":
        busy, stolen = {}, {}
        for line in _text("/proc/stat").splitlines():
            name, *ticks = line.split()
            if name.startswith("cpu") and name != "cpu":
                user, nice, system, _idle, _wait, irq, softirq, steal = map(int, ticks[:8])
                core = int(name.removeprefix("cpu"))
                busy[core] = (user + nice + system + irq + softirq) * TICK_S
                stolen[core] = steal * TICK_S
        return cls(busy, stolen)


def rss_bytes(pids: Sequence[int]) -> int:
    """What the processes hold in memory; a page that several share counts for each of them."""
    return sum(int((_text(f"/proc/{pid}/statm").split() or "00")[1]) * PAGE for pid in pids)


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may hold anything: state, parent, group, session, …"""
    return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _numbers(folder: str) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdigit()]
    except OSError:  # it has just ended
        return []


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # as above
        return ""
