"""What is measured: our gateway, nginx as a plain reverse proxy, anything else that is started.

Each is a process group on cores of its own, stopped (SIGSTOP) while another one has its turn. All
are told the same: send what comes to the provider, with the provider's key, for its model.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import msgspec

from bench import proc
from bench.provider import Counts, Play
from bench.scenarios import BY_NAME, CLIENT_KEY, CLIENT_MODEL, PROVIDER_KEY, PROVIDER_MODEL

ROOT: Final = Path(__file__).resolve().parent.parent
START_S: Final = 60.0  # some others take half a minute
STOP_S: Final = 10.0


class BenchError(Exception):
    """What keeps the benchmark from going on; a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where; on a single core everything shares it."""

    target: tuple[int, ...]
    load: int  # the provider's, too

    @classmethod
    def for_workers(cls, workers: int) -> "Cores":
        usable = sorted(os.sched_getaffinity(0))
        return cls(tuple(usable[:-1][: max(1, workers)]) or (usable[0],), usable[-1])

    @property
    def all(self) -> list[int]:
        """The load's last."""
        return [*(core for core in self.target if core != self.load), self.load]


@contextlib.contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """What is started in the block runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# ---- the provider


class Provider:
    """The mock provider's process."""

    def __init__(self, core: int, port: int) -> None:
        with pinned([core]):
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-I", str(ROOT / "bench"), "provider", str(port)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid
        said = self._line()
        if not said:
            raise BenchError(f"the provider did not start; is port {port} in use?")
        self.port = int(said)
        self.url = f"http://127.0.0.1:{self.port}"

    def play(self, play: Play) -> Counts:
        """From now on; returns the counts since the last time."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(msgspec.json.encode(play))
        self._process.stdin.flush()
        return msgspec.json.decode(self._line(), type=Counts)

    def _line(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes its stdin, and so it ends


# ---- what stands in front of it


@dataclass(frozen=True, slots=True)
class Plan:
    """How a target is started, and where it answers."""

    name: str
    url: str  # up to and including /v1
    command: tuple[str, ...]  # empty: it runs already, or is the provider itself
    sets_key: bool  # whether it has to give the provider's key
    rewrites: bool  # whether it has to give the model its other name

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80

    @property
    def path(self) -> str:
        return urlsplit(self.url).path + "/chat/completions"


def gateway(
    folder: Path, provider_url: str, workers: int, name: str = "gateway", more: str = ""
) -> Plan:
    """Ours, as it comes: keys, checks, metrics and the log are on. more: further config."""
    port = _free_port()
    config = folder / f"{name}.yaml"
    config.write_text(f"""\
server: {{listen: "127.0.0.1:{port}", workers: {workers}}}
admin: {{listen: "127.0.0.1:0"}}
keys:
  - {{name: bench, tenant: bench, key: {CLIENT_KEY}, models: ["*"]}}
backends:
  up: {{provider: openai_compatible, base_url: "{provider_url}/v1", credential: {PROVIDER_KEY},
       max_in_flight: 4096}}
models:
  {CLIENT_MODEL}: up/{PROVIDER_MODEL}
{more}""")
    boot = str(ROOT / "gateway/_boot.py")
    command = (sys.executable, "-I", "-S", boot, "serve", "--config", str(config))
    return Plan(name, f"http://127.0.0.1:{port}/v1", command, sets_key=True, rewrites=True)


def limited(folder: Path, provider_url: str, workers: int, store: str) -> Plan:
    """The same with limits that nobody reaches: of requests, of tokens, of exchanges at once."""
    limits = "requests_per_minute: 1000000000, tokens_per_minute: 1000000000000, concurrent: 100000"
    more = f"""\
