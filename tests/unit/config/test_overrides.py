"""--set: one value by its dotted key, through what is there or beside it."""

import pytest

from gateway.config.nodes import compose
from gateway.config.overrides import applied
from tests.unit.config.reading import SIM, read, told

MODELS = """
backends: {sim: {provider: simulated}}
models:
  gpt-5.6: {targets: [{use: sim/a}, {use: sim/b, weight: 2}]}
  short: sim/c
"""


def test_a_value_is_replaced() -> None:
    config = read(SIM + "server: {listen: 127.0.0.1:1}", overrides=[("server.listen", '"[::1]:2"')])
    assert str(config.server.listen) == "[::1]:2"


def test_a_missing_section_is_made() -> None:
    assert read(SIM, overrides=[("server.listen", "127.0.0.1:0")]).server.listen.port == 0


def test_the_whole_file_may_come_from_overrides() -> None:
    overrides = [("backends.sim.provider", "simulated"), ("models.demo", "sim/lorem")]
    assert read("", overrides=overrides).hash == read(SIM).hash


def test_a_name_with_a_dot_stands_in_quotes_and_a_list_has_numbers() -> None:
    config = read(MODELS, overrides=[('models."gpt-5.6".targets[1].weight', "9")])
    assert [target.weight for target in config.models["gpt-5.6"].targets] == [1, 9]


def test_a_value_is_read_as_yaml() -> None:
    config = read(MODELS, overrides=[("models.short", "{targets: [{use: sim/x}], deadline_s: 3}")])
    assert config.models["short"].timeouts.total_s == 3
    config = read(MODELS, overrides=[("models.short", "sim/y:1")])
    assert config.models["short"].targets[0].model == "y:1"


def test_a_later_one_wins_over_an_earlier() -> None:
    overrides = [("server.workers", "2"), ("server.workers", "3")]
    assert read(SIM, overrides=overrides).server.workers == 3


def test_a_value_may_refer_to_the_environment() -> None:
    config = read(SIM, env={"N": "4"}, overrides=[("server.workers", "${N}")])
    assert config.server.workers == 4


def test_what_an_alias_shares_is_not_changed_for_others() -> None:
    text = SIM + "timeouts: &t {connect_s: 3}\n"
    text = text.replace("sim/lorem", "{targets: [{use: sim/x}], timeouts: *t}")
    text = "timeouts: &t {connect_s: 3}\n" + text.replace("timeouts: &t {connect_s: 3}\n", "")
    config = read(text, overrides=[("timeouts.connect_s", "4")])
    assert config.timeouts.connect_s == 4
    assert config.models["demo"].timeouts.connect_s == 3


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "server.lisen",
            "1",
            "--set server.lisen: unknown key 'lisen'; did you mean 'listen'?",
        ),
        ("server.workers", "x", "--set server.workers: must be a whole number, such as 4"),
        ("server.workers", "", "--set server.workers: is empty; a whole number belongs here"),
        ("server.workers", "[", "--set server.workers: not YAML: did not find expected"),
        ("models.short.deadline_s", "1", "models.short is not a section of keys and values"),
        ('models."gpt-5.6".targets[2].weight', "1", 'there is no models."gpt-5.6".targets[2]'),
        ("server[0]", "1", "there is no server[0]"),
        ("models.x", "nope/a", "--set models.x: unknown backend 'nope'; there is sim"),
        ("timeouts", "{idle_s: -1}", "--set timeouts timeouts.idle_s: must be more than 0"),
        ("admin", "{token: a, token: b}", "--set admin token: the key 'token' stands here twice"),
        ("server", "{workers: 2, workers: 3}", "the key 'workers' stands here twice"),
        ("", "1", "--set : is no dotted key"),
        (".server", "1", "is no dotted key"),
        ("server.", "1", "is no dotted key"),
        ("server..listen", "1", "is no dotted key"),
        ('models."x', "1", "is no dotted key"),
        ("[0]", "1", "is no dotted key"),
        ("a[x]", "1", "is no dotted key"),
        (".".join("a" * 30), "1", "is no dotted key"),
    ],
)
def test_a_bad_override_is_a_fault_that_names_it(key: str, value: str, line: str) -> None:
    lines = told(MODELS, overrides=[(key, value)])
    assert all(one.startswith(f"--set {key}") for one in lines)
    assert any(line in one for one in lines)


def test_a_secret_in_an_override_is_not_shown() -> None:
    lines = told(SIM, overrides=[("admin.token", "hunter2")])
    assert lines == ["--set admin.token: must have 16 characters or more"]


def test_the_tree_itself_stays_as_it_is() -> None:
    root, faults = compose(MODELS, "c")
    before = repr(root)
    changed = applied(root, [("models.short", "sim/z"), ("server.workers", "2")], faults)
    assert repr(root) == before
    assert repr(changed) != before
    assert faults == []
