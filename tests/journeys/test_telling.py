"""What an operator sees: one line for each exchange, numbers that agree, no secret anywhere. And
nothing that takes the telling badly, a full disk or a pipe that nobody reads, stops traffic.
"""

import asyncio
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from tests.harness import KEY, LOOPBACK, ROOT, Gateway, config_for, until
from tests.journeys.traffic import asked, chat, connected, paced, post, scraped, words
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body, chat_events, error_body, usage
from tests.vendors.scripted import (
    Received,
    Reset,
    Script,
    Send,
    Stall,
    Vendor,
    chunk,
    closed_port,
    response,
    stream_head,
    streamed,
)

CREDENTIAL: Final = "canary-credential-0815"
ENV_SECRET: Final = "canary-environment-0815"
CALLER_KEY: Final = "sk-canary-caller-0815"
PROMPT: Final = "canary-prompt-0815"
ANSWER: Final = "canary-answer-0815"


def playing(request: Received) -> Script:
    """The backend's model says what it does."""
    model = json.loads(request.body)["model"]
    events = chat_events([ANSWER, " x"], used=usage(7, 3))
    match model:
        case "whole":
            return [Send(response(200, chat_body(ANSWER, used=usage(7, 3))))]
        case "streamed":
            return [Send(streamed(*events))]
        case "down":
            return [Send(response(500, error_body(f"Bearer {CREDENTIAL} failed on {PROMPT}")))]
        case "cut":
            return [Send(stream_head() + b"".join(map(chunk, events[:2]))), Reset()]
        case "slow":
            return paced(words(5), 0.2)
        case "stalled":
            return [Send(stream_head() + b"".join(map(chunk, events[:2]))), Stall()]
        case _:
            return [Send(response(500, error_body()))]


def config(vendor: Vendor, more: str = "") -> str:
    return f"""
keys:
  - {{name: tester, tenant: testers, key: {KEY}}}
  - {{name: canary, tenant: testers, key: {CALLER_KEY}}}
backends:
  up: {{provider: openai_compatible, base_url: "{vendor.url}/v1", credential: {CREDENTIAL}}}
  gone: {{provider: openai_compatible, base_url: "http://127.0.0.1:{closed_port()}/v1"}}
models:
  whole: up/whole
  streamed: up/streamed
  down: up/down
  cut: up/cut
  slow: up/slow
  stalled: up/stalled
  pair: {{targets: [{{use: gone/x}}, {{use: up/whole, tier: 2}}]}}
  "lab/*": up/*
{more}
"""


# ---- one line for each exchange


@looped
async def test_each_exchange_has_one_line_with_its_facts() -> None:
    with Vendor(choose=playing) as vendor, Gateway(config(vendor)) as gateway:
        for name in ("whole", "streamed", "down", "cut", "pair"):
            stream = name in ("streamed", "cut")
            await asked(gateway, chat(name, stream=stream, headers=[f"x-request-id: {name}"]))
        async with connected(gateway) as client:
            client.writer.write(chat("stalled", stream=True, headers=["x-request-id: stalled"]))
            await client.head()
        gateway.until_line("exchange", client_id="stalled")
        hash = gateway.lines("ready")[0]["config"]
        lines = {line["client_id"]: line for line in gateway.lines("exchange")}
        failed = gateway.lines("attempt_failed")

    assert len(lines) == 6
    assert all(line["config"] == hash for line in lines.values())
    assert all(line["tenant"] == "testers" for line in lines.values())
    assert all(line["key"] == "tester" for line in lines.values())
    assert len({line["id"] for line in lines.values()}) == 6
    facts = {
        name: (line["status"], line["outcome"], line.get("code")) for name, line in lines.items()
    }
    assert facts == {
        "whole": (200, "complete", None),
        "streamed": (200, "complete", None),
        "down": (502, "error", "upstream_error"),
        "cut": (200, "error", "stream_interrupted"),
        "pair": (200, "complete", None),
        "stalled": (499, "cancelled", "client_closed_request"),
    }
    for name in ("whole", "streamed"):
        line = lines[name]
        assert (line["input_tokens"], line["output_tokens"]) == (7, 3)
        assert (line["backend"], line["target"], line["attempts"]) == ("up", name, 1)
        assert 0 < line["first_content_s"] <= line["duration_s"]
        assert 0 <= line["overhead_s"] <= line["duration_s"]
        assert line["sent_bytes"] > 100
    assert lines["streamed"]["stream"]
    assert (lines["pair"]["attempts"], lines["pair"]["backend"]) == (2, "up")
    by_id = {line["id"]: line["code"] for line in failed}
    assert by_id == {
        lines["down"]["id"]: "upstream_error",
        lines["cut"]["id"]: "stream_interrupted",
        lines["pair"]["id"]: "connect_failed",
    }


