"""What no file of ours may hold: a registry's name, a path of one machine, code that runs data."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MADE = {".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text().split())}

# Put together here, so that this file does not hold what it looks for.
REGISTRIES = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs.org",
    "proxy." + "golang.org",
    "crates" + ".io",
    "repo1.maven" + ".org",
    "repo.maven." + "apache.org",
    "deb.debian" + ".org",
)
PLACES = (
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/tmp/" + "w/",
    "../sha" + "red",
    "/home/[a-z]",
    "/Users/[a-z]",
)
FOREIGN = re.compile(
    "|".join([*map(re.escape, REGISTRIES), *(rf"(?<![\w.$}}>]){place}" for place in PLACES)])
)

RUNS_DATA = {"pickle", "marshal", "shelve", "dill"}  # modules that run what they read
RUNS_TEXT = {"eval", "exec", "__import__"}  # calls that run a string


def _files() -> list[Path]:
    """What a commit would hold; in an unpacked archive, all but what ./dev and the tools make."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    listed = (ROOT / name for name in answer.stdout.split("\0"))
    files = listed if answer.returncode == 0 else ROOT.rglob("*")
    return [f for f in files if f.is_file() and not MADE & set(f.relative_to(ROOT).parts)]


def _foreign(text: str) -> list[str]:
    return [match.group() for match in FOREIGN.finditer(text)]


def _runs_data(source: str) -> list[str]:
    """The dangerous names that a source imports or calls."""
    return [name for node in ast.walk(ast.parse(source)) for name in _dangers(node)]


def _dangers(node: ast.AST) -> set[str]:
    match node:
        case ast.Import(names=names):
            return {alias.name.partition(".")[0] for alias in names} & RUNS_DATA
        case ast.ImportFrom(module=str(module)):
            return {module.partition(".")[0]} & RUNS_DATA
        case ast.Call(func=ast.Name(id=name)):
            return {name} & RUNS_TEXT
        case ast.Attribute(value=ast.Name(id="yaml"), attr="load" | "load_all" | "unsafe_load"):
            return {"yaml." + node.attr}
        case _:
            return set()


def test_no_file_names_a_registry_or_a_place_on_one_machine() -> None:
    files = _files()
    assert ROOT / "pyproject.toml" in files
    found = {file: _foreign(file.read_bytes().decode("utf-8", "replace")) for file in files}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize("name", REGISTRIES)
def test_the_name_of_a_registry_is_noticed(name: str) -> None:
    assert _foreign(f"url = https://{name}/simple")


@pytest.mark.parametrize("place", PLACES)
def test_a_place_on_one_machine_is_noticed(place: str) -> None:
    assert _foreign(f"see {place.replace('[a-z]', 'ann')}main for more")
    assert not _foreign(f"net{place.replace('[a-z]', 'ann')}")


def test_nothing_in_the_gateway_runs_what_it_reads() -> None:
    sources = list((ROOT / "gateway").rglob("*.py"))
    assert sources
    found = {file: _runs_data(file.read_text("utf-8")) for file in sources}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from marshal import loads",
        "def late():\n    import shelve",
        "eval('1')",
        "exec(text)",
        "yaml.load(text, Loader)",
        "read = yaml.unsafe_load",
    ],
)
def test_what_runs_data_is_noticed(source: str) -> None:
    assert _runs_data(source)


@pytest.mark.parametrize(
    "source", ["store.eval('1')", "re.compile('a')", "create_subprocess_exec()"]
)
def test_names_that_only_look_alike_pass(source: str) -> None:
    assert not _runs_data(source)
