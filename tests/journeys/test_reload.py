"""A config changed under traffic: no request notices, none sees a mix, what is wrong is told."""

import asyncio
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import KEY, Gateway, until
from tests.journeys.traffic import Steady, asked, chat, connected, fds, paced, scraped, words
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body, chat_events
from tests.vendors.scripted import Received, Script, Send, Vendor, closed_port, response, streamed

OTHER_KEY = "sk-other-0123456789abcdef"
CANARY = "canary-secret-0815"


def config(target: str, *vendors: Vendor, keys: str = "", more: str = "") -> str:
    """Model m leads to target; the vendors are the backends a, b, and so on."""
    backends = "".join(
        f'  {name}: {{provider: openai_compatible, base_url: "{vendor.url}/v1", '
        f"credential: sk-upstream-secret}}\n"
        for name, vendor in zip("abcdef", vendors, strict=False)
    )
    return f"""
keys:
  - {{name: tester, tenant: testers, key: {KEY}}}
{keys}
backends:
{backends}
models:
  m: {target}
{more}"""


def answering(name: str) -> Vendor:
    """Says who it is, whole or streamed."""

    def choose(request: Received) -> Script:
        if b'"stream":true' in request.body:
            return [Send(streamed(*chat_events([name, "!"])))]
        return [Send(response(200, chat_body(f"{name}!")))]

    return Vendor(choose=choose)


# ---- ways to write a file


def in_place(file: Path, text: str) -> None:
    file.write_text(text)


def renamed(file: Path, text: str) -> None:
    fresh = file.with_name("fresh")
    fresh.write_text(text)
    fresh.rename(file)


def swapped(file: Path, text: str) -> None:
    """As a ConfigMap's mount does: ..data is a link to a folder, and is replaced in one step."""
    folder = file.with_name(f"..{len(list(file.parent.iterdir()))}")
    folder.mkdir()
    (folder / file.name).write_text(text)
    link = file.with_name("..data.new")
    link.symlink_to(folder.name)
    link.rename(file.with_name("..data"))
    if not file.is_symlink():
        link.symlink_to(f"..data/{file.name}")
        link.rename(file)


