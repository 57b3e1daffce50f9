"""Models: short form and long, targets, whose values win, and fallbacks that end."""

import pytest

from gateway.config.schema import Target
from tests.unit.config.reading import read, told

BACKENDS = (
    "backends: {a: {provider: simulated, timeouts: {idle_s: 4, connect_s: 4}}, "
    "b: {provider: simulated}}\n"
)


def _models(flow: str, rest: str = "") -> str:
    return f"{BACKENDS}models: {{{flow}}}\n{rest}"


def test_the_short_form_is_the_long_form_with_one_target() -> None:
    short, long = read(_models("m: a/x/y")), read(_models("m: {targets: [{use: a/x/y}]}"))
    assert short.hash == long.hash
    (target,) = short.models["m"].targets
    assert (target.backend, target.model, target.weight, target.tier) == ("a", "x/y", 1, 1)


def test_the_models_value_wins_over_the_backends_and_that_over_the_files() -> None:
    text = _models(
        "m: {targets: [{use: a/x}, {use: b/x}], timeouts: {idle_s: 5}, attempts: 2}",
        "timeouts: {idle_s: 3, connect_s: 3, first_content_s: 3}\nattempts: {backoff_cap_s: 3}\n",
    )
    model = read(text).models["m"]
    on_a, on_b = (target.timeouts for target in model.targets)
    assert (on_a.idle_s, on_a.connect_s, on_a.first_content_s, on_a.total_s) == (5, 4, 3, 600)
    assert (on_b.idle_s, on_b.connect_s, on_b.first_content_s) == (5, 3, 3)
    assert (model.timeouts.idle_s, model.timeouts.connect_s) == (5, 3)
    assert (model.attempts.max, model.attempts.backoff_cap_s) == (2, 3)
    assert model.targets[0].attempts == model.attempts


def test_a_value_that_equals_the_default_wins_too() -> None:
    text = _models("m: {targets: [{use: a/x}], timeouts: {idle_s: 30}}", "timeouts: {idle_s: 3}")
    assert read(text).models["m"].timeouts.idle_s == 30


def test_the_deadline_is_the_total_time() -> None:
    model = read(_models("m: {targets: [{use: a/x}], deadline_s: 12}")).models["m"]
    assert model.timeouts.total_s == 12
    assert model.targets[0].timeouts.total_s == 12


def test_a_name_may_stand_for_all_that_begin_like_it() -> None:
    models = read(_models('"lab/*": a/*, "*": b/fixed')).models
    assert models["lab/*"].targets[0] == Target(
        backend="a", model="*", timeouts=models["lab/*"].targets[0].timeouts
    )
    assert models["*"].targets[0].model == "fixed"


def test_only_causes_with_fallbacks_are_kept() -> None:
    text = _models("m: {targets: [{use: a/x}], fallbacks: {any: [n], rate_limit: []}}, n: a/x")
    assert read(text).models["m"].fallbacks == {"any": ("n",)}


