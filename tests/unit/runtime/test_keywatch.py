"""Keys that come, end and go while the runtime runs."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.config.load import ConfigError
from gateway.policy import minting
from gateway.policy.access import presented
from gateway.policy.minting import Wanted
from gateway.runtime import keysfile
from gateway.runtime.keywatch import KeyWatch
from tests.unit.config.reading import read
from tests.unit.runtime.running import Running, running

CLEAR = minting.clear_key(bytes(32))
CONFIG = "backends: {{sim: {{provider: simulated}}}}\nmodels: {{demo: sim/lorem}}\n{more}\n"


@pytest.fixture
def house() -> Iterator[Running]:
    with running() as one:
        yield one


def minted(path: Path, *, expires_in_s: float | None = None) -> None:
    wanted = Wanted(name="k", tenant="new", expires_in_s=expires_in_s)
    keysfile.change(path, lambda now: minting.create(now, wanted, CLEAR, "", time.time()))


def revoked(path: Path) -> None:
    keysfile.change(path, lambda now: minting.revoke(now, "k", time.time()))


def begun(house: Running, path: Path) -> KeyWatch:
    house.runtime.swap(read(CONFIG.format(more=f'keys_file: {{path: "{path}"}}')))
    watch = KeyWatch(house.runtime)
    watch.first(str(path))
    return watch


def known(house: Running) -> bool:
    digest = presented(None, CLEAR.encode())
    assert digest is not None
    return house.runtime.snapshot.keys.find(digest) is not None


def look(watch: KeyWatch) -> None:
    asyncio.run(watch.look())


def test_a_file_without_keys_lets_nobody_in(house: Running, tmp_path: Path) -> None:
    begun(house, tmp_path / "keys.json")
    assert not house.runtime.snapshot.keys.anonymous
    assert not known(house)


def test_keys_of_the_file_are_good_from_the_start_with_their_tenants(
    house: Running, tmp_path: Path
) -> None:
    minted(tmp_path / "keys.json")
    begun(house, tmp_path / "keys.json")
    assert known(house)
    assert "new" in house.runtime.snapshot.config.tenants


def test_a_key_comes_and_goes(house: Running, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    watch = begun(house, path)
    minted(path)
    look(watch)
    assert known(house)
    assert house.number("gateway_keys") == 1
    revoked(path)
    look(watch)
    assert not known(house)
    assert house.number("gateway_keys_reloads_total", "applied") == 2


def test_nothing_new_changes_nothing(house: Running, tmp_path: Path) -> None:
    minted(tmp_path / "keys.json")
    watch = begun(house, tmp_path / "keys.json")
    before = house.runtime.snapshot
    look(watch)
    assert house.runtime.snapshot is before


def test_a_key_ends_by_itself(house: Running, tmp_path: Path) -> None:
    minted(tmp_path / "keys.json", expires_in_s=0.05)
    watch = begun(house, tmp_path / "keys.json")
    assert known(house)
    time.sleep(0.06)
    look(watch)
    assert not known(house)


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("{"), lambda path: path.unlink()])
def test_a_file_that_cannot_be_taken_changes_nothing(
    house: Running, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    path = tmp_path / "keys.json"
    minted(path)
    watch = begun(house, path)
    spoil(path)
    look(watch)
    assert known(house)
    assert house.number("gateway_keys_reloads_total", "rejected") == 1
    assert house.written.lines("keys_rejected")


def test_at_start_such_a_file_is_a_fault(house: Running, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        begun(house, tmp_path / "keys.json")


def test_another_config_keeps_the_keys(house: Running, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    minted(path)
    begun(house, path)
    house.runtime.swap(
        read(CONFIG.format(more=f'keys_file: {{path: "{path}"}}\nserver: {{workers: 2}}'))
    )
    assert known(house)


def test_another_file_has_other_keys(house: Running, tmp_path: Path) -> None:
    minted(tmp_path / "keys.json")
    watch = begun(house, tmp_path / "keys.json")
    house.runtime.swap(read(CONFIG.format(more=f'keys_file: {{path: "{tmp_path}/other.json"}}')))
    look(watch)
    assert not known(house)
    assert not house.runtime.snapshot.keys.anonymous


def test_a_key_of_the_config_is_the_configs(house: Running, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    minted(path)
    own = "keys: [{name: k, tenant: own, key: 0123456789abcdef}]"
    house.runtime.swap(read(CONFIG.format(more=f'{own}\nkeys_file: {{path: "{path}"}}')))
    KeyWatch(house.runtime).first(str(path))
    (key,) = house.runtime.snapshot.config.keys
    assert key.tenant == "own"
