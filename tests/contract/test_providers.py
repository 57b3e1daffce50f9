"""What holds for every provider, those of installed entry points included."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import gateway.providers
from gateway.chat.operation import Operation
from gateway.errors import Code
from gateway.policy.failures import RULES
from gateway.providers import BadProvider, discover
from gateway.providers.base import Provider
from gateway.wire.http import printable
from tests.vendors.openai_wire import error_body

PROVIDERS = list(discover().values())
NAMES = [provider.name for provider in PROVIDERS]
every = pytest.mark.parametrize("provider", PROVIDERS, ids=NAMES)
FOLDER = Path(gateway.providers.__file__).parent
SECRET = "sk-very-secret-0123456789"


def test_every_module_offers_a_provider_of_its_name() -> None:
    modules = {file.stem for file in FOLDER.glob("*.py")} - {"__init__", "base"}
    assert modules <= discover().keys()
    assert all(name == provider.name for name, provider in discover().items())


@every
def test_a_name_can_be_written_in_yaml_and_in_a_metric(provider: Provider) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", provider.name)


@every
def test_an_address_is_a_base(provider: Provider) -> None:
    if provider.base_url is not None:
        url = urlsplit(provider.base_url)
        assert url.scheme in ("https", "http")
        assert url.hostname
        assert (url.query, url.fragment, url.username) == ("", "", None)
        assert not url.path.endswith("/")
        assert url.scheme == "https" or url.hostname in ("simulated", "127.0.0.1")


@every
def test_paths_lie_below_it(provider: Provider) -> None:
    for operation, path in provider.paths.items():
        assert isinstance(operation, Operation)
        assert re.fullmatch(r"(/[a-z0-9_.-]+)+", path)
    for door in provider.doors.values():
        for path in (door.path, door.stream_path or door.path):
            assert re.fullmatch(r"(/[A-Za-z0-9_.:{}-]+)+(\?[a-z-]+=[a-z0-9-]+)?", path)
    assert Operation.MODELS not in provider.paths
    assert len(set(provider.paths.values())) == len(provider.paths)


@every
def test_authorization_is_a_clean_head_and_depends_on_nothing_else(provider: Provider) -> None:
    lines = provider.authorize(SECRET)
    assert lines == provider.authorize(SECRET)
    for name, value in lines:
        assert re.fullmatch(rb"[a-z0-9-]+", name)
        assert printable(value)
    assert (
        not provider.doors or provider.sign or any(SECRET.encode() in value for _, value in lines)
    )


@every
def test_a_credential_does_not_show(provider: Provider) -> None:
    provider.authorize(SECRET)
    assert SECRET not in repr(provider)


@every
@pytest.mark.parametrize(
    ("status", "codes"),
    [
        (400, {Code.UPSTREAM_REFUSED}),
        (401, {Code.UPSTREAM_AUTH}),
        (403, {Code.UPSTREAM_AUTH}),
        (404, {Code.UPSTREAM_REFUSED}),
        (429, {Code.UPSTREAM_RATE_LIMITED}),
        (500, {Code.UPSTREAM_ERROR}),
        (502, {Code.UPSTREAM_ERROR}),
        (503, {Code.UPSTREAM_OVERLOADED}),
        (529, {Code.UPSTREAM_OVERLOADED}),
    ],
)
def test_the_common_failures_are_told_apart(
    provider: Provider, status: int, codes: set[Code]
) -> None:
    failure = provider.classify(status, provider.read_error(error_body("no")), 2.0)
    assert failure.code in codes
    assert (failure.status, failure.retry_after_s) == (status, 2.0)


@every
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{", b"\xff", b'{"error":' * 9_999])
def test_any_error_becomes_a_failure_that_has_a_rule(provider: Provider, body: bytes) -> None:
    for status in (100, 204, 302, 400, 418, 500, 999):
        assert provider.classify(status, provider.read_error(body), None).code in RULES


@every
def test_what_was_taken_from_a_vendor_says_where_from(provider: Provider) -> None:
    if provider.base_url is not None and provider.base_url.startswith("https:"):
        assert re.search(r", 20\d\d-\d\d$", provider.source)


@every
def test_who_relays_converses_too(provider: Provider) -> None:
    assert provider.doors or not provider.paths


# ---- entry points


@pytest.fixture
def fresh() -> Iterator[None]:
    """discover() as if for the first time, and forgotten again."""
    discover.cache_clear()
    yield
    discover.cache_clear()


MODULE = """
from gateway.providers.base import Provider
P, X = Provider(name="{}", base_url=None), 1
"""


def _installed(folder: Path, name: str, value: str) -> None:
    """A distribution, as pip would leave it, with one entry point."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[gateway.providers]\nx = {value}\n")
    (folder / f"door_{name}.py").write_text(MODULE.format(name))


@pytest.mark.usefixtures("fresh")
def test_an_entry_point_adds_a_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _installed(tmp_path, "extra", "door_extra:P")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert discover()["extra"].name == "extra"
    assert discover().keys() == {*NAMES, "extra"}


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("openai", "door_openai:P", "two providers are called 'openai'"),
        ("lame", "door_lame:X", "offers no PROVIDER"),
    ],
)
def test_an_entry_point_that_cannot_be_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, told: str
) -> None:
    _installed(tmp_path, name, value)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BadProvider, match=told):
        discover()