@pytest.mark.parametrize(
    ("flow", "line"),
    [
        ("m: x", "2:13 models.m: must be backend/model, and 'x' is not"),
        ("m: a/", "2:13 models.m: must be backend/model, and 'a/' is not"),
        ("m: /x", "2:13 models.m: must be backend/model, and '/x' is not"),
        ("m: c/x", "2:13 models.m: unknown backend 'c'; there is a, b"),
        ("m: a/*", "2:13 models.m: the model may be '*' only where our own name ends in '*'"),
        ('"m*n": a/x', "2:10 models.m*n: a '*' may stand at the end of the name only"),
        ("m: ", "2:13 models.m: is empty; a text belongs here"),
        ("m: [a/x]", "2:13 models.m: must be a text or a section of keys and values"),
        ("m: {}", "2:13 models.m.targets: is missing; a list, such as [a, b] belongs here"),
        ("m: {targets: []}", "2:23 models.m.targets: is empty; one or more belong here"),
        ("m: {targets: [{}]}", "2:24 models.m.targets[0].use: is missing; a text belongs here"),
        ("m: {targets: [a/x]}", "2:24 models.m.targets[0]: must be a section of keys and values"),
        (
            "m: {targets: [{use: a/x, weight: 0}, {use: b/x, tier: 2}]}",
            "2:23 models.m.targets: all targets of tier 1 have weight 0; one needs more",
        ),
        (
            "m: {targets: [{use: a/x, weight: -1}]}",
            "2:43 models.m.targets[0].weight: must be at least 0",
        ),
        (
            "m: {targets: [{use: a/x, weight: 0.5}]}",
            "2:43 models.m.targets[0].weight: must be a whole number, such as 4",
        ),
        (
            "m: {targets: [{use: a/x, tier: 0}]}",
            "2:41 models.m.targets[0].tier: must be at least 1",
        ),
        (
            "m: {targets: [{use: a/x}], strategy: random}",
            "2:47 models.m.strategy: must be one of "
            "cheapest, fastest, least_busy, sticky, weighted",
        ),
        (
            "m: {targets: [{use: a/x}], attempts: 0}",
            "2:47 models.m.attempts: must be at least 1",
        ),
        (
            "m: {targets: [{use: a/x}], attempts: [1]}",
            "2:47 models.m.attempts: must be a whole number or a section of keys and values",
        ),
        (
            "m: {targets: [{use: a/x}], deadline_s: 0}",
            "2:49 models.m.deadline_s: must be more than 0",
        ),
        (
            "m: {targets: [{use: a/x}], force: {model: x}}",
            "2:52 models.m.force.model: 'model' is the gateway's own affair and cannot be set here",
        ),
        (
            "m: {targets: [{use: a/x}], defaults: {stream: true}}",
            "2:56 models.m.defaults.stream: "
            "'stream' is the gateway's own affair and cannot be set here",
        ),
        (
            "m: {targets: [{use: a/x}], force: [1]}",
            "2:44 models.m.force: must be a section of keys and values",
        ),
        (
            "m: {targets: [{use: a/x}], force: {a: .nan}}",
            "2:48 models.m.force.a: is not a number that JSON knows",
        ),
        (
            "m: {targets: [{use: a/x}], fallbacks: {any: [n]}}",
            "2:55 models.m.fallbacks.any[0]: unknown model 'n'; there is m",
        ),
        (
            "m: {targets: [{use: a/x}], fallbacks: {any: m}}",
            "2:54 models.m.fallbacks.any: must be a list, such as [a, b]",
        ),
        (
            "m: {targets: [{use: a/x}], fallbacks: {sometimes: [m]}}",
            "2:49 models.m.fallbacks.sometimes: unknown key 'sometimes'; "
            "there is any, content_policy, context_length, rate_limit",
        ),
        (
            'm: {targets: [{use: a/x}], fallbacks: {any: ["m*"]}}, "m*": a/x',
            "2:55 models.m.fallbacks.any[0]: must name one model, without '*'",
        ),
        (
            "m: {targets: [{use: a/x}], fallbacks: {any: [m]}}",
            "2:55 models.m.fallbacks.any[0]: the fallbacks lead round: m → m",
        ),
    ],
)
def test_what_is_wrong_with_a_model_is_told_with_its_place(flow: str, line: str) -> None:
    assert told(_models(flow)) == [f"config.yaml:{line}"]


def test_a_cycle_is_named_the_way_it_goes() -> None:
    flow = ", ".join(
        f"{name}: {{targets: [{{use: a/x}}], fallbacks: {{{cause}: [{to}]}}}}"
        for name, cause, to in (("m", "any", "n"), ("n", "rate_limit", "o"), ("o", "any", "m"))
    )
    (line,) = told(_models(flow))
    assert any(way in line for way in ("m → n → o → m", "n → o → m → n", "o → m → n → o"))


def test_a_cycle_through_a_star_is_found() -> None:
    flow = "m: {targets: [{use: a/x}], fallbacks: {any: [lab/big]}}, "
    flow += '"lab/*": {targets: [{use: a/*}], fallbacks: {any: [m]}}'
    (line,) = told(_models(flow))
    assert "lab/* → m → lab/*" in line or "m → lab/* → m" in line


def test_two_cycles_are_both_told() -> None:
    flow = ", ".join(
        f"{name}: {{targets: [{{use: a/x}}], fallbacks: {{any: [{name}]}}}}" for name in "mn"
    )
    assert len(told(_models(flow))) == 2


def test_fallbacks_that_meet_again_are_no_cycle() -> None:
    flow = (
        "m: {targets: [{use: a/x}], fallbacks: {any: [n, o]}}, "
        "n: {targets: [{use: a/x}], fallbacks: {any: [o]}}, o: a/x"
    )
    assert read(_models(flow)).models["m"].fallbacks == {"any": ("n", "o")}


def test_a_long_chain_of_fallbacks_is_no_trouble() -> None:
    lines = [
        f"  m{i}: {{targets: [{{use: a/x}}], fallbacks: {{any: [m{i + 1}]}}}}" for i in range(3000)
    ]
    text = BACKENDS + "models:\n  m3000: a/x\n" + "\n".join(lines)
    assert len(read(text).models) == 3001
