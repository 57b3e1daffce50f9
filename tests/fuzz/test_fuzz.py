"""A short run over every parser, always the same one; and a fault that is planted is found.

For longer ones: python -m tests.fuzz --seconds 3600.
"""

from collections.abc import Hashable, Iterator
from pathlib import Path
from random import Random

import pytest

from gateway.wire import json
from tests.fuzz.__main__ import main
from tests.fuzz.cutting import cuttings
from tests.fuzz.mutating import MAX_INPUT, mutated
from tests.fuzz.parser import Parser
from tests.fuzz.parsers import ALL
from tests.fuzz.running import CORPUS, MAX_SWELL_BYTES, Fuzzing, corpus, watched

INPUTS = 1_000  # for each parser; less than a second
SEED = 3


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    with watched():
        yield


@pytest.mark.parametrize("name", ALL)
def test_spoilt_bytes_find_nothing(name: str) -> None:
    fuzzing = Fuzzing.of(ALL[name], SEED)
    fuzzing.warm_up()
    assert len(fuzzing.kinds) > 1, "the corpus has one outcome only"
    for _ in range(INPUTS):
        fuzzing.step()
    assert [f"{one.data!r}\n{one.error}" for one in fuzzing.findings.values()] == []
    assert fuzzing.runs == INPUTS + len(corpus(ALL[name]))


def test_the_corpus_is_small_and_each_of_it_is_read() -> None:
    files = [file for file in CORPUS.rglob("*") if file.is_file() and file.name[0] != "."]
    assert {file.parent.name for file in files} == set(ALL)
    assert len(files) <= 60
    assert max(file.stat().st_size for file in files) <= 2048


# ---- what is planted is found


def _planted(check: object) -> Fuzzing:
    assert callable(check)
    seeds = [b'{"a":1}', b'{"b":[2,"x"]}']
    return Fuzzing(Parser("planted", check, (b'"', b"}", b"\\u0000", b",")), Random(1), seeds)


def _fault(data: bytes, dice: Random) -> Hashable:
    """Forgets that a body may be no document."""
    return tuple(json.read(data))


def _slip(data: bytes, dice: Random) -> Hashable:
    """A reader that reads pieces by themselves."""
    whole = data.count(b'"b"')
    for pieces in cuttings(data, dice):
        assert sum(piece.count(b'"b"') for piece in pieces) == whole
    return whole


def _hang(data: bytes, dice: Random) -> Hashable:
    while b'}"' in data:
        pass
    return 0


def _swell(data: bytes, dice: Random) -> Hashable:
    return len(b"x" * (MAX_SWELL_BYTES * 3 if b'"b"' in data else 1))


@pytest.mark.parametrize(
    ("check", "error"),
    [(_fault, "JsonError"), (_slip, "AssertionError")],
)
def test_a_planted_fault_is_found(check: object, error: str) -> None:
    fuzzing = _planted(check)
    fuzzing.warm_up()
    for _ in range(200):
        fuzzing.step()
    assert error in "".join(one.error for one in fuzzing.findings.values())


def test_an_input_that_swells_is_found() -> None:
    fuzzing = _planted(_swell)
    fuzzing.warm_up()
    (finding,) = fuzzing.findings.values()
    assert finding.data == b'{"b":[2,"x"]}'
    assert "Swelling" in finding.error


def test_a_hang_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.running.MAX_CPU_S", 0.05)
    fuzzing = _planted(_hang)
    fuzzing.try_out(b'{}"')
    (finding,) = fuzzing.findings.values()
    assert "Hang" in finding.error


def test_a_finding_is_told_once() -> None:
    fuzzing = _planted(_fault)
    for data in (b"{", b"[", b"]", b'{"a"'):
        fuzzing.try_out(data)
    assert len(fuzzing.findings) <= 2
    assert fuzzing.runs == 4


# ---- the dice


def test_the_same_seed_makes_the_same_inputs() -> None:
    def made(seed: int) -> list[bytes]:
        fuzzing = Fuzzing.of(ALL["document"], seed)
        return [
            mutated(data, fuzzing.pool, fuzzing.parser.tokens, fuzzing.dice)
            for data in fuzzing.pool * 20
        ]

    assert made(1) == made(1) != made(2)
    assert max(map(len, made(1))) <= MAX_INPUT


def test_a_cutting_leaves_nothing_out() -> None:
    data = bytes(range(256))
    ways = cuttings(data, Random(4))
    assert [b"".join(pieces) for pieces in ways] == [data] * 3
    assert len(ways[-1]) == len(data)


# ---- as a person runs it


def test_a_run_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seconds", "0.2", "--parser", "retry_after", "--seed", "5"]) == 0
    said = capsys.readouterr().out
    assert "retry_after" in said
    assert "0 findings" in said
    assert "seed 5" in said


def test_a_file_is_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"3\n")
    assert main(["--replay", str(file), "--parser", "retry_after"]) == 0
    assert "retry_after: (False, False, False)" in capsys.readouterr().out
