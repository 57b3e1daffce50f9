"""The vocabulary is closed, told alike everywhere, and printed as it is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import errors
from gateway.errors import SITUATIONS, Code, GatewayError, Origin

ROOT = Path(__file__).parents[2]
GATEWAY = ROOT / "gateway"


@pytest.mark.parametrize("code", Code)
def test_every_word_has_its_situation(code: Code) -> None:
    at = SITUATIONS[code]
    assert 400 <= at.status <= 599
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", at.type)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code.value)
    assert at.meaning.endswith(".")
    assert "|" not in at.meaning


def test_no_situation_is_left_over() -> None:
    assert list(SITUATIONS) == list(Code)


def test_no_two_words_are_one() -> None:
    assert len({code.value for code in Code}) == len(Code.__members__)


def test_a_status_fits_whose_fault_it_was() -> None:
    for code, at in SITUATIONS.items():
        if at.origin in (Origin.UPSTREAM, Origin.CREDENTIAL, Origin.GATEWAY):
            assert at.status >= 500, code
        elif code is not Code.BAD_VERSION:  # RFC 9110 15.6.6 has 505 for it
            assert at.status < 500, code


def test_whoever_may_try_again_is_not_told_that_it_is_final() -> None:
    assert not any(at.final for at in SITUATIONS.values() if at.status == 408)
    assert not any(at.final for at in SITUATIONS.values() if at.origin is Origin.GATEWAY)
    assert not SITUATIONS[Code.UPSTREAM_RATE_LIMITED].final


def test_what_the_gateway_has_tried_again_itself_is_final() -> None:
    """SDKs repeat a 409 and a 5xx: three attempts of ours would be nine."""
    for code in (Code.UPSTREAM_CONFLICT, Code.UPSTREAM_ERROR, Code.CONNECT_FAILED):
        assert SITUATIONS[code].final


def test_every_word_is_said_somewhere() -> None:
    said = "".join(f.read_text() for f in GATEWAY.rglob("*.py") if f != GATEWAY / "errors.py")
    assert [code.name for code in Code if f"Code.{code.name}" not in said] == []


def test_an_error_is_what_its_situation_says() -> None:
    error = GatewayError(Code.UPSTREAM_QUOTA, "no more", param="model", retry_after_s=3)
    assert (error.status, error.type, error.origin) == (429, "insufficient_quota", Origin.QUOTA)
    assert error.final
    assert str(error) == error.message == "no more"
    assert (error.param, error.retry_after_s, error.headers) == ("model", 3, b"")


def test_its_status_may_be_another() -> None:
    assert GatewayError(Code.UPSTREAM_REFUSED, "no", status=404).status == 404


def test_errors_import_nothing_of_ours() -> None:
    assert "import gateway" not in Path(errors.__file__).read_text()
    assert "from gateway" not in Path(errors.__file__).read_text()


def test_the_committed_page_is_that_of_the_situations() -> None:
    committed = (ROOT / "docs/errors.md").read_text("utf-8")
    assert committed == errors.markdown(), "python -m gateway.errors > docs/errors.md"


def test_the_command_writes_what_is_committed() -> None:
    command = [sys.executable, "-m", "gateway.errors"]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    assert written == (ROOT / "docs/errors.md").read_bytes()


def test_every_word_has_one_row_of_five_cells() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", errors.markdown(), re.M)
    assert [name for name, _ in rows] == [code.value for code in Code]
    assert all(row.count(" | ") == 3 for _, row in rows)
