"""The committed schema and docs are those of the types, and hold for the examples."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml
from msgspec import inspect

from gateway.config import describe, written
from tests.unit.config.reading import SIM, read

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.yaml"))
ENV = {"OPENAI_API_KEY": "sk-a", "SEARCH_KEY": "key-of-the-search-team"}


def _valid(text: str) -> bool:
    schema = json.loads((ROOT / "config.schema.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    return bool(validator.is_valid(yaml.safe_load(text)))


def test_the_committed_schema_is_that_of_the_types() -> None:
    committed = (ROOT / "config.schema.json").read_text("utf-8")
    made = json.dumps(describe.json_schema(), indent=2, ensure_ascii=False) + "\n"
    hint = "python -m gateway.config.describe schema > config.schema.json"
    assert committed == made, hint


def test_the_committed_docs_are_those_of_the_types() -> None:
    committed = (ROOT / "docs/configuration.md").read_text("utf-8")
    hint = "python -m gateway.config.describe markdown > docs/configuration.md"
    assert committed == describe.markdown(), hint


@pytest.mark.parametrize("what", ["schema", "markdown"])
def test_the_command_writes_what_is_committed(what: str) -> None:
    command = [sys.executable, "-m", "gateway.config.describe", what]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    file = "config.schema.json" if what == "schema" else "docs/configuration.md"
    assert written == (ROOT / file).read_text("utf-8")


def test_the_command_knows_no_other_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert describe.main(["else"]) == 2
    assert "schema or markdown" in capsys.readouterr().err


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(describe.json_schema())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_valid(example: Path) -> None:
    assert _valid(example.read_text("utf-8"))


@pytest.mark.parametrize(
    "more",
    [
        "server: {workers: '${N}'}",
        "server: {workers: 2, listen: '[::1]:0'}",
        "cache: {enabled: '${ON:-true}'}",
        "logging: {level: '${LEVEL}'}",
        "tenants: {t: {budget: null}}",
        "models: {m: {targets: [{use: a/b}], attempts: {max: 2}, force: {a: [1, {b: null}]}}}",
    ],
)
def test_the_schema_takes_what_the_reader_takes(more: str) -> None:
    backends, models = SIM.splitlines(keepends=True)
    assert _valid(backends + more if more.startswith("models") else backends + models + more)


@pytest.mark.parametrize(
    "text",
    [
        "models: {a: b/c}",
        "backends: {}\nmodels: {a: b/c}",
        SIM + "sever: {}",
        SIM + "server: {lisen: a}",
        SIM + "server: {workers: 0}",
        SIM + "server: {workers: many}",
        SIM + "server: {drain_timeout_s: -1}",
        SIM + "logging: {level: loud}",
        SIM + "cache: {verify: 1.5}",
        SIM + "keys: [{name: a}]",
        SIM.replace("sim/lorem", "{targets: []}"),
        SIM.replace("sim/lorem", "{targets: [{use: a/b, wieght: 1}]}"),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(text: str) -> None:
    assert not _valid(text)


def test_every_example_of_the_docs_loads() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", describe.markdown(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert read(block, env=ENV, read_secret=lambda _path: "sk-b").models
        assert _valid(block)


def test_the_docs_have_a_row_for_every_key() -> None:
    docs = describe.markdown()
    waiting: list[type[msgspec.Struct]] = [written.File]
    seen: set[type[msgspec.Struct]] = set()
    while waiting:
        cls = waiting.pop()
        seen.add(cls)
        kind = inspect.type_info(cls)
        assert isinstance(kind, inspect.StructType)
        for field in kind.fields:
            assert f"\n| `{field.name}` | " in docs
            waiting += [one for one in _structs(field.type) if one not in seen]
    assert len(seen) > 15


def test_every_link_of_the_docs_leads_to_a_heading() -> None:
    docs = describe.markdown()
    headings = {
        re.sub(r"[^a-z0-9_ -]", "", line[3:].lower()).replace(" ", "-")
        for line in docs.splitlines()
        if line.startswith("## ")
    }
    links = set(re.findall(r"\]\(#([^)]*)\)", docs))
    assert links
    assert links <= headings


def _structs(kind: inspect.Type) -> list[type[msgspec.Struct]]:
    match kind:
        case inspect.Metadata():
            return _structs(kind.type)
        case inspect.StructType(cls=cls):
            return [] if cls.__name__ == "Address" else [cls]
        case inspect.UnionType():
            return [one for inner in kind.types for one in _structs(inner)]
        case inspect.DictType():
            return _structs(kind.value_type)
        case inspect.VarTupleType():
            return _structs(kind.item_type)
        case _:
            return []
