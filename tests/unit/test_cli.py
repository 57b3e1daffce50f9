"""The command line, called as a function: what it prints and the code that it ends with."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import gateway
from gateway.cli import EX_CONFIG, main
from tests.harness import ROOT

GOOD = "backends: {sim: {provider: simulated}}\nmodels: {demo: sim/lorem}\n"


def written(folder: Path, text: str) -> str:
    file = folder / "config.yaml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["serve"], ["check"]])
def test_what_is_no_command_is_explained(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: gateway" in capsys.readouterr().err


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert (left.value.code, capsys.readouterr().out.strip()) == (0, gateway.__version__)


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert "models" in json.loads(capsys.readouterr().out)["properties"]


def test_a_good_config_is_called_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, GOOD)
    assert main(["check", file]) == 0
    assert capsys.readouterr().out.startswith(f"{file}: good (hash ")


@pytest.mark.parametrize("command", [["check"], ["serve", "--config"]])
def test_all_that_is_wrong_is_told_at_once_with_its_place(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, GOOD + "nonsense: 1\nserver: {workers: none}\nstore: ${UNSET_ONE}\n")
    assert main([*command, file]) == EX_CONFIG
    lines = capsys.readouterr().err.splitlines()
    assert [line.removeprefix(file).split(":")[1] for line in lines] == ["3", "4", "5"]
    assert "environment variable UNSET_ONE is not set" in lines[2]


@pytest.mark.parametrize("command", [["check"], ["serve", "--config"]])
def test_a_config_that_is_not_there_is_a_config_error(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, str(tmp_path / "nowhere.yaml")]) == EX_CONFIG
    assert "nowhere.yaml: cannot be read: No such file" in capsys.readouterr().err


def test_an_override_that_is_none_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--config", "x", "--set", "server.workers"])
    assert "KEY=VALUE" in capsys.readouterr().err


def test_a_bad_override_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["serve", "--config", written(tmp_path, GOOD), "--set", "server.workers=none"]
    assert main(command) == EX_CONFIG
    assert "--set server.workers: " in capsys.readouterr().err


def test_a_taken_port_is_a_plain_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        overrides = ["--set", f"server.listen={address}", "--set", "admin.listen=127.0.0.1:0"]
        assert main(["serve", "--config", written(tmp_path, GOOD), *overrides]) == 1
    assert f"cannot listen on {address}" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["8080", "host", ":1", "host:x"])
def test_an_address_that_is_none_is_explained(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["simulate", "--listen", address])
    assert "HOST:PORT" in capsys.readouterr().err


def test_the_simulated_model_stands_alone() -> None:
    boot = str(ROOT / "gateway/_boot.py")
    command = [sys.executable, "-I", "-S", boot, "simulate", "--tokens", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulated:
        assert simulated.stdout is not None
        try:
            word, url = simulated.stdout.readline().split()
            host, port = url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=5) as sock:
                sock.sendall(b"GET /v1/models HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n")
                assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
        finally:
            simulated.kill()
    assert word == "ready"
