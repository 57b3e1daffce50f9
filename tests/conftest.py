"""What all tests share: hypothesis neither races the clock nor rolls new dice in CI, and the matrix
of languages is shown at the end of a run that had it.
"""

import os
import re
from collections import Counter
from typing import Final

import pytest
from hypothesis import settings

_CELL: Final = re.compile(r"/test_matrix\.py::\w+\[(\w+)-(\w+)-\w+\]$")

settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Client by backend: how many of its cases passed."""
    asked: Counter[tuple[str, str]] = Counter()
    passed: Counter[tuple[str, str]] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            if cell := _CELL.search(report.nodeid):
                asked[cell[1], cell[2]] += 1
                passed[cell[1], cell[2]] += outcome == "passed"
    if not asked:
        return
    clients, backends = (list(dict.fromkeys(pair[at] for pair in asked)) for at in (0, 1))
    terminalreporter.section("client by backend: cases that pass")
    width = max(map(len, backends)) + 2
    terminalreporter.write_line(" " * 12 + "".join(f"{name:>{width}}" for name in backends))
    for client in clients:
        cells = (f"{passed[client, name]}/{asked[client, name]}" for name in backends)
        terminalreporter.write_line(f"{client:12}" + "".join(f"{cell:>{width}}" for cell in cells))
    terminalreporter.write_line(f"{passed.total()} of {asked.total()} in {len(asked)} pairs")
