"""What the documentation lists is what there is: metrics, log fields, events, files, packages."""

import re
from collections.abc import Iterator

import pytest

from gateway.config import waiting
from gateway.config.schema import Address, Server, Simulated
from tests.docs import catalogue
from tests.docs.reading import ROOT, code_words
from tests.harness import KEY, Gateway, until
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Reset, Send, Vendor, response

OPERATIONS = (ROOT / "docs/operations.md").read_text()


def _section(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def _first_cells(table: str) -> set[str]:
    """The words in code font of a table's first column."""
    return {
        word for row in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for word in code_words(row)
    }


def _sources() -> Iterator[str]:
    for file in (ROOT / "gateway").rglob("*.py"):
        yield file.read_text()


# ---- operations.md


def test_the_table_of_metrics_is_fresh() -> None:
    assert catalogue.with_table(OPERATIONS) == OPERATIONS, "python -m tests.docs.catalogue"


def test_a_stale_table_of_metrics_is_noticed() -> None:
    stale = OPERATIONS.replace("`gateway_requests_total`", "`gateway_requests`")
    assert catalogue.with_table(stale) == OPERATIONS


def test_every_event_of_the_log_is_listed() -> None:
    call = re.compile(r'\.say\(\s*"\w+",\s*"(\w+)"|\.surprise\(\s*"(\w+)"|event="(\w+)"')
    said = {word for text in _sources() for found in call.findall(text) for word in found if word}
    assert said == _first_cells(_section(OPERATIONS, "| Event |", "\n\n"))


@pytest.fixture(scope="module")
def lines() -> dict[str, set[str]]:
    """The fields of the log lines of a gateway that has met with good and bad, by event."""
    config = """
keys:
  - {{name: tester, tenant: testers, key: "{key}", models: ["*"]}}
backends:
  sim: {{provider: simulated, first_content_s: 0, tokens_per_second: 1000}}
  up: {{provider: openai_compatible, base_url: "{url}/v1"}}
models:
  sim: sim/any
  up: up/any
  few: {{targets: [{{use: sim/any}}], limits: {{requests_per_second: 2, on_limit: wait}}}}
"""
    chat = {"model": "sim", "messages": [{"role": "user", "content": "hi"}]}
    refused, broken = response(500, chat_body()), response(200, chat_body())[:40]
    with (
        Vendor([Send(refused)], [Send(broken), Reset()]) as vendor,
        Gateway(config.format(key=KEY, url=vendor.url)) as gateway,
    ):
        gateway.post("/v1/chat/completions", {**chat, "stream": True})
        gateway.post("/v1/chat/completions", {**chat, "model": "up"})
        gateway.post("/v1/chat/completions", {**chat, "model": "up"})
        for _ in range(3):
            gateway.post("/v1/chat/completions", {**chat, "model": "few"})
        gateway.raw(
            b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-request-id: mine\r\n"
            b"authorization: Bearer " + KEY.encode() + b"\r\n\r\n"
        )
        until(lambda: len(gateway.lines("exchange")) == 7, 20, "seven exchanges are told")
        found: dict[str, set[str]] = {}
        for line in gateway.lines():
            found.setdefault(line["event"], set()).update(line)
        return found


@pytest.mark.parametrize("event", ["exchange", "attempt_failed"])
def test_every_field_of_a_log_line_is_listed(lines: dict[str, set[str]], event: str) -> None:
    assert lines[event] == _first_cells(_section(OPERATIONS, f"<!-- fields: {event} -->", "\n\n#"))


# ---- the others


def test_the_readme_names_every_key_that_is_not_in_effect_yet() -> None:
    table = _section((ROOT / "README.md").read_text(), "| Not yet |", "\n\n")
    keys = code_words("\n".join(row.split(" | ")[1] for row in table.splitlines()[2:]))
    rows = {row.key for row in waiting.ROWS}
    assert keys - {"backends.*.provider", "server.workers"} == rows - {"server.workers"}


def test_the_settings_of_the_simulated_model_are_listed() -> None:
    text = (ROOT / "docs/simulated.md").read_text()
    assert _first_cells(_section(text, "## Settings", "\n## ")) == set(Simulated.__struct_fields__)


def test_the_drain_timeout_is_the_one_that_is_told() -> None:
    assert f"`server.drain_timeout_s` ({Server().drain_timeout_s:.0f})" in OPERATIONS
    assert Server().listen == Address("127.0.0.1", 8080)


def test_the_architecture_names_every_file() -> None:
    text = _section((ROOT / "docs/architecture.md").read_text(), "| File |", "\n\n")
    named = set()
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        folder = ""
        for word in re.findall(r"`([^`]+)`", row):
            folder = word.rpartition("/")[0] or folder
            named.add(f"{folder}/{word.rpartition('/')[2]}".lstrip("/"))
    files = {str(f.relative_to(ROOT / "gateway")) for f in (ROOT / "gateway").rglob("*.py")}
    assert {f for f in files if not f.endswith(("__init__.py", "__main__.py"))} == named


def test_the_packages_are_listed() -> None:
    locked = re.findall(r"^([\w-]+)==", (ROOT / "requirements/run.txt").read_text(), re.MULTILINE)
    text = (ROOT / "docs/dependencies.md").read_text()
    tables = _section(text, "| Asked for |", "| Our own |")
    listed = set(re.findall(r"[a-z][a-z-]+", " ".join(re.findall(r"^\| (.*?) \|", tables, re.M))))
    assert set(locked) <= listed
    assert f"{len(locked)} are installed" in text.replace("fifteen", "15")


def test_the_folders_of_the_tests_are_listed() -> None:
    folders = {
        str(folder.relative_to(ROOT))
        for folder in (ROOT / "tests").iterdir()
        if folder.is_dir() and any(folder.glob("**/*.py")) and folder.name != "__pycache__"
    }
    text = (ROOT / "docs/testing.md").read_text()
    listed = _first_cells(_section(text, "| Folder |", "\n\n"))
    assert folders <= listed


# ---- security.md


def test_every_test_that_security_md_names_is_there() -> None:
    table = _section((ROOT / "docs/security.md").read_text(), "| No. |", "\n\n")
    file, named = "", 0
    for word in re.findall(r"`([^`]+)`", table):
        if word.endswith(".py"):
            file = (ROOT / "tests" / word).read_text()
        else:
            assert f"def {word}(" in file, word
            named += 1
    assert named > 40
