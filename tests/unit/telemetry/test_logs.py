"""A line is one line, whatever stands in it; who does not take it stops nobody."""

import fcntl
import json
import os
import re
import threading
from pathlib import Path

import msgspec
import pytest

from gateway.telemetry import logs
from gateway.telemetry.logs import Level, Log, shown
from tests.harness import until
from tests.unit.telemetry.written import Written


class Fact(msgspec.Struct, omit_defaults=True):
    event: str
    text: str
    missing: int | None = None


def test_a_line_says_when_how_grave_and_what() -> None:
    written = Written()
    written.log.say("info", "ready", port=80, nothing=None)
    (line,) = written.lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {"level": "info", "event": "ready", "port": 80}


def test_lines_keep_their_order() -> None:
    written = Written()
    for number in range(500):
        written.log.say("info", "count", number=number)
    assert [line["number"] for line in written.lines()] == list(range(500))


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_in_a_value_begins_another_line(form: str) -> None:
    written = Written(form=form)
    evil = 'x\r\n{"event":"forged"}\x1b[2J\x00'
    written.log.say("info", "said", what=evil)
    written.log.struct(Fact("said", evil))
    text = written.text()
    assert len(text.splitlines()) == 2
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)


def test_the_text_form_is_for_people() -> None:
    written = Written(form="text")
    written.log.say("info", "ready", port=80)
    written.log.struct(Fact("said", "a b"))
    first, second = written.text().splitlines()
    assert first.endswith('level="info" event="ready" port=80')
    assert second == 'event="said" text="a b"'


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_less_than_the_level_is_not_told(level: Level, told: list[str]) -> None:
    written = Written()
    written.log.configure(level, "json")
    levels: tuple[Level, ...] = ("debug", "info", "warning", "error")
    for one in levels:
        written.log.say(one, "said")
    assert [line["level"] for line in written.lines()] == told
    assert [one for one in levels if written.log.wants(one)] == told


def test_a_surprise_tells_its_place_and_not_what_it_quotes() -> None:
    written = Written()
    try:
        raise ValueError("sk-secret")
    except ValueError as error:
        written.log.surprise("exchange_failed", error, id="req_1")
    (line,) = written.lines()
    assert (line["error"], line["id"], line["level"]) == ("ValueError", "req_1", "error")
    assert line["places"][0].startswith("test_logs.py:")
    assert "sk-secret" not in str(line)


def test_what_came_from_outside_is_cut_and_spelt_out() -> None:
    assert shown("gpt-5 ünïcode") == "gpt-5 ünïcode"
    assert shown("a\x1b[31m\x9b\n") == "a\\x1b[31m\\x9b\\n"
    assert shown("x" * 5000) == "x" * logs.MAX_FIELD


def test_a_pipe_that_nobody_reads_stops_nobody_and_the_lost_are_counted() -> None:
    reader, writer = os.pipe()
    log = Log(writer)
    try:
        log.say("info", "filler", text="x" * (1 << 20))  # more than a pipe holds
        until(lambda: not log._lines, 20, "the log's thread has not begun to write")
        for number in range(logs.MAX_LINES + 7):
            log.say("info", "count", number=number)
        assert log.dropped == 7
        with open(reader, "rb", closefd=False) as pipe:
            lines = [json.loads(pipe.readline()) for _ in range(logs.MAX_LINES + 1)]
        assert [line["number"] for line in lines[1:]] == list(range(logs.MAX_LINES))
        log.say("info", "again")
        assert json.loads(os.read(reader, 4096))["event"] == "again"
    finally:
        os.close(reader)
        log.close()
        os.close(writer)


def test_a_file_is_written_in_long_pieces_of_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write is a turn that traffic waits for."""
    pieces: list[bytes] = []

    def write(fd: int, data: bytes) -> int:
        pieces.append(data)
        return len(data)

    with open(tmp_path / "log", "wb") as file:
        log = Log(file.fileno())
        monkeypatch.setattr(os, "write", write)
        for number in range(1000):
            log.say("info", "count", number=number, text="x" * 200)
        log.close()
    assert all(piece.endswith(b"\n") and len(piece) <= logs.FILED for piece in pieces)
    assert b"".join(pieces).count(b"\n") == 1000
    assert max(map(len, pieces)) > logs.FILED // 2


def test_a_closed_pipe_costs_lines_and_nothing_else() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = Log(writer)
    for _ in range(3):
        log.say("info", "said")
    until(lambda: log.dropped == 3, 20, "the lost lines are not counted")
    log.close()
    os.close(writer)


def test_a_line_torn_by_a_full_disk_spoils_no_other() -> None:
    """A pipe that does not wait stands for the disk: it takes a part of a long line."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    room = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    log = Log(writer)
    sent = 0
    while sent * room < 2 * room:
        log.say("info", "count", number=sent, text="x" * room)
        sent += 1
    until(lambda: log.dropped > 0, 20, "nothing was lost")
    lost = log.dropped
    first = os.read(reader, 1 << 20)
    assert not first.endswith(b"\n")  # else nothing is torn, and the test proves nothing
    log.say("info", "after")
    log.close()
    torn, after = os.read(reader, 1 << 20).split(b"\n", 1)
    assert torn == b""
    assert json.loads(after)["event"] == "after"
    assert first.count(b"\n") + lost == sent
    os.close(reader)
    os.close(writer)


def test_closing_does_not_wait_for_ever() -> None:
    reader, writer = os.pipe()
    log = Log(writer)
    log.say("info", "filler", text="x" * (1 << 20))
    closing = threading.Thread(target=log.close, args=(0.2,))
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    os.close(reader)  # lets the log's own thread go
    log.close(5)
    os.close(writer)
