"""What lies in deploy/ agrees with the gateway: configs load, times fit, parts find each other."""

import importlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gateway.config import load
from gateway.config.schema import Config
from gateway.providers import discover
from tests.harness import KEY, Gateway

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
BASE: Final = DEPLOY / "kubernetes/base"
DOCKERFILE: Final = (DEPLOY / "Dockerfile").read_text()
UNIT: Final = (DEPLOY / "llm-gateway.service").read_text()
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text())
ENV: Final = {"GATEWAY_KEY": KEY}


def _config(file: Path) -> Config:
    return load.load(file, env=ENV, known_providers=discover().keys())


def _documents(folder: Path) -> list[dict[str, Any]]:
    files = [file for file in sorted(folder.glob("*.yaml")) if file.name != "config.yaml"]
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def _of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for document in _documents(BASE) if document["kind"] == kind]


POD: Final[dict[str, Any]] = _of_kind("Deployment")[0]["spec"]["template"]
CONTAINER: Final[dict[str, Any]] = POD["spec"]["containers"][0]


# ---- configs


@pytest.mark.parametrize("file", [BASE / "config.yaml", DEPLOY / "compose/config.yaml"], ids=str)
def test_a_config_loads_and_says_nothing_that_is_not_in_effect(file: Path) -> None:
    config = _config(file)
    assert config.waiting == ()
    assert not config.server.listen.loopback  # a container's loopback is reached by nobody
    assert config.keys


