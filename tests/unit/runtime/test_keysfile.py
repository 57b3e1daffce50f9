"""The keys file: whole or not at all, one writer at a time, nobody else's to read."""

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gateway.config.schema import Budget
from gateway.policy import minting
from gateway.policy.minting import Entries, Wanted
from gateway.runtime import keysfile
from gateway.runtime.keysfile import KeysFileError


def adding(name: str) -> Callable[[Entries], Entries]:
    wanted = Wanted(name=name, tenant="t")
    clear = minting.clear_key(name.encode().ljust(32, b"-"))
    return lambda entries: minting.create(entries, wanted, clear, "", 1.0)


def names(path: Path) -> set[str]:
    return {one.name for one in keysfile.read(path)}


def test_no_file_is_no_keys(tmp_path: Path) -> None:
    assert keysfile.read(tmp_path / "keys.json") == ()
    assert keysfile.signature(tmp_path / "keys.json") is None


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    entries = keysfile.change(path, adding("a"))
    assert keysfile.read(path) == entries
    assert "null" not in path.read_text()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keysfile.change(path, adding("a"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    several = [f"k{number}" for number in range(20)]
    threads = [
        threading.Thread(target=keysfile.change, args=(path, adding(name))) for name in several
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(path) == set(several)


def test_every_change_shows(tmp_path: Path) -> None:
    path, seen = tmp_path / "keys.json", set()
    for name in "abc":
        keysfile.change(path, adding(name))
        seen.add(keysfile.signature(path))
    assert len(seen) == 3


def test_a_change_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keysfile.change(path, adding("a"))
    before = path.read_bytes()
    with pytest.raises(minting.Refused):
        keysfile.change(path, adding("a"))
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"keys.json", "keys.json.lock"}


def test_behind_a_link_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    link, real = tmp_path / "keys.json", tmp_path / "real.json"
    link.symlink_to(real)
    keysfile.change(link, adding("a"))
    assert link.is_symlink()
    assert names(real) == {"a"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'{"keys": 1}',
        b'{"keys": [{"name": "a"}]}',
        b'{"keys": [{"name": "a", "tenant": "t", "digest": "sha256:0"}]}',
        b'{"keys": [{"name": "a", "tenant": "t", "digest": "", "role": "admin"}]}',
        b'{"more": []}',
        b"[" * 5000,
        b"\xff",
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(text)
    with pytest.raises(KeysFileError):
        keysfile.read(path)
    with pytest.raises(KeysFileError):
        keysfile.change(path, adding("a"))
    assert path.read_bytes() == text


def test_its_form_is_plain(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keysfile.change(path, adding("a"))
    (entry,) = msgspec.json.decode(path.read_bytes())["keys"]
    assert entry.keys() == {"name", "tenant", "digest", "prefix", "created_at"}


def test_a_budget_of_a_zone_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keysfile.change(path, adding("a"))
    before = path.read_bytes()
    nowhere = Budget(usd=1, per="day", zone="Europe/Nowhere")
    with pytest.raises(KeysFileError, match=r"key 'a': budget\.zone must be"):
        keysfile.change(path, lambda all: (msgspec.structs.replace(all[0], budget=nowhere),))
    assert path.read_bytes() == before
