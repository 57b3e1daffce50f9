"""How a fault reads, and how a near miss is answered."""

import pytest

from gateway.config.faults import ConfigError, Fault, dotted, nearest, shortened


def test_a_fault_reads_place_key_message() -> None:
    fault = Fault("config.yaml", 12, 5, "models.smart.targets[0].use", "unknown backend 'opnai'")
    assert str(fault) == "config.yaml:12:5 models.smart.targets[0].use: unknown backend 'opnai'"


def test_a_fault_of_the_whole_file_has_no_line() -> None:
    assert str(Fault("config.yaml", 0, 0, "", "not UTF-8")) == "config.yaml: not UTF-8"


def test_a_fault_of_an_override_names_the_override_once() -> None:
    assert str(Fault("--set a.b", 0, 0, "a.b", "is wrong")) == "--set a.b: is wrong"
    assert str(Fault("--set a", 0, 0, "a.b", "is wrong")) == "--set a a.b: is wrong"


def test_an_error_has_a_line_for_each_fault() -> None:
    error = ConfigError([Fault("c", 1, 2, "a", "x"), Fault("c", 3, 4, "b", "y")])
    assert str(error) == "c:1:2 a: x\nc:3:4 b: y"
    assert len(error.faults) == 2


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("server", "listen"), "server.listen"),
        (("keys", 0, "models", 1), "keys[0].models[1]"),
        (("models", "lab/*"), "models.lab/*"),
        (("models", "gpt-5.6", "targets"), 'models."gpt-5.6".targets'),
        (("models", "", "x"), 'models."".x'),
    ],
)
def test_a_path_is_written_with_dots(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


def test_the_nearest_word_is_named() -> None:
    assert nearest("opnai", ["openai", "anthropic"]) == "; did you mean 'openai'?"


def test_few_words_are_named_when_none_is_near() -> None:
    assert nearest("x", ["b", "a"]) == "; there is a, b"


def test_many_words_or_none_are_not_named() -> None:
    assert nearest("x", [f"word{i}" for i in range(13)]) == ""
    assert nearest("x", []) == ""


def test_a_very_long_word_is_not_compared() -> None:
    assert nearest("listen" * 100_000, [f"listen{i}" for i in range(13)]) == ""


def test_long_texts_are_shortened() -> None:
    assert shortened("x" * 60) == "x" * 60
    assert shortened("x" * 61) == "x" * 60 + "…"