tenants: {{bench: {{limits: {{{limits}}}}}}}
store: "{store}"
"""
    return gateway(folder, provider_url, workers, "limited", more)


def nginx(folder: Path, provider_url: str, workers: int) -> Plan:
    """The least that a proxy can cost: it sets the key and forwards, and reads nothing."""
    found = nginx_command()
    if found is None:
        raise BenchError("nginx is not on the PATH")
    port = _free_port()
    home = folder / "nginx"
    home.mkdir()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = " ".join(f"{kind}_temp_path {home / kind};" for kind in kinds)
    (home / "nginx.conf").write_text(f"""\
daemon off; master_process {"on" if workers > 1 else "off"}; worker_processes {workers};
pid {home / "pid"}; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; {folders}
  keepalive_requests 1000000000; keepalive_timeout 300s;
  client_body_buffer_size 1m; client_max_body_size 64m;
  upstream provider {{
    server {urlsplit(provider_url).netloc}; keepalive 1024; keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer {PROVIDER_KEY}";
      proxy_buffering off; proxy_buffer_size 32k; proxy_buffers 8 32k;
    }}
  }}
}}
""")
    command = (found, "-p", str(home), "-c", str(home / "nginx.conf"), "-e", "stderr")
    return Plan("nginx", f"http://127.0.0.1:{port}/v1", command, sets_key=True, rewrites=False)


def nginx_command() -> str | None:
    path = os.environ.get("PATH", os.defpath)
    return shutil.which("nginx", path=f"{path}:/usr/local/sbin:/usr/sbin")  # few users have these


def direct(provider_url: str) -> Plan:
    """Nothing in between: what the client and the provider cost by themselves."""
    return Plan("direct", f"{provider_url}/v1", (), sets_key=False, rewrites=False)


def other(said: str, provider_url: str) -> Plan:
    """NAME=URL START COMMAND…, where {provider} stands for the provider's base URL."""
    match = re.fullmatch(r"([\w.-]+)=(http://\S+)(?:\s+(.+))?", said.strip(), re.DOTALL)
    if match is None:
        raise BenchError(f"--vs {said!r} is not nginx, direct, none or NAME=URL START COMMAND")
    name, url, command = match.groups()
    words = shlex.split((command or "").replace("{provider}", f"{provider_url}/v1"))
    return Plan(name, url.rstrip("/"), tuple(words), sets_key=True, rewrites=True)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


# ---- one that runs


class Target:
    """A plan that was carried out: up, and stopped until its first turn."""

    def __init__(self, plan: Plan, folder: Path, cores: Cores) -> None:
        self.plan = plan
        self._log = folder / f"{plan.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.start_s: float | None = None
        before = time.monotonic()
        if plan.command:
            with socket.socket() as sock:
                if sock.connect_ex(plan.address) == 0:
                    raise BenchError(f"{plan.name}: something listens at {plan.url} already")
            with self._log.open("wb") as log, pinned(cores.target):
                self._process = subprocess.Popen(  # noqa: S603 - what the user told us to start
                    plan.command,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
        try:
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        if self._process:
            self.start_s = time.monotonic() - before
        self.rest_rss_bytes = proc.rss_bytes(self.pids())
        self.pause()

    def pids(self) -> list[int]:
        return proc.tree(self._process.pid) if self._process else []

    def _await_answer(self) -> None:
        """Until the first request is answered."""
        end = time.monotonic() + START_S
        while (fault := self._refusal()) and time.monotonic() < end:
            if self._process and self._process.poll() is not None:
                break
            time.sleep(0.005)
        if fault:
            said = self._log.read_text(errors="replace")[-1500:] if self._process else ""
            raise BenchError(
                f"{self.plan.name} gives no answer at {self.plan.url}: {fault}\n{said}"
            )

    def _refusal(self) -> str:
        headers = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json"}
        request = urllib.request.Request(  # noqa: S310 - http, as Plan says
            self.plan.url + "/chat/completions", BY_NAME["small"].body(), headers
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - as above
                json.load(reply)
        except (OSError, ValueError) as error:
            return str(error)
        return ""

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        if self._process is None:
            return
        self.go_on()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self._signal(signal.SIGKILL)
        self._process.wait()
