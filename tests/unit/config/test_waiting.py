"""What is configured and not yet in effect is told, once for each feature; the rest is not."""

import pytest

from gateway.config import waiting
from tests.unit.config.reading import SIM, read

KEY = "name: a, tenant: t, key: 0123456789abcdef"


def test_what_works_is_not_mentioned() -> None:
    text = (
        "server: {workers: 2}\nadmin: {listen: 127.0.0.1:0}\nstore: memory\n"
        f"keys: [{{{KEY}, models: [demo]}}]\n"
        "backends: {sim: {provider: simulated, max_in_flight: 3, timeouts: {idle_s: 2}}}\n"
        "models: {demo: {targets: [{use: sim/a, weight: 2}, {use: sim/b, tier: 2}], "
        "strategy: weighted, deadline_s: 3, defaults: {a: 1}, force: {b: 2}}}\n"
        "timeouts: {idle_s: 3}\nlogging: {level: debug}\n"
    )
    assert read(text).waiting == ()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (SIM.replace("simulated", "vertex"), "backends.sim.provider"),
    ],
)
def test_what_waits_is_named_with_its_key(text: str, key: str) -> None:
    (sentence,) = read(text).waiting
    assert sentence.startswith(f"{key}: not in effect yet; ")
    assert sentence.endswith(".")


def test_nothing_asked_for_is_nothing_told() -> None:
    text = SIM + 'admin: {token: "${T:-}"}\ntenants: {t: {limits: {}}}\nprices: {}\ncache: {}\n'
    assert read(text).waiting == ()


def test_a_feature_is_told_once_however_often_it_is_used() -> None:
    text = (
        "models: {demo: b0/lorem}\nbackends: {"
        + ", ".join(f"b{i}: {{provider: vertex}}" for i in range(9))
        + "}"
    )
    (sentence,) = read(text).waiting
    assert sentence.startswith("backends.b0.provider and 8 more: not in effect yet; ")


def test_every_row_can_be_met() -> None:
    for row in waiting.ROWS:
        assert 1 <= len(row.key.split(".")) <= 3
        assert row.sentence.endswith(".")