@looped
async def test_numbers_agree_with_what_was_done() -> None:
    with Vendor(choose=playing) as vendor, Gateway(config(vendor)) as gateway:
        for name in ("whole", "whole", "streamed", "down", "cut", "pair", "slow"):
            await asked(gateway, chat(name, stream=name in ("streamed", "cut", "slow")))
        assert (await asked(gateway, chat("nobody-knows"))).status == 404
        assert (await asked(gateway, chat(key="sk-wrong"))).status == 401
        told = scraped(gateway)

    def requests(model: str, status_class: str) -> float:
        labels = f'model="{model}",operation="chat",status_class="{status_class}"'
        return told[f"gateway_requests_total{{{labels}}}"]

    assert requests("whole", "2xx") == 2
    assert requests("streamed", "2xx") == 1
    assert requests("down", "5xx") == 1
    assert requests("cut", "5xx") == 1  # though its head said 200
    assert requests("other", "4xx") == 2
    assert told['gateway_errors_total{code="upstream_error",origin="upstream"}'] == 1
    assert told['gateway_errors_total{code="invalid_api_key",origin="caller"}'] == 1
    assert told['gateway_upstream_attempts_total{backend="up",outcome="complete"}'] == 5
    assert told['gateway_upstream_attempts_total{backend="gone",outcome="connect_failed"}'] == 1
    assert told['gateway_fallbacks_total{from="gone",to="up"}'] == 1
    assert told['gateway_streams_interrupted_total{backend="up",cause="stream_interrupted"}'] == 1
    assert told['gateway_usage_tokens_total{key="tester",token_type="input"}'] >= 28
    # A stream of 0.8 s and more is the backend's time, not the gateway's.
    assert told['gateway_overhead_seconds_count{phase="total"}'] == 7
    assert told['gateway_overhead_seconds_sum{phase="total"}'] < 0.5
    slow = 'model="slow",operation="chat"'
    assert told[f"gateway_request_duration_seconds_sum{{{slow}}}"] > 0.8
    gap = "gen_ai_client_operation_time_per_output_chunk_seconds"
    labels = 'model="slow",operation="chat",provider="openai_compatible"'
    assert 0.1 < told[f"{gap}_sum{{{labels}}}"] < 0.5
    assert told[f"{gap}_count{{{labels}}}"] == 1
    for gauge in ("exchanges", "streams"):
        assert told[f"gateway_open_{gauge}"] == 0
    assert told['gateway_backend_inflight{backend="up"}'] == 0
    assert told['gateway_backend_queue_depth{backend="up"}'] == 0
    assert told["gateway_log_dropped_total"] == 0
    assert told["gateway_config_last_reload_successful"] == 1


@looped
async def test_no_name_of_a_clients_becomes_a_label_or_another_line() -> None:
    hostile = ['a"} 1\nevil{x="', "\r\n{}", "\x1b[2J\x9b31m", "x" * 60_000, "Ünïcode ✓", "{{7*7}}"]
    with Vendor(choose=playing) as vendor, Gateway(config(vendor)) as gateway:
        for warm in ("nobody", "lab/whole", "lab/junk"):
            await asked(gateway, chat(warm))
        before = scraped(gateway)
        for name in [*hostile, *(f"junk-{number}" for number in range(100))]:
            assert (await asked(gateway, chat(name))).status == 404
            await asked(gateway, chat(f"lab/{name}"))
        after = scraped(gateway)
        text = gateway.log_file.read_bytes().decode()
        exchanges = gateway.lines("exchange")
    assert after.keys() == before.keys()
    assert len(exchanges) == 3 + 2 * 106
    assert {line["model"] for line in exchanges} == {"other", "lab/*"}
    assert not re.search(r"[^\n -~\xa0-\U0010ffff]", text)
    assert max(map(len, text.splitlines())) < 1500


