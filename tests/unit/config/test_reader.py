"""The walk along the types: environment, secrets, emptiness, and how a wrong kind is answered."""

from pathlib import Path

import pytest

from gateway.config.load import secret_file
from tests.unit.config.reading import SIM, read, told

PLANTED = "planted-secret-of-the-environment"


def test_a_number_may_come_out_of_the_environment_quoted_or_not() -> None:
    text = SIM + 'server:\n  workers: "${N}"\n  max_connections: ${M:-7}\n'
    server = read(text, env={"N": "3"}).server
    assert (server.workers, server.max_connections) == (3, 7)


def test_a_boolean_and_a_word_may_come_out_of_the_environment() -> None:
    text = SIM + 'cache: {enabled: "${ON}"}\nlogging: {level: "${LEVEL}"}\n'
    config = read(text, env={"ON": "true", "LEVEL": "debug"})
    assert config.cache.enabled
    assert config.logging.level == "debug"


def test_a_number_in_quotes_is_a_text() -> None:
    assert told(SIM + 'server: {workers: "3"}') == [
        "config.yaml:3:19 server.workers: must be a whole number, without quotes"
    ]


def test_the_value_of_a_variable_is_never_shown() -> None:
    text = SIM + (
        'server: {listen: "${P}", workers: "${P}", drain_timeout_s: "${P}"}\n'
        'store: "${P}"\n'
        'logging: {level: "${P}"}\n'
        'cache: {enabled: "${P}"}\n'
        'keys: [{name: a, tenant: b, digest: "${P}"}]\n'
    )
    text = text.replace("provider: simulated", 'provider: "${P}", base_url: "${P}"')
    text = text.replace("sim/lorem", '{targets: [{use: "${P}"}], fallbacks: {any: ["${P}"]}}')
    lines = told(text, env={"P": PLANTED})
    assert len(lines) == 11
    assert PLANTED not in "\n".join(lines)
    use = next(line for line in lines if "targets" in line)
    assert "'${P}'" in use


def test_names_of_keys_are_never_replaced() -> None:
    config = read(SIM.replace("demo", '"${P}"'), env={"P": PLANTED})
    assert list(config.models) == ["${P}"]


def test_bytes_of_the_environment_that_are_no_text_are_refused() -> None:
    for section in ('backends: {sim: {provider: simulated, credential: "${X}"}}', SIM):
        text = section + '\nmodels: {a: {targets: [{use: sim/b}], force: {user: "${X}"}}}'
        if section == SIM:
            text = text.replace("models: {demo: sim/lorem}\n", "")
        assert any("no UTF-8" in line for line in told(text, env={"X": "a\udcff"}))


def test_a_secret_file_is_read_without_its_last_line_end(tmp_path: Path) -> None:
    file = tmp_path / "credential"
    text = f'backends: {{sim: {{provider: simulated, credential: "file:{file}"}}}}\n'
    text += "models: {a: sim/b}"
    for written, secret in (("s3cret\n", "s3cret"), ("a\nb\n\n", "a\nb\n"), ("x\r\n", "x")):
        file.write_bytes(written.encode())
        config = read(text, read_secret=secret_file)
        assert config.backends["sim"].credential.reveal() == secret


def test_the_path_of_a_secret_file_may_hold_a_variable() -> None:
    text = SIM.replace("simulated", 'simulated, credential: "file:${DIR}/a"')
    config = read(text, env={"DIR": "/run"}, read_secret=lambda path: f"from {path}")
    assert config.backends["sim"].credential.reveal() == "from /run/a"