def half_written(file: Path, text: str) -> None:
    with file.open("w") as half:
        half.write(text[: len(text) // 2])


def broken(file: Path, text: str) -> None:
    file.write_text(text.replace("models:", "models: ["))


def unknown_backend(file: Path, text: str) -> None:
    renamed(file, text + "  n: nowhere/x\n")


def removed(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)


def touched(file: Path, text: str) -> None:
    os.utime(file)


GOOD = (in_place, renamed, swapped)
BAD = (half_written, broken, unknown_backend, removed)
PAUSES_S = (0.01, 0.02, 0.05, 0.09, 0.4)  # so that each way is seen, and each is overtaken


@looped
async def test_fifty_rewrites_under_traffic_are_not_noticed() -> None:
    with answering("a") as a, answering("b") as b:
        texts = {"a/x": config("a/x", a, b), "b/x": config("b/x", a, b)}
        with Gateway(texts["a/x"]) as gateway:
            requests = [chat(), chat(stream=True)]
            steady = Steady(gateway, requests, per_second=200)
            ways: Iterator[Callable[[Path, str], None]] = itertools.cycle([*GOOD, *BAD])
            pauses, targets = itertools.cycle(PAUSES_S), itertools.cycle(texts)
            for _ in range(49):
                next(ways)(gateway.file, texts[next(targets)])
                await asyncio.sleep(next(pauses))
            renamed(gateway.file, texts["a/x"])
            renamed(gateway.file, texts["b/x"])
            seen = len(steady.answers)
            await asyncio.sleep(2)
            await steady.stop()
            last = await asked(gateway, chat())
            applied = gateway.lines("config_applied")
            rejected = gateway.lines("config_rejected")
    assert steady.faults == []
    assert {answer.status for answer in steady.answers} == {200}
    for answer in steady.answers:
        name = answer.target.removesuffix("/x")
        assert name in ("a", "b")
        assert f'"content":"{name}'.encode() in answer.body
    assert len({answer.target for answer in steady.answers[:seen]}) == 2
    assert len(applied) >= 4
    assert rejected
    assert last.target == "b/x"
    assert len(steady.answers) > 800


@pytest.mark.parametrize("way", GOOD)
@looped
async def test_each_way_of_writing_takes_effect_within_two_seconds(
    way: Callable[[Path, str], None],
) -> None:
    with answering("a") as a, answering("b") as b, Gateway(config("a/x", a, b)) as gateway:
        assert (await asked(gateway, chat())).target == "a/x"
        way(gateway.file, config("b/x", a, b))
        async with asyncio.timeout(2):
            while (await asked(gateway, chat())).target != "b/x":  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        way(gateway.file, config("a/x", a, b))  # once more, from where it stands now
        async with asyncio.timeout(2):
            while (await asked(gateway, chat())).target != "a/x":  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)


@looped
async def test_a_touch_is_no_reload() -> None:
    with answering("a") as a, Gateway(config("a/x", a)) as gateway:
        for _ in range(3):
            touched(gateway.file, "")
            await asyncio.sleep(0.4)
        assert {line["event"] for line in gateway.lines()} == {"ready"}
        assert gateway.metric("gateway_config_reloads_total") == 0


# What is added to a good config, and a part of what is told about it.
FAULTS = (
    ("nonsense: 1\n", ":10:1 nonsense: unknown key"),
    ("  m: a/y\n", ":10:3 models.m: "),
    ("  n: nowhere/x\n", ":10:6 models.n: unknown backend 'nowhere'"),
    ("  n: {targets: [{use: a/x}], fallbacks: {any: [n]}}\n", "the fallbacks lead round: n → n"),
    ("store: ${GATEWAY_UNSET}\n", "environment variable GATEWAY_UNSET is not set"),
    (f"  n: {{targets: [\nstore: {CANARY}\n", ":12:"),
    ("x" * (11 << 20), "larger than"),
)


@looped
async def test_a_rejected_config_is_told_with_its_line_and_changes_nothing() -> None:
    with answering("a") as a, Gateway(config("a/x", a)) as gateway:
        for number, (more, fault) in enumerate(FAULTS):
            gateway.rewrite(config("a/x", a, more=more))
            until(lambda n=number: len(gateway.lines("config_rejected")) > n, 20, f"{fault}: mute")  # type: ignore[misc]
            faults = gateway.lines("config_rejected")[number]["faults"]
            assert any(fault in told for told in faults), faults
            assert str(gateway.file) in faults[0]
            assert (await asked(gateway, chat())).status == 200
        told = scraped(gateway)
        assert told["gateway_config_last_reload_successful"] == 0
        assert told['gateway_config_reloads_total{result="rejected"}'] == len(FAULTS)
        hash = gateway.lines("ready")[0]["config"]
        assert told[f'gateway_config_info{{hash="{hash}"}}'] == 1
        gateway.rewrite(config("a/x", a))
        gateway.until_line("config_unchanged")
        assert gateway.metric("gateway_config_last_reload_successful") == 1
        assert CANARY not in gateway.log_file.read_text()


@looped
async def test_a_removed_file_is_told_and_the_old_config_serves_on() -> None:
    with answering("a") as a, answering("b") as b, Gateway(config("a/x", a, b)) as gateway:
        gateway.file.unlink()
        line = gateway.until_line("config_rejected")
        assert "cannot be read" in line["faults"][0]
        assert (await asked(gateway, chat())).target == "a/x"
        gateway.file.write_text(config("b/x", a, b))
        gateway.until_line("config_applied")
        assert (await asked(gateway, chat())).target == "b/x"


@looped
async def test_a_hangup_reads_secrets_anew_though_the_file_is_the_same(tmp_path: Path) -> None:
    secret = tmp_path / "credential"
    secret.write_text("sk-first-credential\n")
    with answering("a") as a:
        text = config("a/x", a).replace("sk-upstream-secret", f'"file:{secret}"')
        with Gateway(text) as gateway:
            await asked(gateway, chat())
            secret.write_text("sk-second-credential\n")
            gateway.process.send_signal(signal.SIGHUP)
            gateway.until_line("config_applied")
            await asked(gateway, chat())
            assert [request.header("authorization") for request in a.journal] == [
                "Bearer sk-first-credential",
                "Bearer sk-second-credential",
            ]
            assert "-credential" not in gateway.log_file.read_text()


@looped
async def test_a_backend_leaves_with_streams_open_on_it_and_they_end_whole() -> None:
    events = words(20)
    with (
        Vendor(paced(events, 0.1)) as old,
        answering("b") as new,
        Gateway(config("a/x", old, new)) as gateway,
    ):
        async with asyncio.TaskGroup() as clients:
            streams = [clients.create_task(asked(gateway, chat(stream=True))) for _ in range(10)]
            await asyncio.to_thread(until, lambda: len(old.journal) == 10, 5, "no streams")
            gateway.rewrite(config("b/x", new).replace("  a:", "  b:"))
            await asyncio.to_thread(gateway.until_line, "config_applied")
            assert (await asked(gateway, chat())).target == "b/x"
            assert old.open_connections == 10
        for stream in streams:
            assert stream.result().whole_stream
            assert stream.result().body == b"".join(events)
        until(lambda: old.open_connections == 0, 20, "the old backend's connections stay open")
        assert gateway.metric("gateway_backend_inflight", backend="a") == 0


@looped
async def test_a_revoked_key_is_refused_while_its_stream_ends_whole() -> None:
    other = f"  - {{name: other, tenant: others, key: {OTHER_KEY}}}"
    with Vendor(paced(words(25), 0.1)) as a, Gateway(config("a/x", a, keys=other)) as gateway:
        async with connected(gateway) as client, connected(gateway) as kept:
            client.writer.write(chat(stream=True, key=OTHER_KEY))
            await client.head()
            models = b"GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %b\r\n\r\n"
            mine = models % OTHER_KEY.encode()
            assert (await kept.ask(mine)).status == 200
            gateway.rewrite(config("a/x", a))
            async with asyncio.timeout(2):
                while (answer := await kept.ask(mine)).status == 200:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.02)
            assert (answer.status, answer.code) == (401, "invalid_api_key")
            assert (await kept.ask(models % KEY.encode())).status == 200
            assert (await client.rest()).whole_stream