# ---- no secret anywhere


@looped
async def test_no_secret_and_no_prompt_is_told_to_anybody(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.write_text("canary-file-0815\n")
    more = f"""
  filed: {{targets: [{{use: filed/whole}}]}}
logging: {{level: debug}}
"""
    with Vendor(choose=playing) as vendor:
        filed = f'  filed: {{provider: openai_compatible, base_url: "{vendor.url}/v1", credential: "file:{planted}"}}\n'
        env = f'  env: {{provider: openai_compatible, base_url: "{vendor.url}/v1", credential: "${{CANARY}}"}}\n'
        text = config(vendor, more).replace("models:", filed + env + "models:")
        with Gateway(text, env={"CANARY": ENV_SECRET}) as gateway:
            said = []
            for name in ("whole", "streamed", "down", "cut", "pair", "filed", "junk"):
                stream = name in ("streamed", "cut")
                request = chat(name, stream=stream, key=CALLER_KEY, user=PROMPT, prompt_id=PROMPT)
                said.append((await asked(gateway, request)).body)
            wrong = CALLER_KEY + "-wrong"
            said.append((await asked(gateway, chat(key=wrong))).body)
            for body in (f'{{"model": "{PROMPT}'.encode(), PROMPT.encode(), b'["%b"]' % PROMPT.encode()):
                said.append((await asked(gateway, post("/v1/chat/completions", body))).body)
            said.append(gateway.raw(f"GET /{PROMPT} NONSENSE\r\n\r\n".encode()))
            gateway.rewrite(text + f"store: {CREDENTIAL}: [\n")
            gateway.until_line("config_rejected")
            gateway.rewrite(text.replace("credential", "credentail"))
            until(lambda: len(gateway.lines("config_rejected")) == 2, 5, "not rejected")
            for path in ("/metrics", "/readyz", "/healthz", "/"):
                said.append(gateway.get(path, admin=True)[1])
            assert gateway.process.stdout is not None
            stop = gateway.process
            stop.send_signal(signal.SIGTERM)
            stop.wait(10)
            told = gateway.log_file.read_text() + stop.stdout.read().decode()
    answers = b"".join(said).decode()
    for secret in (CREDENTIAL, ENV_SECRET, CALLER_KEY, "canary-file-0815"):
        assert secret not in told
        assert secret not in answers
    assert PROMPT not in told
    assert ANSWER not in told
    assert told.count('"event":"exchange"') >= 10


# ---- what Prometheus reads


@looped
async def test_metrics_are_parsed_and_linted() -> None:
    with Vendor(choose=playing) as vendor, Gateway(config(vendor)) as gateway:
        for name in ("whole", "streamed", "down", "pair"):
            await asked(gateway, chat(name, stream=name == "streamed"))
        text = gateway.get("/metrics", admin=True)[1].decode()
    parsed = {family.name: family for family in families(text)}
    for family in parsed.values():
        assert family.documentation, family.name
        if family.type == "histogram":
            _check_buckets(family.samples)
    assert len(parsed) > 25
    promtool = shutil.which("promtool")
    if promtool is not None:
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


def _check_buckets(samples: list[Any]) -> None:
    series: dict[str, list[tuple[float, float]]] = {}
    for sample in samples:
        if sample.name.endswith("_bucket"):
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            pair = (float(sample.labels["le"]), sample.value)
            series.setdefault(str(sorted(labels.items())), []).append(pair)
    for buckets in series.values():
        assert buckets == sorted(buckets)
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)
        assert buckets[-1][0] == float("inf")


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus is on the PATH")
@looped
async def test_a_real_prometheus_scrapes_it(tmp_path: Path) -> None:
    with Vendor(choose=playing) as vendor, Gateway(config(vendor)) as gateway:
        await asked(gateway, chat("whole"))
        rules = tmp_path / "prometheus.yml"
        target = gateway.admin.removeprefix("http://")
        rules.write_text(
            "scrape_configs:\n  - job_name: gateway\n    scrape_interval: 1s\n"
            f"    static_configs: [{{targets: ['{target}']}}]\n"
        )
        port = closed_port()
        command = [
            "prometheus", f"--config.file={rules}", f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        ]  # fmt: skip
        with subprocess.Popen(command) as prometheus:
            query = f"http://127.0.0.1:{port}/api/v1/query?query=gateway_requests_total"
            try:
                await asyncio.to_thread(until, lambda: _queried(query) == ["1"], 20, "not scraped")
            finally:
                prometheus.terminate()


