"""Rough places: logs that nobody takes, no files left, ports taken, nowhere to write, no home. It
serves all the same, or says at once why it does not.
"""

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
from typing import IO

import pytest

from tests.harness import KEY, LOOPBACK, ROOT, config_for, until
from tests.vendors.scripted import closed_port


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
         "--set", f"server.listen=127.0.0.1:{port}",
         "--set", f"admin.listen=127.0.0.1:{admin_port}"],
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
        os.chmod(folder, 0o755)  # noqa: S103 - nobody's eyes too
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
        assert lost > 0
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
        until(lambda: b" 200 OK" in gateway.get("/v1/models"), 20, "it has not come back")


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
