"""gateway keys, as typed: what it prints, and what the file holds afterwards."""

import hashlib
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.commands.keys import SECRET_VARIABLE
from gateway.config.schema import Budget, Caps, Limits
from gateway.policy.minting import digest_of
from gateway.runtime import keysfile


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def create(file: Path, *more: str) -> int:
    return main(["keys", "create", "--file", str(file), "--name", "k", "--tenant", "t", *more])


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.strip()


def test_a_key_is_printed_once_and_kept_as_its_digest(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create(file) == 0
    clear = printed(capsys)
    (entry,) = keysfile.read(file)
    assert entry.octets == hashlib.sha256(clear.encode()).digest()
    assert clear not in file.read_text()
    assert main(["keys", "list", "--file", str(file)]) == 0
    listed = printed(capsys)
    assert listed.split("\t") == [clear[:10] + "…", "k", "t", "*", "good"]


def test_scopes_are_as_said(file: Path) -> None:
    more = ["--models", "fast,s*", "--operations", "chat", "--expires", "2h", "--max-n", "4"]
    assert create(file, *more, "--max-tokens", "100") == 0
    (entry,) = keysfile.read(file)
    assert entry.models == ("fast", "s*")
    assert entry.operations == ("chat",)
    assert entry.caps == Caps(n=4, max_tokens=100)
    assert entry.expires_at == pytest.approx(entry.created_at + 7200)


def test_limits_are_as_said_and_a_rotated_key_has_them_too(file: Path) -> None:
    more = ["--limit", "requests_per_minute=60", "--limit", "usd_per_day=1.5"]
    assert create(file, *more, "--budget", "50/month") == 0
    assert main(["keys", "rotate", "k", "--file", str(file)]) == 0
    for entry in keysfile.read(file):
        assert entry.limits == Limits(requests_per_minute=60, usd_per_day=1.5)
        assert entry.budget == Budget(usd=50, per="month")


def test_rotation_prints_another_and_both_are_listed(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(file)
    first = printed(capsys)
    assert main(["keys", "rotate", "k", "--file", str(file), "--overlap", "1h"]) == 0
    second = printed(capsys)
    assert first != second
    main(["keys", "list", "--file", str(file)])
    old, new = printed(capsys).splitlines()
    assert "good until" in old
    assert new.endswith("good")


def test_a_revoked_key_is_listed_as_such(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create(file)
    clear = printed(capsys)
    assert main(["keys", "revoke", clear[:10], "--file", str(file)]) == 0
    main(["keys", "list", "--file", str(file)])
    assert "revoked" in printed(capsys)


@pytest.mark.parametrize(
    "words",
    [
        ["create", "--name", "k", "--tenant", "t"],
        ["create", "--name", "a\nb", "--tenant", "t"],
        ["create", "--name", "a", "--tenant", "t", "--models", "a*b"],
        ["create", "--name", "a", "--tenant", "t", "--max-n", "0"],
        ["create", "--name", "a", "--tenant", "t", "--limit", "requests_per_fortnight=1"],
        ["create", "--name", "a", "--tenant", "t", "--limit", "concurrent=0"],
        ["create", "--name", "a", "--tenant", "t", "--budget", "5/fortnight"],
        ["rotate", "nobody"],
        ["revoke", "nobody"],
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    file: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    create(file)
    before = file.read_bytes()
    assert main(["keys", *words, "--file", str(file)]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("gateway: ")
    assert file.read_bytes() == before


def test_the_config_says_where_and_with_which_secret(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "backends: {sim: {provider: simulated}}\nmodels: {demo: sim/lorem}\n"
        f'keys_file: {{path: "{file}", secret: secret-secret-secret}}\n'
    )
    words = ["keys", "create", "--config", str(config), "--name", "k", "--tenant", "t"]
    assert main(words) == 0
    (entry,) = keysfile.read(file)
    assert entry.digest == digest_of(printed(capsys), "secret-secret-secret")


def test_a_config_without_a_keys_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("backends: {sim: {provider: simulated}}\nmodels: {demo: sim/lorem}\n")
    assert main(["keys", "list", "--config", str(config)]) == 1
    assert "has no keys_file.path" in capsys.readouterr().err


def test_the_secret_of_a_bare_file_comes_from_the_environment(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, "secret-secret-secret")
    create(file)
    (entry,) = keysfile.read(file)
    assert entry.digest == digest_of(printed(capsys), "secret-secret-secret")
