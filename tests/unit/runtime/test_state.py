"""One snapshot in force, swapped in one step; what has not changed lives on."""

from pathlib import Path

import pytest

from gateway.config import schema
from tests.unit.config.reading import SIM, read
from tests.unit.runtime.running import running


def two(first: str = "http://a.test/v1", *, more: str = "", ca_file: str = "") -> schema.Config:
    tls = f", ca_file: {ca_file}" if ca_file else ""
    return read(f"""
backends:
  a: {{provider: openai_compatible, base_url: "{first}"{more}{tls}}}
  b: {{provider: openai_compatible, base_url: "http://b.test/v1"}}
models: {{m: a/x, n: b/y}}
""")


def test_nothing_is_in_force_at_first() -> None:
    with running() as house, pytest.raises(RuntimeError):
        _ = house.runtime.snapshot


def test_a_swap_puts_a_new_snapshot_into_force_and_leaves_the_old_whole() -> None:
    with running() as house:
        before = house.runtime.swap(two())
        after = house.runtime.swap(read(SIM))
        assert house.runtime.snapshot is after
        assert set(before.backends) == {"a", "b"}
        assert before.hash != after.hash


def test_a_backend_that_stays_keeps_its_pool_and_takes_its_new_size() -> None:
    with running() as house:
        before = house.runtime.swap(two()).backends
        after = house.runtime.swap(two(more=", max_in_flight: 3, credential: sk-another-1"))
        assert after.backends["a"].pool is before["a"].pool
        assert before["a"].pool.max_in_flight == 3
        assert b"sk-another-1" in after.backends["a"].common


def test_a_backend_that_moves_gets_a_pool_of_its_own() -> None:
    with running() as house:
        before = house.runtime.swap(two()).backends
        after = house.runtime.swap(two("http://c.test/v1")).backends
        assert after["a"].pool is not before["a"].pool
        assert after["b"].pool is before["b"].pool


def test_pools_do_not_pile_up() -> None:
    with running() as house:
        for number in range(50):
            house.runtime.swap(two(f"http://a{number % 7}.test/v1"))
        assert len(house.runtime._lasting.pools) == 2


def test_a_ca_file_that_cannot_be_read_is_named_and_changes_nothing(tmp_path: Path) -> None:
    with running() as house:
        before = house.runtime.swap(two())
        pools = dict(house.runtime._lasting.pools)
        missing = tmp_path / "ca.pem"
        with pytest.raises(OSError, match=r"ca\.pem"):
            house.runtime.swap(two("https://a.test/v1", ca_file=str(missing)))
        missing.write_text("no certificate")
        with pytest.raises(OSError, match=r"ca\.pem"):
            house.runtime.swap(two("https://a.test/v1", ca_file=str(missing)))
        assert house.runtime.snapshot is before
        assert house.runtime._lasting.pools == pools


def test_followers_hear_of_each_config_that_comes_into_force() -> None:
    heard: list[str] = []
    with running() as house:
        house.runtime.followers.append(lambda config: heard.append(config.hash))
        hashes = [house.runtime.swap(two()).hash, house.runtime.swap(read(SIM)).hash]
    assert heard == hashes