def _queried(url: str) -> list[str]:
    host, _, path = url.removeprefix("http://").partition("/")
    name, port = host.split(":")
    with contextlib.suppress(OSError), socket.create_connection((name, int(port)), 2) as sock:
        sock.sendall(f"GET /{path} HTTP/1.0\r\nhost: a\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
        result = json.loads(answer.partition(b"\r\n\r\n")[2])["data"]["result"]
        return [series["value"][1] for series in result]
    return []


# ---- whoever takes it badly


@dataclass(frozen=True, slots=True)
class Bare:
    """A gateway started by hand, where the harness keeps too much order."""

    process: "subprocess.Popen[bytes]"
    port: int
    admin_port: int

    def get(self, path: str, *, admin: bool = False) -> bytes:
        port = self.admin_port if admin else self.port
        head = f"GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(f"{head}connection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def serves(self, times: int) -> None:
        """So many requests, each told in a line."""
        one = f"GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            for _ in range(times):
                sock.sendall(one)
                assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")

    def dropped(self) -> float:
        found = re.search(rb"\ngateway_log_dropped_total (\S+)", self.get("/metrics", admin=True))
        assert found is not None
        return float(found[1])


@contextlib.contextmanager
def bare(
    file: Path,
    *,
    stderr: int | IO[bytes],
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: int | None = None,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Bare]:
    """prepare: what is done in its process before it starts. Ends with SIGTERM and code 0."""
    port, admin_port = closed_port(), closed_port()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(ROOT / "gateway/_boot.py"), "serve", "--config", str(file),
         "--set", f"server.listen=127.0.0.1:{port}", "--set", f"admin.listen=127.0.0.1:{admin_port}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
        env=env, cwd=cwd, user=user, preexec_fn=prepare,
    )  # fmt: skip
    try:
        until(lambda: process.poll() is not None or _listens(port), 20, "it does not serve")
        assert process.poll() is None
        yield Bare(process, port, admin_port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture
def file() -> Iterator[Path]:
    """A config that anybody may read."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        one = Path(folder) / "config.yaml"
        one.write_text(config_for("http://127.0.0.1:1"))
        yield one


def test_a_log_that_nobody_reads_stops_nobody_and_what_is_lost_is_counted(file: Path) -> None:
    reader, writer = os.pipe()
    with bare(file, stderr=writer) as gateway:
        os.close(writer)
        began = time.monotonic()
        gateway.serves(30_000)  # 20 000 fit into the log's memory, a few into what it is writing
        assert time.monotonic() - began < 60
        assert gateway.dropped() > 0
        drained = threading.Thread(target=_read_all, args=(reader,))
        drained.start()
        gateway.serves(1)
    drained.join(10)
    assert not drained.is_alive()


def _read_all(fd: int) -> None:
    with open(fd, "rb") as pipe:
        while pipe.read(1 << 20):
            pass


def test_a_log_whose_reader_has_gone_stops_nobody(file: Path) -> None:
    reader, writer = os.pipe()
    with bare(file, stderr=writer) as gateway:
        os.close(writer)
        os.close(reader)
        gateway.serves(50)
        time.sleep(0.3)
        assert gateway.dropped() >= 50


def test_a_full_disk_stops_nobody(file: Path) -> None:
    with open("/dev/full", "wb") as full, bare(file, stderr=full) as gateway:
        gateway.serves(50)
        time.sleep(0.3)
        assert gateway.dropped() >= 50


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_has_room_again_is_written_again(file: Path, small_disk: Path) -> None:
    filler, log = small_disk / "filler", small_disk / "log"
    with log.open("wb") as full, bare(file, stderr=full) as gateway:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as fill:
            while True:
                fill.write(b"x" * 4096)
        gateway.serves(100)
        time.sleep(0.3)
        lost = gateway.dropped()
        assert 0 < lost
        filler.unlink()
        gateway.serves(20)
    whole = torn = 0
    for line in log.read_text().splitlines():
        try:
            whole += json.loads(line)["event"] in ("ready", "exchange")
        except json.JSONDecodeError:
            torn += 1
    assert torn <= 1
    assert whole + lost == 121


def test_the_log_never_goes_into_a_socket_that_took_its_place(file: Path) -> None:
    """Started without standard files, the first sockets would be called 0, 1 and 2."""
    with bare(file, stderr=subprocess.DEVNULL, prepare=_close_standard_files) as gateway:
        for _ in range(5):
            answer = gateway.get("/v1/models")
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b'"event"' not in answer
        links = [os.readlink(f"/proc/{gateway.process.pid}/fd/{fd}") for fd in range(3)]
        assert links == ["/dev/null"] * 3


def _close_standard_files() -> None:
    for fd in range(3):
        os.close(fd)


def test_more_clients_than_files_leave_the_keeper_his_door(file: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    with bare(file, stderr=subprocess.DEVNULL, prepare=few) as gateway:
        with contextlib.ExitStack() as crowd:
            for _ in range(400):
                sock = socket.create_connection(("127.0.0.1", gateway.port), timeout=5)
                crowd.enter_context(sock)
            assert b" 200 OK" in gateway.get("/readyz", admin=True)
            assert gateway.dropped() == 0
            before = _cpu_s(gateway.process.pid)
            time.sleep(0.5)
            assert _cpu_s(gateway.process.pid) - before < 0.25
        until(lambda: b" 200 OK" in gateway.get("/v1/models"), 5, "it has not come back")


def _cpu_s(pid: int) -> float:
    """Seconds of processor time that it has had (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- how it starts, or says why not


def started(
    file: Path, *overrides: str, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """One that does not come to serve."""
    arguments = [part for override in overrides for part in ("--set", override)]
    return subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "gateway/_boot.py"), "serve", "--config", str(file),
         *LOOPBACK, *arguments],
        capture_output=True, text=True, timeout=20, env=env,
    )  # fmt: skip


