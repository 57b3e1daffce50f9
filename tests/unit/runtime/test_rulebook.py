"""Which limits hold for whom."""

from gateway.policy.access import virtual_key
from gateway.runtime.rulebook import Rulebook
from tests.unit.config.reading import SIM, read

KEY = virtual_key("k", "t", ("*",))


def test_nobody_is_limited_by_nothing() -> None:
    book = Rulebook(read(SIM))
    assert book.empty
    assert book.of(KEY, "demo") is None


def test_the_keys_the_tenants_the_models_and_everybodys_hold_together() -> None:
    text = (
        SIM.replace(
            "demo: sim/lorem", "demo: {targets: [{use: sim/a}], budget: {usd: 1, per: day}}"
        )
        + "limits: {concurrent: 9}\n"
        + "tenants: {t: {limits: {requests_per_minute: 5}}, u: {limits: {concurrent: 1}}}\n"
        + 'keys: [{name: k, tenant: t, key: "0123456789abcdef", limits: {tokens_per_day: 7}}]\n'
    )
    book = Rulebook(read(text))
    rules = book.of(KEY, "demo")
    assert rules is not None
    assert [rule.scope for rule in rules.all] == ["key", "tenant", "model", "global"]
    assert rules.priced
    assert rules.leased
    assert book.of(KEY, "demo") is rules


def test_requests_alone_need_no_settling() -> None:
    rules = Rulebook(read(SIM + "limits: {requests_per_day: 5}\n")).of(KEY, "demo")
    assert rules is not None
    assert not rules.leased
    assert not rules.priced


def test_a_backends_are_its_own() -> None:
    book = Rulebook(read(SIM.replace("simulated", "simulated, limits: {concurrent: 1}")))
    assert not book.empty  # an exchange has to look
    rules = book.of_backend("sim")
    assert rules is not None
    assert len(rules.all) == 1
    assert book.of_backend("other") is None
