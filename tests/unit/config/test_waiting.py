"""What is configured and not yet in effect is told, once for each feature; the rest is not."""

import pytest

from gateway.config import waiting
from gateway.config.findings import Findings, Found
from gateway.config.nodes import Place, Scalar
from tests.unit.config.reading import SIM, read

ROWS = (
    waiting.Row("store", "all is in one process.", "memory"),
    waiting.Row("models.*.hedging", "nobody is asked twice."),
    waiting.Row("server.tls", "there is none."),
)


def _found(*values: tuple[tuple[str | int, ...], object]) -> Findings:
    node = Scalar(Place("config.yaml", 1, 1), "", plain=False)
    return Findings(found={path: Found(node, value) for path, value in values})


def test_today_nothing_waits() -> None:
    assert waiting.ROWS == ()
    assert read(SIM + "store: memory\n").waiting == ()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (("store",), "store: not in effect yet; all is in one process."),
        (("server", "tls"), "server.tls: not in effect yet; there is none."),
        (("models", "m", "hedging"), "models.m.hedging: not in effect yet; nobody is asked twice."),
    ],
)
def test_what_waits_is_named_with_its_key(path: tuple[str, ...], sentence: str) -> None:
    assert waiting.sentences(_found((path, "redis")), ROWS) == (sentence,)


def test_nothing_asked_for_is_nothing_told() -> None:
    found = _found((("store",), "memory"), (("models", "m", "hedging"), None), (("a",) * 4, 1))
    assert waiting.sentences(found, ROWS) == ()


def test_a_feature_is_told_once_however_often_it_is_used() -> None:
    found = _found(*((("models", f"m{at}", "hedging"), {}) for at in range(9)))
    (sentence,) = waiting.sentences(found, ROWS)
    assert sentence.startswith("models.m0.hedging and 8 more: not in effect yet; ")
