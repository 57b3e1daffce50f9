"""The models that a key may use, listed and got by the real clients, each in its own form."""

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors

from tests.e2e.conftest import NARROW_KEY, House
from tests.harness import KEY


def google(house: House, key: str) -> genai.Client:
    options = genai.types.HttpOptions(base_url=house.gateway.url)
    return genai.Client(api_key=key, http_options=options)


def test_openais_client_lists_and_gets_them(house: House) -> None:
    with openai.OpenAI(base_url=house.gateway.base_url, api_key=KEY) as client:
        assert [model.id for model in client.models.list()] == ["m", "demo", "gone"]
        assert client.models.retrieve("m").id == "m"


def test_anthropics_client_lists_and_gets_them(house: House) -> None:
    with anthropic.Anthropic(base_url=house.gateway.url, api_key=KEY) as client:
        listed = list(client.models.list(limit=100))
        assert [model.id for model in listed] == ["m", "demo", "gone"]
        for model in listed:
            type(model).model_validate_json(model.to_json(), strict=True)
            assert model.created_at.year > 2020
        assert client.models.retrieve("m") == listed[0]
        assert client.models.retrieve("up/anything").display_name == "up/anything"
        with pytest.raises(anthropic.NotFoundError) as raised:
            client.models.retrieve("nobody")
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["error"]["type"] == "not_found_error"


def test_anthropics_client_sees_what_its_key_may_use(house: House) -> None:
    with anthropic.Anthropic(base_url=house.gateway.url, api_key=NARROW_KEY) as client:
        assert [model.id for model in client.models.list()] == ["m"]
    bad = anthropic.Anthropic(base_url=house.gateway.url, api_key="sk-wrong", max_retries=0)
    with bad, pytest.raises(anthropic.AuthenticationError) as raised:
        bad.models.list()
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["type"] == "error"


def test_googles_client_lists_and_gets_them(house: House) -> None:
    client = google(house, KEY)
    listed = list(client.models.list())
    assert [model.name for model in listed] == ["models/m", "models/demo", "models/gone"]
    assert listed[0].supported_actions == ["generateContent"]
    assert client.models.get(model="m") == listed[0]
    assert client.models.get(model="up/anything").display_name == "up/anything"
    with pytest.raises(errors.ClientError) as raised:
        client.models.get(model="nobody")
    assert (raised.value.code, raised.value.status) == (404, "NOT_FOUND")


def test_googles_client_sees_what_its_key_may_use(house: House) -> None:
    narrow, bad = google(house, NARROW_KEY), google(house, "AIza-wrong")
    assert [model.name for model in narrow.models.list()] == ["models/m"]
    with pytest.raises(errors.ClientError) as raised:
        list(bad.models.list())
    assert (raised.value.code, raised.value.status) == (401, "UNAUTHENTICATED")
