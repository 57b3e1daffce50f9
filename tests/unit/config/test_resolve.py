"""The whole: doors, keys, tenants, store, prices, and the hash."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import Limits
from tests.unit.config.reading import SIM, read, told

CLEAR = "key-of-the-search-team"
DIGEST = hashlib.sha256(CLEAR.encode()).hexdigest()


def test_a_key_is_kept_as_its_digest_only() -> None:
    config = read(SIM + f"keys: [{{name: a, tenant: t, key: {CLEAR}}}]")
    (key,) = config.keys
    assert key.digest == bytes.fromhex(DIGEST)
    assert (key.models, key.limits) == (("*",), Limits())
    assert CLEAR not in repr(key)


def test_a_key_and_its_digest_say_the_same() -> None:
    clear = read(SIM + f"keys: [{{name: a, tenant: t, key: {CLEAR}}}]")
    digest = read(SIM + f'keys: [{{name: a, tenant: t, digest: "sha256:{DIGEST}"}}]')
    assert clear.keys == digest.keys
    assert clear.hash == digest.hash


def test_a_tenant_that_only_a_key_names_is_there() -> None:
    text = SIM + (
        "tenants: {t: {limits: {concurrent: 3}, budget: {usd: 5, per: day}}}\n"
        f"keys: [{{name: a, tenant: other, key: {CLEAR}}}]\n"
    )
    tenants = read(text).tenants
    assert sorted(tenants) == ["other", "t"]
    assert tenants["t"].limits.concurrent == 3
    assert tenants["other"].limits == Limits()
    assert tenants["other"].budget is None


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("{tenant: t, key: K}", "3:8 keys[0].name: is missing; a text belongs here"),
        ("{name: a, key: K}", "3:8 keys[0].tenant: is missing; a text belongs here"),
        ("{name: a, tenant: t}", "3:8 keys[0]: must have either key or digest"),
        (
            '{name: a, tenant: t, key: K, digest: "D"}',
            "3:8 keys[0]: must have either key or digest, not both",
        ),
        (
            "{name: a, tenant: t, key: short-one-15-ch}",
            "3:34 keys[0].key: must have 16 characters or more; or give its digest",
        ),
        (
            '{name: a, tenant: t, key: ""}',
            "3:34 keys[0].key: must have 16 characters or more; or give its digest",
        ),
        (
            '{name: a, tenant: t, key: "sixteen and a space"}',
            "3:34 keys[0].key: must have visible ASCII characters only; or give its digest",
        ),
        (
            '{name: a, tenant: t, digest: "md5:00"}',
            '3:37 keys[0].digest: must be "sha256:" and 64 hex digits',
        ),
        (
            "{name: a, tenant: t, digest: sha256:abc}",
            '3:37 keys[0].digest: must be "sha256:" and 64 hex digits',
        ),
        (
            "{name: a, tenant: t, key: K}, {name: b, tenant: t, key: K}",
            "3:85 keys[1].key: is the same key as keys[0]",
        ),
        (
            '{name: a, tenant: t, key: K}, {name: b, tenant: t, digest: "D"}',
            "3:88 keys[1].digest: is the same key as keys[0]",
        ),
        (
            "{name: a, tenant: t, key: K}, {name: a, tenant: t, key: K-other}",
            "3:66 keys[1].name: keys[0] has this name already",
        ),
        (
            '{name: a, tenant: t, key: K, models: ["a*b"]}',
            "3:67 keys[0].models[0]: a '*' may stand at the end of the name only",
        ),
        (
            "{name: a, tenant: t, key: K, models: fast}",
            "3:66 keys[0].models: must be a list, such as [a, b]",
        ),
        (
            "{name: a, tenant: t, key: K, limits: {requests_per_minut: 3}}",
            "3:67 keys[0].limits.requests_per_minut: unknown key 'requests_per_minut'; "
            "did you mean 'requests_per_minute'?",
        ),
    ],
)
def test_what_is_wrong_with_a_key_is_told_without_showing_it(keys: str, line: str) -> None:
    written = keys.replace("key: K", f"key: {CLEAR}").replace('"D"', f'"sha256:{DIGEST}"')
    lines = told(SIM + f"keys: [{written}]")
    assert lines == [f"config.yaml:{line}"]
    assert CLEAR not in lines[0]


def test_without_keys_the_gateway_listens_on_loopback_only() -> None:
    assert told(SIM + "server: {listen: 0.0.0.0:8080}") == [
        "config.yaml:3:18 server.listen: without keys, callers are anonymous and the gateway "
        "listens on loopback only; add keys or listen on 127.0.0.1"
    ]


def test_with_keys_it_listens_where_it_is_told() -> None:
    text = SIM + f"server: {{listen: 0.0.0.0:8080}}\nkeys: [{{name: a, tenant: t, key: {CLEAR}}}]"
    assert not read(text).server.listen.loopback


def test_the_two_doors_have_two_addresses() -> None:
    text = SIM + "server: {listen: 127.0.0.1:9090}"
    assert told(text) == ["config.yaml:1:1 admin.listen: is the same address as server.listen"]
    both = SIM + "server: {listen: 127.0.0.1:0}\nadmin: {listen: 127.0.0.1:0}"
    assert read(both).admin.listen.port == 0


def test_a_short_admin_token_is_refused_and_none_is_fine() -> None:
    assert told(SIM + "admin: {token: hunter2}") == [
        "config.yaml:3:16 admin.token: must have 16 characters or more"
    ]
    assert not read(SIM).admin.token
    assert read(SIM + "admin: {token: 0123456789abcdef}").admin.token


@pytest.mark.parametrize(
    "store",
    [
        "memory",
        "redis://host:6379/0",
        "rediss://:hunter2@host/1",
        "redis+cluster://a:6379,b:6379",
    ],
)
def test_a_store_is_memory_or_a_url(store: str) -> None:
    assert read(SIM + f'store: "{store}"').store == store


@pytest.mark.parametrize(
    "store", ["disk", "redis", "redis://", "http://:hunter2@host", "redis://a b", "redis://[a"]
)
def test_any_other_store_is_refused_and_not_shown(store: str) -> None:
    (line,) = told(SIM + f'store: "{store}"')
    assert line.startswith("config.yaml:3:8 store: must be memory, redis://")
    assert "hunter2" not in line


def test_prices_are_by_backend_and_model() -> None:
    prices = read(SIM + "prices: {sim/lorem: {input_usd_per_mtok: 2}}").prices
    price = prices["sim/lorem"]
    assert (price.input_usd_per_mtok, price.cached_usd_per_mtok, price.output_usd_per_mtok) == (
        2,
        2,
        0,
    )
    assert told(SIM + "prices: {lorem: {input_usd_per_mtok: 2}}") == [
        "config.yaml:3:10 prices.lorem: must be named backend/model"
    ]


def test_equal_content_has_an_equal_hash_however_it_is_written() -> None:
    other = (
        "# a comment\nmodels:\n  demo:\n    targets:\n      - {tier: 1, use: sim/lorem}\n"
        "backends:\n  sim:\n    provider: simulated\n    tokens: 64\nserver: {workers: 1}\n"
    )
    assert read(SIM).hash == read(other).hash
    assert len(read(SIM).hash) == 12
    assert int(read(SIM).hash, 16) >= 0


@pytest.mark.parametrize(
    "more",
    [
        "server: {workers: 2}",
        "admin: {token: 0123456789abcdef}",
        "timeouts: {idle_s: 29}",
        "tenants: {t: {}}",
        f"keys: [{{name: a, tenant: t, key: {CLEAR}}}]",
        "prices: {sim/lorem: {input_usd_per_mtok: 2}}",
        "store: redis://host",
    ],
)
def test_other_content_has_another_hash(more: str) -> None:
    assert read(SIM + more).hash != read(SIM).hash


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=40))
def test_another_secret_has_another_hash(token: str) -> None:
    text = SIM + 'admin: {token: "${T}"}'
    one, other = read(text, env={"T": token}), read(text, env={"T": token + "x"})
    assert one.hash != other.hash
    assert one.hash == read(text, env={"T": token}).hash
