"""The table of faults in docs/surviving.md names what really proves each of them."""

import re
from typing import Final

from tests.docs.reading import ROOT
from tests.journeys.test_upstream_faults import CUTS, ROWS

_ROW: Final = re.compile(r"\| (\d+) \|.*\| ([^|]+) \|")


def rows() -> dict[int, list[str]]:
    """By the fault's number, what proves it."""
    text = (ROOT / "docs/surviving.md").read_text().partition("## Fault by fault")[2]
    found = [_ROW.fullmatch(line) for line in text.splitlines()]
    return {int(row[1]): row[2].replace("`", "").split() for row in found if row}


def test_each_fault_is_proved_by_something() -> None:
    assert list(rows()) == list(range(1, 50))
    assert all(rows().values())


def test_what_proves_it_is_there() -> None:
    tests = {
        name
        for file in (ROOT / "tests").glob("**/test_*.py")
        for name in re.findall(r"def (test_\w+)\(", file.read_text())
    }
    named = {proof for proofs in rows().values() for proof in proofs}
    assert named - tests == {"before", "behind"}


def test_the_tables_have_the_rows_that_are_said_to_be_in_them() -> None:
    for word, faults in (("before", [row.fault for row in ROWS]), ("behind", list(CUTS))):
        said = {number for number, proofs in rows().items() if word in proofs}
        assert {int(fault.split()[0][1:]) for fault in faults} == said