@looped
async def test_what_needs_a_restart_is_said_and_the_rest_takes_effect() -> None:
    with answering("a") as a, answering("b") as b, Gateway(config("a/x", a, b)) as gateway:
        server = "server: {workers: 2, max_body_bytes: 200}\n"
        gateway.rewrite(config("b/x", a, b, more=server))
        line = gateway.until_line("config_applied")
        assert line["needs_restart"] == ["server.workers"]
        assert (await asked(gateway, chat())).target == "b/x"
        assert (await asked(gateway, chat(user="x" * 300))).code == "body_too_large"


@looped
async def test_fifty_reloads_leave_nothing_behind() -> None:
    with answering("a") as a, answering("b") as b:
        # The backend a moves back and forth, so that each config needs another pool.
        texts = [config("a/x", a), config("a/x", b)]
        with Gateway(texts[0]) as gateway:

            async def move(number: int) -> None:
                gateway.file.write_text(texts[number % 2])
                gateway.process.send_signal(signal.SIGHUP)
                await asyncio.to_thread(_applied, gateway, number)
                assert (await asked(gateway, chat())).status == 200

            for number in range(1, 11):
                await move(number)
            files, memory = fds(gateway), gateway.rss_bytes()
            for number in range(11, 61):
                await move(number)
            until(lambda: fds(gateway) <= files + 1, 20, f"{fds(gateway)} files, were {files}")
            assert a.open_connections + b.open_connections <= 1
            assert gateway.rss_bytes() - memory < 4 << 20
            assert len({line["hash"] for line in gateway.lines("config_applied")}) == 2


def _applied(gateway: Gateway, number: int) -> None:
    until(lambda: len(gateway.lines("config_applied")) == number, 20, "no reload")


@looped
async def test_a_config_that_is_good_and_useless_is_the_admins_will() -> None:
    """Half of a file may be a config: what is written in one step is believed."""
    with answering("a") as a, Gateway(config("a/x", a)) as gateway:
        nowhere = f'"http://127.0.0.1:{closed_port()}/v1"'
        gateway.rewrite(config("a/x", a).replace(f'"{a.url}/v1"', nowhere))
        gateway.until_line("config_applied")
        assert (await asked(gateway, chat())).code == "connect_failed"
