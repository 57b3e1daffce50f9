"""What is still the same keeps its pool and its health; what is new begins anew."""

from gateway.config import schema
from gateway.errors import Code
from gateway.policy.failures import Failure
from gateway.runtime.health import Health
from gateway.runtime.snapshot import Snapshot
from tests.unit.config.reading import read
from tests.unit.runtime.running import running

T = 1000.0


def config(
    *, url: str = "http://a.test/v1", credential: str = "sk-one", more: str = ""
) -> schema.Config:
    return read(f"""
backends:
  a: {{provider: openai_compatible, base_url: "{url}", credential: {credential}}}
  b: {{provider: openai_compatible, base_url: "http://b.test/v1"}}
models: {{m: a/x, also: a/x, n: b/y}}
{more}
""")


def health(snapshot: Snapshot, model: str) -> Health:
    return snapshot.routes[model].targets[0].health


def test_a_target_has_one_health_whatever_routes_lead_to_it() -> None:
    with running() as house:
        snapshot = house.runtime.swap(config())
        assert health(snapshot, "m") is health(snapshot, "also")
        assert health(snapshot, "m") is not health(snapshot, "n")


def test_a_reload_changes_no_circuit_of_what_is_still_the_same() -> None:
    with running() as house:
        before = health(house.runtime.swap(config()), "m")
        for _ in range(5):
            before.failed(Failure(Code.CONNECT_FAILED), T)
        assert not before.usable(T)
        after = health(house.runtime.swap(config(more="circuit: {open_s: 9}")), "m")
        assert after is before
        assert not after.usable(T)
        assert after.circuit.rule.open_s == 9


def test_a_backend_that_moves_begins_anew() -> None:
    with running() as house:
        before = health(house.runtime.swap(config()), "m")
        before.hold(T, 50)
        assert health(house.runtime.swap(config(url="http://c.test/v1")), "m").usable(T)


def test_another_credential_gets_another_chance() -> None:
    with running() as house:
        before = health(house.runtime.swap(config()), "m")
        before.failed(Failure(Code.UPSTREAM_AUTH, 401), T)
        assert not before.usable(T)
        after = health(house.runtime.swap(config(credential="sk-two")), "m")
        assert after is before
        assert after.usable(T)


def test_limits_and_budgets_follow_the_config() -> None:
    with running() as house:
        one = house.runtime.swap(config()).backends["a"]
        two = house.runtime.swap(config(more="attempts: {retry_budget_ratio: 0.5}")).backends["a"]
        assert two.standing is one.standing
        assert two.standing.budget.ratio == 0.5
