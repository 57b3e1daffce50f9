"""A config compiled: names resolved, heads written, secrets out of sight."""

import hashlib
import json

import pytest

from gateway.chat.operation import Operation
from gateway.config import schema
from gateway.providers import discover
from gateway.runtime.lasting import Lasting
from gateway.runtime.snapshot import Route, Snapshot, compile, named
from gateway.sweep import Sweep
from gateway.upstream.names import Name
from gateway.upstream.pool import Pool, tcp
from gateway.upstream.proxy import Proxy
from tests.unit.config.reading import read

SECRET = "sk-upstream-secret-1"
KEY = "sk-caller-0123456789"

CONFIG = f"""
keys: [{{name: app, tenant: search, key: {KEY}, models: [fast, "lab/*"]}}]
backends:
  up:
    provider: openai_compatible
    base_url: "http://vendor.test:8000/v1/"
    credential: {SECRET}
    operations: [chat, audio]
  openai: {{provider: openai, credential: {SECRET}}}
models:
  fast: up/gpt-5
  smart:
    targets: [{{use: up/big, weight: 3}}, {{use: openai/bigger, tier: 2}}]
    attempts: 2
    deadline_s: 20
    timeouts: {{connect_s: 1, first_content_s: 2, idle_s: 3}}
    defaults: {{temperature: 0}}
    force: {{seed: 7}}
  "lab/*": up/*
  "lab/big-*": openai/fixed
"""


def snapshot(text: str = CONFIG) -> Snapshot:
    config = read(text)

    def open(backend: schema.Backend, base_url: str, proxy: Proxy | None) -> Pool:
        return Pool(tcp(Name("127.0.0.1", 1), None), max_in_flight=1, sweep=Sweep())

    return compile(config, discover(), Lasting(open))


def route(model: str) -> Route:
    found = snapshot().route(model)
    assert found is not None
    return found


def test_a_name_leads_to_its_target() -> None:
    (target,) = route("fast").targets
    assert (target.backend.name, target.model, target.name) == ("up", "gpt-5", "up/gpt-5")
    assert bytes(target.model_json) == b'"gpt-5"'
    assert target.model_header == b"x-gateway-model: up/gpt-5\r\n"
    assert snapshot().route("nothing") is None


def test_a_route_has_all_that_its_model_says() -> None:
    smart = route("smart")
    assert [(t.name, t.weight, t.tier) for t in smart.targets] == [
        ("up/big", 3, 1),
        ("openai/bigger", 1, 2),
    ]
    assert (smart.retrying.attempts, smart.deadline_s) == (2, 20)
    timeouts = smart.targets[0].timeouts
    assert (timeouts.connect_s, timeouts.first_content_s, timeouts.idle_s) == (1, 2, 3)
    assert {name: bytes(raw) for name, raw in smart.defaults.items()} == {"temperature": b"0"}
    assert {name: bytes(raw) for name, raw in smart.force.items()} == {"seed": b"7"}


def test_the_longest_beginning_wins_and_the_rest_is_passed_on() -> None:
    assert route("lab/big-one").model == "lab/big-*"
    lab = route("lab/llama")
    assert (lab.model, lab.beginning) == ("lab/*", "lab/")
    target = named(lab.targets[0], lab, "lab/llama")
    assert (target.model, target.name, bytes(target.model_json)) == (
        "llama",
        "up/llama",
        b'"llama"',
    )
    fixed = route("lab/big-one")
    assert named(fixed.targets[0], fixed, "lab/big-one").model == "fixed"


def test_a_wildcard_is_no_name_of_its_own() -> None:
    assert list(snapshot().routes) == ["fast", "smart"]
    assert snapshot().route("lab/") is None


def test_no_name_breaks_out_of_a_header_line() -> None:
    lab = route("lab/x")
    target = named(lab.targets[0], lab, "lab/a\r\nset-cookie: ü")
    assert target.model_header == b"x-gateway-model: up/a??set-cookie: ?\r\n"
    assert json.loads(bytes(target.model_json)) == "a\r\nset-cookie: ü"


def test_a_request_head_is_ready_but_for_its_length() -> None:
    backend = snapshot().backends["up"]
    head = backend.ways[Operation.CHAT].head.decode()
    first, *lines = head.removesuffix("\r\n").split("\r\n")
    assert first == "POST /v1/chat/completions HTTP/1.1"
    assert "host: vendor.test:8000" in lines
    assert f"authorization: Bearer {SECRET}" in lines
    assert "accept-encoding: identity" in lines
    assert "content-type: application/json" in lines


def test_a_backend_offers_the_operations_that_it_has() -> None:
    up, openai = snapshot().backends["up"], snapshot().backends["openai"]
    assert set(up.paths) == {Operation.AUDIO}
    assert set(up.doors) == {Operation.CHAT}
    assert Operation.EMBEDDINGS not in up.ways
    assert Operation.EMBEDDINGS in openai.ways


def test_keys_are_found_by_digest_alone() -> None:
    (digest,) = snapshot().keys.by_digest
    assert digest == hashlib.sha256(KEY.encode()).digest()
    key = snapshot().keys.by_digest[digest]
    assert (key.name, key.tenant) == ("app", "search")
    assert key.may_use("lab/anything")
    assert not key.may_use("smart")


def test_a_backends_errors_must_not_show_its_credential_or_its_address() -> None:
    masks = snapshot().backends["up"].masks
    assert {SECRET, "http://vendor.test:8000/v1", "vendor.test:8000", "vendor.test"} == set(masks)


@pytest.mark.parametrize("spelling", [repr, str, "{0!r} {0}".format])
def test_no_secret_is_in_what_prints(spelling: object) -> None:
    assert callable(spelling)
    one = snapshot()
    keys = one.keys.by_digest.values()
    for value in (one, one.backends["up"], one.routes["fast"], one.config, one.keys, *keys):
        assert SECRET not in spelling(value)
        assert KEY not in spelling(value)