def test_a_variable_cannot_point_to_a_file() -> None:
    text = SIM.replace("simulated", 'simulated, credential: "${X}"')
    config = read(text, env={"X": "file:/etc/passwd"})
    assert config.backends["sim"].credential.reveal() == "file:/etc/passwd"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (None, "the secret's file cannot be read: No such file or directory"),
        (b"", "the secret's file is empty"),
        (b"\n", "the secret's file is empty"),
        (b"\xff", "the secret's file cannot be read: not a text"),
        (b"x" * 70_000, "the secret's file cannot be read: not a text"),
    ],
)
def test_a_secret_file_that_holds_no_secret_is_a_fault(
    tmp_path: Path, written: bytes | None, message: str
) -> None:
    file = tmp_path / "credential"
    if written is not None:
        file.write_bytes(written)
    text = SIM.replace("simulated", f'simulated, credential: "file:{file}"')
    assert told(text, read_secret=secret_file) == [
        f"config.yaml:1:51 backends.sim.credential: {message}"
    ]


def test_a_directory_is_no_secret_file(tmp_path: Path) -> None:
    text = SIM.replace("simulated", f'simulated, credential: "file:{tmp_path}"')
    assert "Is a directory" in told(text, read_secret=secret_file)[0]


@pytest.mark.parametrize("path", ["", "relative", "./x", "~/x"])
def test_a_secret_file_has_its_whole_path(path: str) -> None:
    text = SIM.replace("simulated", f'simulated, credential: "file:{path}"')
    assert "must name a secret's file by its whole path" in told(text)[0]


def test_a_nul_in_a_secret_file_path_is_a_fault() -> None:
    text = SIM.replace("simulated", r'simulated, credential: "file:/a\0b"')
    assert "cannot be read" in told(text, read_secret=secret_file)[0]


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_an_empty_section_is_a_section_without_keys(nothing: str) -> None:
    names = ("server", "admin", "tenants", "keys", "timeouts", "prices", "logging")
    text = SIM + "".join(f"{name}: {nothing}\n" for name in names)
    assert read(text).server == read(SIM).server
    assert read(text).hash == read(SIM).hash


def test_an_empty_secret_is_an_empty_secret() -> None:
    assert not read(SIM + "admin: {token: }").admin.token
    assert not read(SIM + 'admin: {token: "${T:-}"}').admin.token


def test_an_empty_number_is_a_fault() -> None:
    assert told(SIM + "server:\n  workers:\n") == [
        "config.yaml:4:11 server.workers: is empty; a whole number belongs here"
    ]


def test_json_values_are_kept_as_json() -> None:
    force = '{seed: 7, stop: [a, "1"], deep: {on: yes, x: null, t: 0.5}, user: "${U}", n: ${N}}'
    text = SIM.replace("sim/lorem", f"{{targets: [{{use: sim/x}}], force: {force}}}")
    text = text.replace("${N}", '"${N}"')
    config = read(text, env={"U": "ann", "N": "5"})
    assert config.models["demo"].force == {
        "seed": 7,
        "stop": ["a", "1"],
        "deep": {"on": "yes", "x": None, "t": 0.5},
        "user": "ann",
        "n": "5",
    }


def test_a_plain_reference_in_a_json_value_is_read_like_a_plain_scalar() -> None:
    text = (
        "backends: {sim: {provider: simulated}}\n"
        "models:\n  a:\n    targets: [{use: sim/b}]\n    force:\n      n: ${N}\n"
    )
    assert read(text, env={"N": "5"}).models["a"].force == {"n": 5}


def test_the_rest_is_still_read_when_one_value_is_wrong() -> None:
    lines = told(
        "server: {workers: many, lisen: x}\n"
        "backends: {sim: {provider: simulated, tokens: -1}}\n"
        "models: {a: sim/b, c: nope/d}\n"
    )
    assert lines == [
        "config.yaml:1:19 server.workers: must be a whole number, such as 4",
        "config.yaml:1:25 server.lisen: unknown key 'lisen'; did you mean 'listen'?",
        "config.yaml:2:47 backends.sim.tokens: must be at least 1",
        "config.yaml:3:23 models.c: unknown backend 'nope'; there is sim",
    ]


def test_a_backend_that_cannot_be_read_is_not_unknown_too() -> None:
    assert told("backends: {sim: {}}\nmodels: {a: sim/b}\n") == [
        "config.yaml:1:17 backends.sim.provider: is missing; a text belongs here"
    ]