def test_the_config_of_kubernetes_serves() -> None:
    with Gateway((BASE / "config.yaml").read_text(), env=ENV) as gateway:
        chat = {"model": "demo", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
        assert gateway.post("/v1/chat/completions", chat)[0] == 200


def test_a_config_map_that_is_swapped_comes_into_force(tmp_path: Path) -> None:
    """The kubelet's way: config.yaml -> ..data/config.yaml, ..data -> a folder, and another one."""
    text = (BASE / "config.yaml").read_text()
    _mount(tmp_path, "first", text)
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    mounted = ("--config", str(tmp_path / "config.yaml"))  # of two, the last one counts
    with Gateway(text, *mounted, env=ENV) as gateway:
        _mount(tmp_path, "second", text.replace("demo: sim/lorem", "other: sim/lorem"))
        gateway.until_line("config_applied")
        assert b'"other"' in gateway.get("/v1/models")[1]


def _mount(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir()
    (folder / name / "config.yaml").write_text(text)
    (folder / "..data_tmp").symlink_to(name)
    (folder / "..data_tmp").rename(folder / "..data")


# ---- the image


def _command(word: str) -> list[str]:
    """The JSON list behind a word of the Dockerfile."""
    found = re.search(rf"\b{word} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    command: list[str] = json.loads(found[1])
    return command


def test_the_image_installs_wheels_with_hashes_and_nothing_else() -> None:
    [install] = re.findall(r"pip install ([^&]*)", DOCKERFILE)
    assert {"--no-deps", "--require-hashes", "--only-binary", ":all:"} <= set(install.split())


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    sources = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    kept = re.findall(r"^!(\S+)", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert sources
    assert sorted(sources) == sorted(kept)
    assert all((ROOT / source).exists() for source in sources)


def test_the_image_runs_the_launcher_as_nobody() -> None:
    assert re.search(r"^USER 65534", DOCKERFILE, re.MULTILINE)
    python, *flags, launcher = _command("ENTRYPOINT")
    assert flags == ["-I", "-S"]
    assert (python, launcher) == (
        "/opt/gateway/venv/bin/python",
        "/opt/gateway/gateway/_boot.py",
    )


def test_the_health_check_sees_a_gateway_and_sees_when_there_is_none() -> None:
    _, *arguments = _health_check()
    with Gateway((BASE / "config.yaml").read_text(), env=ENV) as gateway:
        address = gateway.admin.removeprefix("http://")
        here = [argument.replace("127.0.0.1:9090", address) for argument in arguments]
        assert here != arguments
        assert subprocess.run([sys.executable, *here], timeout=20).returncode == 0
    gone = subprocess.run([sys.executable, *here], timeout=20, stderr=subprocess.DEVNULL)
    assert gone.returncode != 0


def _health_check() -> list[str]:
    found = re.search(r"HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    command: list[str] = json.loads(found[1])
    return command


# ---- compose


def test_compose_gives_the_gateway_time_to_drain() -> None:
    drain_s = _config(DEPLOY / "compose/config.yaml").server.drain_timeout_s
    grace_s = float(COMPOSE["services"]["gateway"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > drain_s


def test_compose_mounts_the_folder_and_the_backend_is_the_model_beside_it() -> None:
    service = COMPOSE["services"]["gateway"]
    [mount] = service["volumes"]
    assert (DEPLOY / mount.split(":")[0] / "config.yaml").is_file()
    [backend] = _config(DEPLOY / "compose/config.yaml").backends.values()
    command = COMPOSE["services"]["model"]["command"]
    assert backend.base_url == "http://model:8000/v1"
    assert command[:3] == ["simulate", "--listen", "0.0.0.0:8000"]


@pytest.mark.parametrize("service", COMPOSE["services"].values(), ids=COMPOSE["services"])
def test_services_can_write_nowhere_but_in_tmp(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]


# ---- kubernetes


def test_every_file_of_the_base_is_in_its_kustomization() -> None:
    kustomization = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    named = {*kustomization["resources"], *kustomization["configMapGenerator"][0]["files"]}
    assert named == {file.name for file in BASE.iterdir()} - {"kustomization.yaml"}
    assert kustomization["configMapGenerator"][0]["options"]["disableNameSuffixHash"] is True


def test_a_pod_has_time_to_drain() -> None:
    drain_s = _config(BASE / "config.yaml").server.drain_timeout_s
    before_s = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["spec"]["terminationGracePeriodSeconds"] >= before_s + drain_s + 5


def test_probes_ask_the_admin_port_what_it_answers() -> None:
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    config = _config(BASE / "config.yaml")
    assert ports == {"http": config.server.listen.port, "admin": config.admin.listen.port}
    asked = {probe: CONTAINER[probe]["httpGet"] for probe in CONTAINER if probe.endswith("Probe")}
    assert len(asked) == 3
    with Gateway((BASE / "config.yaml").read_text(), env=ENV) as gateway:
        for probe in asked.values():
            assert probe["port"] == "admin"
            assert gateway.get(probe["path"], admin=True, key=None)[0] == 200


def test_the_config_is_mounted_as_a_folder() -> None:
    [mount] = [mount for mount in CONTAINER["volumeMounts"] if mount["name"] == "config"]
    assert "subPath" not in mount
    assert CONTAINER["args"] == ["serve", "--config", f"{mount['mountPath']}/config.yaml"]


def test_a_pod_has_no_rights() -> None:
    assert POD["spec"]["securityContext"]["runAsNonRoot"] is True
    assert POD["spec"]["automountServiceAccountToken"] is False
    context = CONTAINER["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}


def test_services_and_policies_select_the_pods() -> None:
    labels = POD["metadata"]["labels"].items()
    for service in _of_kind("Service"):
        assert service["spec"]["selector"].items() <= labels
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= {"http", "admin"}
    [budget] = _of_kind("PodDisruptionBudget")
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels
    [policy] = _of_kind("NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels


def test_the_service_monitor_selects_the_admin_service() -> None:
    [monitor] = [d for d in _documents(DEPLOY / "kubernetes/monitoring") if "spec" in d]
    wanted = monitor["spec"]["selector"]["matchLabels"]
    [service] = [s for s in _of_kind("Service") if "labels" in s["metadata"]]
    added = yaml.safe_load((BASE / "kustomization.yaml").read_text())["labels"][0]["pairs"]
    assert wanted == service["metadata"]["labels"] | added
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_kubernetes_takes_the_manifests() -> None:
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.skip("kubernetes-validate is not installed")
    checker = importlib.import_module("kubernetes_validate")
    for document in _documents(BASE):
        if document["kind"] != "Kustomization":
            checker.validate(document, checker.latest_version(), strict=True)


# ---- systemd


def _setting(name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_unit_starts_the_launcher_and_stops_after_the_drain() -> None:
    python, *rest = shlex.split(_setting("ExecStart"))
    assert python.endswith("/venv/bin/python")
    assert rest[:2] == ["-I", "-S"]
    assert rest[3:] == ["serve", "--config", "/etc/llm-gateway/config.yaml"]
    config = load.load(
        ROOT / "config.yaml", env={"GATEWAY_DEMO_KEY": KEY}, known_providers=discover().keys()
    )
    assert float(_setting("TimeoutStopSec")) > config.server.drain_timeout_s
    assert "-HUP" in _setting("ExecReload")
    assert _setting("RestartPreventExitStatus") == "78"


def test_systemd_finds_little_to_complain_about() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager"]
    answer = subprocess.run(
        [*command, DEPLOY / "llm-gateway.service"],
        capture_output=True, text=True, timeout=30, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout[-500:] + answer.stderr


def test_a_credential_of_systemd_can_be_named_in_the_config() -> None:
    text = 'backends: {up: {provider: openai, credential: "file:${CREDENTIALS_DIRECTORY}/openai"}}'
    read: list[str] = []
    load.parse(
        text + "\nmodels: {m: up/m}",
        path="config.yaml",
        env={"CREDENTIALS_DIRECTORY": "/run/credentials/llm-gateway.service"},
        known_providers=discover().keys(),
        read_secret=lambda path: read.append(path) or "sk",  # type: ignore[func-returns-value]
    )
    assert read == ["/run/credentials/llm-gateway.service/openai"]