@pytest.mark.parametrize("door", ["server", "admin"])
def test_a_port_that_is_taken_is_said_at_once(file: Path, door: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        ended = started(file, f"{door}.listen={address}")
        assert time.monotonic() - began < 5
    assert ended.returncode == 1
    assert f"cannot listen on {address}: Address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_an_address_that_is_not_ours_is_said(file: Path) -> None:
    ended = started(file, "server.listen=192.0.2.1:0")
    assert ended.returncode == 1
    assert "cannot listen on 192.0.2.1:0" in ended.stderr


def test_a_bad_config_is_told_whole_with_its_lines(file: Path) -> None:
    file.write_text("nonsense: 1\nserver: {workers: none}\nmodels: {m: nowhere/x}\nbackends: 1\n")
    ended = started(file)
    assert ended.returncode == 78
    places = {line.split(" ")[0] for line in ended.stderr.splitlines()}
    assert {place.removeprefix(f"{file}:").split(":")[0] for place in places} == {"1", "2", "4"}


def test_a_missing_variable_is_named_and_no_value_is_shown(file: Path) -> None:
    more = 'store: "${GATEWAY_MISSING}"\nadmin: {token: "${GATEWAY_SHORT}"}\n'
    file.write_text(config_for("http://127.0.0.1:1", more=more))
    ended = started(file, env={**os.environ, "GATEWAY_SHORT": "canary-0815"})
    assert ended.returncode == 78
    assert "environment variable GATEWAY_MISSING is not set" in ended.stderr
    assert "canary" not in ended.stderr


def test_it_needs_no_home_and_no_place_to_write(file: Path) -> None:
    with bare(file, stderr=subprocess.DEVNULL, env={}, cwd="/proc/self") as gateway:
        gateway.serves(3)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become nobody")
def test_it_needs_no_user_of_its_own(file: Path) -> None:
    look = [sys.executable, "-I", "-c", f"open({str(ROOT / 'gateway/_boot.py')!r})"]
    try:
        subprocess.run(look, user=65534, capture_output=True, check=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("this Python, or this checkout, is not for everybody's eyes")
    with bare(file, stderr=subprocess.DEVNULL, env={}, user=65534) as gateway:
        gateway.serves(3)
