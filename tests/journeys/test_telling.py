"""What an operator sees: one line for each exchange, numbers that agree, no secret anywhere."""

import asyncio
import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from tests.harness import KEY, Gateway, until
from tests.journeys.traffic import MESSAGES, asked, chat, connected, paced, post, scraped, words
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
FILE_SECRET: Final = "canary-file-0815"
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
circuit: {{enabled: false}}
attempts: {{retry_budget_ratio: 0, retry_budget_per_s: 0, max_hold_s: 0}}
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


PLANTED: Final = """
  filed: {{provider: openai_compatible, base_url: "{url}/v1", credential: "file:{file}"}}
  environed: {{provider: openai_compatible, base_url: "{url}/v1", credential: "${{CANARY}}"}}
models:
  filed: filed/whole
  environed: environed/whole
"""
BROKEN: Final = (
    f'{{"model": "{PROMPT}'.encode(),
    f'{{"model": 1, "x": "{PROMPT}"}}'.encode(),
    PROMPT.encode(),
)


@looped
async def test_no_secret_and_no_prompt_is_told_to_anybody(tmp_path: Path) -> None:
    file = tmp_path / "planted"
    file.write_text(FILE_SECRET + "\n")
    with Vendor(choose=playing) as vendor:
        planted = PLANTED.format(url=vendor.url, file=file)
        text = config(vendor, "logging: {level: debug}\n").replace("\nmodels:\n", planted)
        with Gateway(text, env={"CANARY": ENV_SECRET}) as gateway:
            said = [
                (await asked(gateway, chat(name, stream=stream, key=CALLER_KEY, user=PROMPT))).body
                for name in ("whole", "down", "streamed", "cut", "pair", "filed", "environed", "x")
                for stream in (False, True)
            ]
            said.append((await asked(gateway, chat(key=CALLER_KEY + "-wrong"))).body)
            for body in BROKEN:
                said.append((await asked(gateway, post("/v1/chat/completions", body))).body)
            said.append(gateway.raw(f"GET /{PROMPT} NONSENSE\r\n\r\n".encode()))
            _rejected(gateway, text.replace("credential:", "credential: ["), 1)
            _rejected(gateway, text.replace("credential:", "credentail:"), 2)
            said += [gateway.get(path, admin=True)[1] for path in ("/metrics", "/readyz", "/")]
            stopped = gateway.process
            stopped.send_signal(signal.SIGTERM)
            assert stopped.stdout is not None
            printed = await asyncio.to_thread(stopped.stdout.read)
            told = gateway.log_file.read_text() + printed.decode()
        keys = {request.header("authorization") for request in vendor.journal}
    answers = b"".join(said).decode()
    secrets = (CREDENTIAL, ENV_SECRET, FILE_SECRET)
    assert keys == {f"Bearer {secret}" for secret in secrets}  # all were in use
    for secret in (*secrets, CALLER_KEY):
        assert secret not in told
        assert secret not in answers
    assert PROMPT not in told
    assert ANSWER not in told
    assert told.count('"event":"exchange"') == 16 + 1 + len(BROKEN) + 1


def _rejected(gateway: Gateway, text: str, number: int) -> None:
    gateway.rewrite(text)
    until(lambda: len(gateway.lines("config_rejected")) == number, 20, "it is not rejected")


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
        lint = [promtool, "check", "metrics"]
        checked = await asyncio.to_thread(
            subprocess.run, lint, input=text.encode(), capture_output=True
        )
        assert checked.returncode == 0, checked.stdout.decode() + checked.stderr.decode()


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
def test_a_real_prometheus_scrapes_it(tmp_path: Path) -> None:
    with Vendor(choose=playing) as vendor, Gateway(config(vendor)) as gateway:
        gateway.post("/v1/chat/completions", {"model": "whole", "messages": MESSAGES})
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
                until(lambda: _queried(query) == ["1"], 20, "it is not scraped")
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
