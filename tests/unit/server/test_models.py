"""What a key may see of the models."""

import json

import pytest

from gateway.errors import Code, GatewayError
from gateway.exchange.caller import Caller, identify
from gateway.server import framing
from gateway.server.models import listing, one
from tests.unit.config.reading import read
from tests.unit.runtime.running import running

CONFIG = """
keys:
  - {name: all, tenant: t, key: sk-all-0123456789abcdef, models: ["*"]}
  - {name: some, tenant: t, key: sk-some-0123456789abcdef, models: [fast, "lab/*"]}
  - {name: none, tenant: t, key: sk-none-0123456789abcdef, models: [nothing-there]}
backends: {sim: {provider: simulated}}
models: {fast: sim/a, smart: sim/b, lab/one: sim/c, "lab/*": sim/*}
"""


def caller(name: str) -> Caller:
    lines = [(b"host", b"x"), (b"x-api-key", b"sk-%b-0123456789abcdef" % name.encode())]
    with running() as house:
        snapshot = house.runtime.swap(read(CONFIG))
        return identify(framing.head(b"GET", b"/v1/models", "1.1", lines), snapshot)


@pytest.mark.parametrize(
    ("key", "names"),
    [("all", ["fast", "smart", "lab/one"]), ("some", ["fast", "lab/one"]), ("none", [])],
)
def test_a_key_sees_the_models_it_may_use_and_no_wildcards(key: str, names: list[str]) -> None:
    document = json.loads(listing(caller(key)))
    assert document["object"] == "list"
    assert [model["id"] for model in document["data"]] == names


def test_a_model_has_the_form_that_sdks_read() -> None:
    model = json.loads(one(caller("all"), "fast"))
    assert model.keys() == {"id", "object", "created", "owned_by"}
    assert (model["id"], model["object"]) == ("fast", "model")
    assert isinstance(model["created"], int)
    assert model["created"] > 1_700_000_000


def test_a_model_behind_a_wildcard_can_be_asked_for() -> None:
    assert json.loads(one(caller("some"), "lab/unlisted"))["id"] == "lab/unlisted"


@pytest.mark.parametrize(
    ("key", "name", "code"),
    [
        ("all", "none", Code.MODEL_NOT_FOUND),
        ("all", "", Code.MODEL_NOT_FOUND),
        ("some", "smart", Code.MODEL_NOT_ALLOWED),
        ("none", "fast", Code.MODEL_NOT_ALLOWED),
    ],
)
def test_any_other_is_refused_as_a_request_for_it_would_be(key: str, name: str, code: Code) -> None:
    with pytest.raises(GatewayError) as caught:
        one(caller(key), name)
    assert caught.value.code is code
