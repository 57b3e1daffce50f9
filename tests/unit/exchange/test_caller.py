"""Who asks, by the head of a request alone."""

import math

import pytest

from gateway.errors import Code, GatewayError
from gateway.exchange.caller import MAX_LABEL, MAX_NAME_SHOWN, Caller, identify
from gateway.runtime.snapshot import Snapshot
from gateway.server import framing
from tests.unit.config.reading import read
from tests.unit.runtime.running import running

KEY = b"sk-caller-0123456789"
CONFIG = """
keys: [{name: app, tenant: search, key: sk-caller-0123456789, models: [fast, "lab/*"]}]
backends: {sim: {provider: simulated}}
models: {fast: sim/a, smart: sim/b, "lab/*": sim/*}
"""


def snapshot(text: str = CONFIG) -> Snapshot:
    with running() as house:
        return house.runtime.swap(read(text))


def caller(*headers: tuple[bytes, bytes], key: bytes | None = KEY, config: str = CONFIG) -> Caller:
    lines = [(b"host", b"gateway.test"), *headers]
    if key is not None:
        lines.append((b"authorization", b"Bearer " + key))
    head = framing.head(b"POST", b"/v1/chat/completions", "1.1", lines)
    return identify(head, snapshot(config))


def refused(*headers: tuple[bytes, bytes], key: bytes | None = KEY) -> GatewayError:
    with pytest.raises(GatewayError) as found:
        caller(*headers, key=key)
    return found.value


def test_a_key_names_its_owner() -> None:
    one = caller()
    assert (one.key.name, one.key.tenant) == ("app", "search")
    assert (one.label, one.timeout_s, one.passed) == (None, math.inf, b"")


def test_the_other_header_does_as_well() -> None:
    assert caller((b"x-api-key", KEY), key=None).key.name == "app"


@pytest.mark.parametrize("key", [None, b"sk-wrong", KEY + b"x", KEY[:-1], b" " + KEY])
def test_all_wrong_keys_are_refused_alike(key: bytes | None) -> None:
    error = refused(key=key)
    assert (error.code, error.status) == (Code.INVALID_API_KEY, 401)
    assert error.message == refused(key=b"another").message


def test_without_keys_everybody_is_anonymous() -> None:
    keyless = "backends: {sim: {provider: simulated}}\nmodels: {fast: sim/a}\n"
    assert caller(key=None, config=keyless).key.name == "anonymous"


def test_an_encoded_body_is_refused_before_it_is_read() -> None:
    error = refused((b"content-encoding", b"gzip"))
    assert (error.code, error.status) == (Code.BODY_ENCODING, 415)
    assert caller((b"content-encoding", b"Identity")).key.name == "app"


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (b"trace-1_A.b", "trace-1_A.b"),
        (b"x" * MAX_LABEL, "x" * MAX_LABEL),
        (b"x" * (MAX_LABEL + 1), None),
        (b'a"b', None),
        (b"a b", None),
        (b"\xc3\xbc", None),
    ],
)
def test_the_clients_own_id_is_kept_if_a_log_may_hold_it(value: bytes, label: str | None) -> None:
    assert caller((b"x-request-id", value)).label == label


def test_a_client_may_wait_for_less() -> None:
    assert caller((b"x-request-timeout", b"2.5")).timeout_s == 2.5


@pytest.mark.parametrize("value", [b"0", b"-1", b"nan", b"soon", b""])
def test_a_timeout_that_is_none_is_refused_by_name(value: bytes) -> None:
    error = refused((b"x-request-timeout", value))
    assert (error.code, error.param) == (Code.INVALID_VALUE, "x-request-timeout")


def test_only_what_is_known_and_printable_goes_along() -> None:
    one = caller(
        (b"traceparent", b"00-abc"),
        (b"openai-beta", b"assistants=v2"),
        (b"tracestate", b"\xff"),
        (b"cookie", b"a=b"),
        (b"x-forwarded-for", b"1.2.3.4"),
    )
    assert sorted(one.passed.splitlines()) == [
        b"openai-beta: assistants=v2",
        b"traceparent: 00-abc",
    ]


def test_a_caller_is_led_to_the_models_that_its_key_allows() -> None:
    one = caller()
    assert one.route("fast").model == "fast"
    assert one.route("lab/llama").model == "lab/*"
    with pytest.raises(GatewayError) as forbidden:
        one.route("smart")
    assert (forbidden.value.code, forbidden.value.status) == (Code.MODEL_NOT_ALLOWED, 403)


def test_an_unknown_model_is_named_and_cut() -> None:
    with pytest.raises(GatewayError) as unknown:
        caller().route("x" * 10_000)
    assert (unknown.value.code, unknown.value.status) == (Code.MODEL_NOT_FOUND, 404)
    assert len(unknown.value.message) < MAX_NAME_SHOWN + 50
