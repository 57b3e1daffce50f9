"""The file read again: a good one comes into force, a bad one is told and changes nothing."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.config import load
from gateway.config.load import ConfigError
from gateway.config.schema import Config
from gateway.providers import discover
from gateway.runtime.reload import LOOK_S, STILL_S, Reloader
from gateway.telemetry.sink import Sink
from tests.unit.runtime.running import Running, running
from tests.vendors.looped import looped

SIMULATED = "backends: {{sim: {{provider: simulated}}}}\nmodels: {{{}: sim/lorem}}\n"


def text(model: str = "demo", more: str = "") -> str:
    return SIMULATED.format(model) + more


@dataclass(frozen=True)
class Reloading:
    house: Running
    file: Path
    reloader: Reloader

    @property
    def models(self) -> set[str]:
        return set(self.house.runtime.snapshot.routes)

    def number(self, name: str, *labels: str) -> float:
        return self.house.number(f"gateway_config_{name}", *labels)

    def told(self, event: str) -> list[dict[str, Any]]:
        return self.house.written.lines(event)

    async def after(self, content: str, *, again: bool = False) -> bool:
        self.file.write_text(content)
        return await self.reloader.reload(again=again)


def parsing(file: Path) -> Callable[[bytes], Config]:
    def parse(content: bytes) -> Config:
        return load.parse(content, path=str(file), env=os.environ, known_providers=discover())

    return parse


@pytest.fixture
def reloading(tmp_path: Path) -> Iterator[Reloading]:
    file = tmp_path / "config.yaml"
    file.write_text(text())
    with running() as house:
        reloader = Reloader(house.runtime, file, parsing(file))
        reloader.first()
        yield Reloading(house, file, reloader)


def test_the_first_config_is_in_force_and_told(reloading: Reloading) -> None:
    assert reloading.models == {"demo"}
    hash = reloading.house.runtime.snapshot.hash
    assert reloading.number("info", hash) == 1
    assert reloading.number("last_reload_successful") == 1
    assert reloading.number("last_reload_timestamp_seconds") > 1e9


def test_a_first_config_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    file = tmp_path / "nowhere.yaml"
    with running() as house, pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        Reloader(house.runtime, file, parsing(file)).first()


@looped
async def test_a_good_config_comes_into_force(reloading: Reloading) -> None:
    before = reloading.house.runtime.snapshot.hash
    assert await reloading.after(text("other"))
    assert reloading.models == {"other"}
    assert reloading.number("reloads_total", "applied") == 1
    assert list(reloading.house.metrics.numbers["gateway_config_info"]) == [
        (reloading.house.runtime.snapshot.hash,)
    ]
    (line,) = reloading.told("config_applied")
    assert (line["before"], line["hash"]) == (before, reloading.house.runtime.snapshot.hash)
    assert "needs_restart" not in line


@pytest.mark.parametrize(
    "broken",
    [
        "backends: {sim: {provider: simulated}}\nmodels: {demo: sim/lorem",
        text(more="nonsense: 1\n"),
        text(more="models: {twice: sim/lorem}\n"),
        "models: {demo: nowhere/lorem}\nbackends: {sim: {provider: simulated}}\n",
        text(more="store: ${GATEWAY_TEST_UNSET}\n"),
        "",
        "x" * (11 << 20),
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
    ],
    ids=["yaml", "unknown", "duplicate", "backend", "env", "empty", "11MB", "bomb"],
)
@looped
async def test_a_broken_config_changes_nothing_and_is_told_with_its_line(
    reloading: Reloading, broken: str
) -> None:
    before = reloading.house.runtime.snapshot
    assert not await reloading.after(broken)
    assert reloading.house.runtime.snapshot is before
    assert reloading.number("reloads_total", "rejected") == 1
    assert reloading.number("last_reload_successful") == 0
    assert reloading.number("info", before.hash) == 1
    (line,) = reloading.told("config_rejected")
    assert all(fault.startswith(f"{reloading.file}") for fault in line["faults"])


@looped
async def test_all_faults_are_told_at_once(reloading: Reloading) -> None:
    await reloading.after(text(more="nonsense: 1\nserver:\n  workers: none\n"))
    (line,) = reloading.told("config_rejected")
    assert [fault.split(" ")[0].split(":")[1] for fault in line["faults"]] == ["3", "5"]


@looped
async def test_the_same_broken_text_is_told_once_unless_asked_again(reloading: Reloading) -> None:
    for again in (False, False, True):
        await reloading.after("broken: [", again=again)
    assert len(reloading.told("config_rejected")) == 2


@looped
async def test_a_touch_is_no_reload(reloading: Reloading) -> None:
    assert not await reloading.after(text())
    assert reloading.told("config_unchanged") == []
    assert dict(reloading.house.metrics.numbers["gateway_config_reloads_total"]) == {}


@looped
async def test_another_spelling_of_the_same_is_no_reload(reloading: Reloading) -> None:
    before = reloading.house.runtime.snapshot
    assert not await reloading.after(f"# a comment\n{text()}")
    assert reloading.house.runtime.snapshot is before


@looped
async def test_a_removed_file_is_told_once_and_its_return_heals(reloading: Reloading) -> None:
    before = reloading.house.runtime.snapshot
    reloading.file.unlink()
    for _ in range(3):
        assert not await reloading.reloader.reload()
    assert reloading.house.runtime.snapshot is before
    assert reloading.number("last_reload_successful") == 0
    await reloading.after(text())
    assert reloading.number("last_reload_successful") == 1
    (line,) = reloading.told("config_rejected")
    assert "cannot be read: No such file" in line["faults"][0]


@looped
async def test_the_good_config_put_back_heals(reloading: Reloading) -> None:
    await reloading.after("broken: [")
    assert not await reloading.after(text())
    assert reloading.number("last_reload_successful") == 1
    assert len(reloading.told("config_unchanged")) == 1


@looped
async def test_a_rotated_secret_comes_into_force_when_asked_again(
    reloading: Reloading, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("sk-first-secret-1\n")
    config = f"""
