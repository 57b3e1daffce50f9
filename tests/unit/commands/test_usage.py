"""gateway usage, as typed."""

import json
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.telemetry import ledger
from gateway.telemetry.ledger import Entry

NOV_25 = 1_795_564_800.0  # 2026-11-25


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.jsonl"
    entries = [
        Entry(
            str(number), NOV_25 + 86_400 * number, "t", key, "chat", "m", "p", "b", "x", "complete",
            input=7, output=3, usd=0.5,
        )
        for number, key in enumerate("aab")
    ]  # fmt: skip
    ledger.add(path, "jsonl", entries)
    return path


def test_it_is_a_table(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--ledger", str(file)]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["tenant", "key", "model", "day", "charges"]
    assert rows[0].split()[:6] == ["t", "a", "m", "2026-11-25", "1", "7"]
    assert len(rows) == 3


def test_it_is_asked_by_what_and_when(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--by", "key", "--since", "2026-11-26", "--until", "2026-11-28", "--json"]
    assert main(["usage", "--ledger", str(file), *words]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["key"], row["charges"], row["usd"]) for row in rows] == [
        ("a", 1, 0.5),
        ("b", 1, 0.5),
    ]


def test_the_config_says_where(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("backends: {sim: {provider: simulated}}\nmodels: {demo: sim/lorem}\n")
    assert main(["usage", "--config", str(config)]) == 1
    assert "has no ledger.path" in capsys.readouterr().err
    with config.open("a") as text:
        text.write(f'ledger: {{path: "{file}"}}\n')
    assert main(["usage", "--config", str(config), "--by", "tenant"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["t", "3"]


@pytest.mark.parametrize("words", [["--by", "colour"], ["--since", "yesterday"]])
def test_what_cannot_be_asked_is_explained(
    file: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["usage", "--ledger", str(file), *words])
    assert "it " in capsys.readouterr().err


def test_no_ledger_is_a_plain_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--ledger", str(tmp_path / "none")]) == 1
    assert "gateway: " in capsys.readouterr().err


def test_a_database_of_something_else_is_a_plain_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other"
    path.write_bytes(b"SQLite format 3\0" + bytes(2000))
    assert main(["usage", "--ledger", str(path)]) == 1
    assert "gateway: " in capsys.readouterr().err
