"""The ledger's file: every entry once, whatever happens to the writing of it."""

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.config import schema
from gateway.telemetry import ledger
from gateway.telemetry.charges import Charge
from gateway.telemetry.ledger import Entry, Ledger
from gateway.telemetry.record import Attempt, Outcome, Record
from tests.unit.telemetry.written import Written

FORMS = ("jsonl", "sqlite")


def one(number: int) -> Entry:
    return Entry(
        f"req_{number}.1", float(number), "t", "k", "chat", "m", "p", "b", "x", "complete",
        input=7, output=0, usd=0.5,
    )  # fmt: skip


def charged() -> tuple[Record, Charge]:
    record = Record(Operation.CHAT, "t", "k")
    record.model, record.outcome = "m", Outcome.COMPLETE
    return record, Charge(Attempt("b", "p", "x"), 2, Usage(7, 3, 2, 1), False, 0.25)


@pytest.fixture
def kept() -> Iterator[tuple[Ledger, Written]]:
    written = Written()
    made = Ledger(written.log)
    yield made, written
    made.close()
    written.close()


def test_an_entry_says_who_what_and_how_much() -> None:
    record, charge = charged()
    assert ledger.entry(record, charge, 5.0) == Entry(
        f"{record.id}.2", 5.0, "t", "k", "chat", "m", "p", "b", "x", "complete",
        7, 3, 2, 0, 1, False, 0.25,
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_what_is_added_is_read_once_however_often_it_was_added(tmp_path: Path, form: str) -> None:
    path = tmp_path / "ledger"
    ledger.add(path, form, [one(1), one(2)])
    ledger.add(path, form, [one(2), one(3)])
    assert list(ledger.read(path)) == [one(1), one(2), one(3)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("form", FORMS)
def test_several_writers_lose_nothing(tmp_path: Path, form: str) -> None:
    path = tmp_path / "ledger"

    def write(first: int) -> None:
        for number in range(first, first + 25):
            ledger.add(path, form, [one(number)])

    threads = [threading.Thread(target=write, args=(25 * place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry.id for entry in ledger.read(path)} == {one(number).id for number in range(100)}


def test_a_torn_line_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger.add(path, "jsonl", [one(1)])
    with path.open("ab") as file:
        file.write(b'{"id":"req_2.1","at":2')
    ledger.add(path, "jsonl", [one(2), one(3)])
    assert list(ledger.read(path)) == [one(1), one(2), one(3)]


def test_a_file_that_was_moved_away_is_followed_by_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger.add(path, "jsonl", [one(1)])
    path.rename(tmp_path / "old")
    ledger.add(path, "jsonl", [one(2)])
    assert list(ledger.read(path)) == [one(2)]


def test_the_table_can_be_asked_by_others(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger.add(path, "sqlite", [one(1), one(2)])
    with sqlite3.connect(path) as base:
        assert base.execute("SELECT tenant, sum(usd) FROM ledger").fetchall() == [("t", 1.0)]
    base.close()


@pytest.mark.parametrize("form", FORMS)
def test_closing_writes_what_is_left(
    kept: tuple[Ledger, Written], tmp_path: Path, form: str
) -> None:
    made, _ = kept
    made.follow(schema.Ledger(path=str(tmp_path / "ledger"), format=form))  # type: ignore[arg-type]
    record, charge = charged()
    made.enter(record, charge)
    made.close()
    (entry,) = ledger.read(tmp_path / "ledger")
    assert (entry.id, entry.usd) == (f"{record.id}.2", 0.25)
    assert abs(entry.at - time.time()) < 60


def test_without_a_path_nothing_is_kept(kept: tuple[Ledger, Written]) -> None:
    made, _ = kept
    made.enter(*charged())
    assert made.waiting == 0


def test_what_cannot_be_written_waits_is_told_once_and_is_written_later(
    kept: tuple[Ledger, Written], tmp_path: Path
) -> None:
    made, written = kept
    path = tmp_path / "later/ledger"
    made._said = schema.Ledger(path=str(path))
    for _ in range(3):
        made.enter(*charged())
        made._flush()
    assert (made.waiting, made.dropped) == (3, 0)
    os.mkdir(path.parent)
    made._flush()
    assert made.waiting == 0
    assert len(list(ledger.read(path))) == 3
    assert [line["event"] for line in written.lines()] == ["ledger_failing", "ledger_recovered"]


def test_too_many_that_wait_are_dropped_and_counted(
    kept: tuple[Ledger, Written], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MAX_WAITING", 3)
    made, _ = kept
    made._said = schema.Ledger(path=str(tmp_path / "later/ledger"))
    for _ in range(2):
        made.enter(*charged())
    made._flush()
    for _ in range(3):
        made.enter(*charged())
    assert (made.waiting, made.dropped) == (3, 2)