backends:
  up: {{provider: openai_compatible, base_url: "http://a.test", credential: "file:{secret}"}}
models: {{m: up/x}}
"""
    await reloading.after(config)
    secret.write_text("sk-second-secret-2\n")
    assert await reloading.after(config, again=True)
    common = reloading.house.runtime.snapshot.backends["up"].common
    assert b"sk-second-secret-2" in common
    assert "secret-" not in reloading.house.written.text()


@looped
async def test_a_ca_file_that_is_missing_rejects_the_config(reloading: Reloading) -> None:
    config = """
backends: {up: {provider: openai_compatible, base_url: "https://a.test", ca_file: /nowhere.pem}}
models: {m: up/x}
"""
    assert not await reloading.after(config)
    assert reloading.models == {"demo"}
    (line,) = reloading.told("config_rejected")
    assert "/nowhere.pem" in line["faults"][0]


@looped
async def test_what_needs_a_restart_is_said_until_it_is_as_at_the_start(
    reloading: Reloading,
) -> None:
    await reloading.after(text(more='server: {listen: "127.0.0.1:9999", workers: 2}\n'))
    await reloading.after(text("m", more='server: {listen: "127.0.0.1:9999", workers: 2}\n'))
    await reloading.after(text("m"))
    lines = reloading.told("config_applied")
    changed = ["server.listen", "server.workers"]
    assert [line.get("needs_restart") for line in lines] == [changed, changed, None]


@looped
async def test_a_fault_of_ours_does_not_end_the_watch(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text())
    surprises = iter([False, True, False])

    def parse(content: bytes) -> Config:
        if next(surprises):
            raise KeyError("sk-secret")
        return parsing(file)(content)

    with running() as house:
        reloader = Reloader(house.runtime, file, parse)
        reloader.first()
        assert not await reloader.reload(again=True)
        file.write_text(text("other"))
        assert await reloader.reload()
        assert house.number("gateway_config_reloads_total", "failed") == 1
        assert "sk-secret" not in house.written.text()


@looped
async def test_a_config_of_another_level_changes_the_log_at_once(reloading: Reloading) -> None:
    sink: Sink = reloading.house.runtime.sink
    await reloading.after(text(more="logging: {level: error}\n"))
    assert not sink.log.wants("warning")


def whole(file: Path, content: str) -> None:
    file.write_text(content)


def renamed(file: Path, content: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(content)
    fresh.rename(file)


def same_size_and_time(file: Path, content: str) -> None:
    stat = file.stat()
    file.write_text(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("write", [whole, renamed, same_size_and_time])
@looped
async def test_the_watch_sees_every_way_to_write(
    reloading: Reloading, write: Callable[[Path, str], None]
) -> None:
    watching = asyncio.create_task(reloading.reloader.watch())
    write(reloading.file, text("omed"))  # as long as the one before
    async with asyncio.timeout(2):
        while reloading.models != {"omed"}:  # noqa: ASYNC110 - the file tells nobody
            await asyncio.sleep(0.01)
    watching.cancel()


@looped
async def test_what_is_being_written_is_left_alone(reloading: Reloading) -> None:
    """Each part of it would be a config by itself."""
    watching = asyncio.create_task(reloading.reloader.watch())
    for size in range(40, 45):
        if await _written_slowly(reloading, size) < STILL_S / 2:
            break  # else the machine has stalled, and this run proves nothing
        await asyncio.sleep(2 * (LOOK_S + STILL_S))
    else:
        pytest.fail("the machine stalls all the time")
    async with asyncio.timeout(5):
        while len(reloading.models) != size:  # noqa: ASYNC110 - the file tells nobody
            await asyncio.sleep(0.01)
    assert reloading.number("reloads_total", "applied") == size - 39
    watching.cancel()


async def _written_slowly(reloading: Reloading, size: int) -> float:
    """A file of so many models, line by line; the longest pause in between, in seconds."""
    pauses, before = [], time.monotonic()
    models = (f"  m{number}: sim/lorem\n" for number in range(size))
    with reloading.file.open("w") as file:
        for line in ("backends: {sim: {provider: simulated}}\n", "models:\n", *models):
            file.write(line)
            file.flush()
            await asyncio.sleep(STILL_S / 10)
            pauses.append(time.monotonic() - before)
            before = time.monotonic()
    return max(pauses)
