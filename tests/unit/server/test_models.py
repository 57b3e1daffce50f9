"""What a key may see of the models."""

import json

import pytest

from gateway.errors import Code, GatewayError
from gateway.exchange.caller import Caller, identify
from gateway.server import framing
from gateway.server.models import document, form
from gateway.wire.http import RequestHead
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


def asked(path: bytes = b"/v1/models", *lines: tuple[bytes, bytes]) -> RequestHead:
    return framing.head(b"GET", path, "1.1", [(b"host", b"x"), *lines])


def one(caller: Caller, name: str) -> bytes:
    return document(caller, asked(b"/v1/models/" + name.encode()))


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
    told = json.loads(document(caller(key), asked()))
    assert told["object"] == "list"
    assert [model["id"] for model in told["data"]] == names


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
        ("some", "smart", Code.MODEL_NOT_ALLOWED),
        ("none", "fast", Code.MODEL_NOT_ALLOWED),
    ],
)
def test_any_other_is_refused_as_a_request_for_it_would_be(key: str, name: str, code: Code) -> None:
    with pytest.raises(GatewayError) as caught:
        one(caller(key), name)
    assert caught.value.code is code


ANTHROPIC = (b"anthropic-version", b"2023-06-01")


def test_anthropics_clients_have_a_page_of_anthropics() -> None:
    head = asked(b"/v1/models", ANTHROPIC)
    told = json.loads(document(caller("some"), head))
    assert [model["id"] for model in told["data"]] == ["fast", "lab/one"]
    assert (told["has_more"], told["first_id"], told["last_id"]) == (False, "fast", "lab/one")
    (model, _) = told["data"]
    assert json.loads(document(caller("some"), asked(b"/v1/models/fast", ANTHROPIC))) == model
    assert (model["type"], model["display_name"]) == ("model", "fast")
    error = GatewayError(Code.MODEL_NOT_FOUND, "no")
    assert json.loads(form(head).client.error_body(error))["type"] == "error"


def test_googles_clients_ask_googles_path_or_say_whose_they_are() -> None:
    told = json.loads(document(caller("some"), asked(b"/v1beta/models")))
    named = asked(b"/v1/models", (b"x-goog-api-client", b"google-genai-sdk/2"))
    assert json.loads(document(caller("some"), named)) == told
    assert [model["name"] for model in told["models"]] == ["models/fast", "models/lab/one"]
    (model, _) = told["models"]
    # The simulated model speaks OpenAI's language, and nobody else counts for Google's clients.
    assert model["supportedGenerationMethods"] == ["generateContent"]
    assert json.loads(document(caller("some"), asked(b"/v1beta/models/fast"))) == model
