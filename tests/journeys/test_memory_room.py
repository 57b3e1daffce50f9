"""The memory takes the room that it was given: measured from outside, not counted."""

import subprocess
import sys

import pytest

from tests.harness import ROOT

LIMIT = 24 << 20


@pytest.mark.parametrize("size", [250, 5_000, 0])
def test_a_full_memory_takes_the_bytes_that_are_configured(size: int) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.journeys.filling", str(LIMIT), str(size)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    values, grown = map(int, told.split())
    assert values > 100
    assert 0.8 * LIMIT < grown < 1.2 * LIMIT, f"{grown / LIMIT:.2f} of it, with {values} values"
