"""What was found, and where a fault is laid."""

import pytest

from gateway.config.faults import MAX_FAULTS, ConfigError
from gateway.config.findings import NOTHING, Findings, Found
from gateway.config.nodes import Place, Scalar, Section
from gateway.config.schema import Attempts

PLACE = Place("c", 3, 7)
ROOT = Found(Section(Place("c", 1, 1), {}), {})


def _scalar(text: str) -> Scalar:
    return Scalar(PLACE, text, plain=True)


def test_a_missing_value_is_blamed_where_it_should_stand() -> None:
    findings = Findings(found={(): ROOT, ("a",): Found(_scalar("x"), "x")})
    findings.blame_at(("a", "b", "c"), "is missing")
    assert [str(fault) for fault in findings.faults] == ["c:3:7 a.b.c: is missing"]


def test_faults_are_told_in_the_order_of_the_file() -> None:
    findings = Findings(found={(): ROOT, ("a",): Found(_scalar("x"), "x")})
    findings.blame_at(("a",), "second")
    findings.blame_at((), "first")
    assert [fault.message for fault in findings.error().faults] == ["first", "second"]


def test_reading_ends_when_nobody_would_read_on() -> None:
    findings = Findings(found={(): ROOT})
    for _ in range(MAX_FAULTS - 1):
        findings.blame_at((), "wrong")
    with pytest.raises(ConfigError, match="too many faults"):
        findings.blame_at((), "wrong")


def test_the_items_of_a_list_keep_their_index_when_one_is_broken() -> None:
    findings = Findings(
        found={
            ("a", 0): Found(_scalar("x"), "x"),
            ("a", 1): Found(_scalar("y"), NOTHING),
            ("a", 2): Found(_scalar("z"), "z"),
        }
    )
    assert list(findings.items(("a",), str)) == [(("a", 0), "x"), (("a", 2), "z")]
    assert findings.broken(("a", 1))
    assert not findings.broken(("a", 3))


def test_only_what_the_file_says_wins_over_the_base() -> None:
    findings = Findings(found={("m", "max"): Found(_scalar("3"), 3)})
    base = Attempts(max=7, backoff_cap_s=2.0)
    assert findings.over(base, Attempts(max=3), ("m",)) == Attempts(max=3, backoff_cap_s=2.0)


def test_what_came_out_of_the_environment_is_quoted_as_the_file_has_it() -> None:
    findings = Findings(found={("a",): Found(_scalar("${KEY}/x"), "planted/x")})
    assert findings.quoted(("a",), "planted") == "'${KEY}/x'"
    assert findings.quoted(("b",), "piece") == "'piece'"
