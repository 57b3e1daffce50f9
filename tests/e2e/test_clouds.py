"""Azure and Vertex: each at its own URL, with credentials that do not last."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import anthropic
import jwt
import openai
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google import genai
from google.genai import types

from tests.harness import KEY, Gateway, until
from tests.vendors.gemini_wire import GOLDEN
from tests.vendors.openai_wire import chat_body, chat_events, completion_body, error_body, event
from tests.vendors.scripted import Received, Script, Send, Vendor, response, streamed

HELLO: Final[Any] = [{"role": "user", "content": "Hi"}]
# As Azure begins a stream: what its filter thinks of the prompt, and no choice.
FILTERED: Final = event(
    b'{"choices":[],"created":0,"id":"","model":"","object":"",'
    b'"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}'
)
VIOLATION: Final = {
    "code": "content_filter",
    "message": "The response was filtered.",
    "param": "prompt",
    "type": None,
    "innererror": {"code": "ResponsibleAIPolicyViolation"},
}


@dataclass(frozen=True, slots=True)
class House:
    cloud: Vendor
    tokens: Vendor
    gateway: Gateway
    file: Path

    def asked(self) -> Received:
        return self.cloud.journal[-1]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    file = tmp_path_factory.mktemp("secrets") / "key"
    file.write_text("old-key\n")
    with (
        Vendor(choose=_cloud) as cloud,
        Vendor(choose=lambda request: _token(tokens, request)) as tokens,
        Gateway(_config(cloud.url, tokens.url, file)) as gateway,
    ):
        yield House(cloud, tokens, gateway, file)


def _account(tokens: str) -> str:
    """A service account's JSON, in a string of YAML."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "client_email": "robot@p.test",
        "private_key": key.decode(),
        "token_uri": f"{tokens}/account",
    }
    return json.dumps(json.dumps(account))


def _config(cloud: str, tokens: str, file: Path) -> str:
    google = f"{cloud}/v1/projects/p/locations/eu/publishers/google"
    claude = f"{cloud}/v1/projects/p/locations/eu/publishers/anthropic"
    entra = f'source: azure_client, client_id: app, url: "{tokens}/entra"'
    return f"""
attempts: {{retry_budget_ratio: 0, retry_budget_per_s: 0, max_hold_s: 0}}
keys:
  - {{name: tester, tenant: testers, key: "{KEY}", models: ["*"]}}
backends:
  azure: {{provider: azure, base_url: "{cloud}", credential: azure-key-1}}
  dated: {{provider: azure, base_url: "{cloud}", credential: azure-key-1, api_version: 2024-10-21}}
  entra: {{provider: azure, base_url: "{cloud}", credential: app-secret, token: {{{entra}}}}}
  vertex: {{provider: vertex, base_url: "{google}", region: eu, token: {{url: "{tokens}/google"}}}}
  account: {{provider: vertex, base_url: "{google}", region: eu, credential: {_account(tokens)}}}
  claude: {{provider: vertex_anthropic, base_url: "{claude}", region: eu, credential: ya29.fixed}}
  filed: {{provider: azure, base_url: "{cloud}", token: {{source: file, file: "{file}"}}}}
  poor: {{provider: vertex, base_url: "{google}", region: eu, token: {{url: "{tokens}/none"}}}}
models:
  "azure/*": azure/*
  "dated/*": dated/*
  "entra/*": entra/*
  "poor/*": poor/*
  "account/*": account/*
  "claude/*": claude/*
  "filed/*": filed/*
  "*": vertex/*
"""


def _token(tokens: Vendor, request: Received) -> Script:
    """One that lasts; Google's lasts a second, and the next one has the next number."""
    if request.path == "/none":
        return [Send(response(503))]
    number = sum(one.path == request.path for one in tokens.journal)
    lasts_s = 1 if request.path == "/google" else 3600
    body = {"access_token": f"token{number}", "expires_in": lasts_s}
    return [Send(response(body=json.dumps(body).encode()))]


def _cloud(request: Received) -> Script:
    asked = json.loads(request.body)
    if "streamGenerateContent" in request.path:
        stream = (GOLDEN / "text" / "stream.txt").read_bytes()
        return [Send(streamed(*(part + b"\r\n\r\n" for part in stream.split(b"\r\n\r\n") if part)))]
    if "generateContent" in request.path:
        return [Send(response(body=(GOLDEN / "text" / "response.json").read_bytes()))]
    if request.path.endswith("awPredict"):
        return _claude(request.path)
    if request.header("api-key") == "old-key" and asked.get("model") == "late":
        return [Send(response(401, error_body("a key of yesterday")))]
    if "images" in request.path:
        return [Send(response(body=b'{"created": 1, "data": []}'))]
    if "bad" in f"{request.path}{asked.get('model')}":
        return [Send(response(400, json.dumps({"error": VIOLATION}).encode()))]
    if "gone" in f"{request.path}{asked.get('model')}":
        return [Send(response(401, error_body("token1 is no good")))]
    if asked.get("stream"):
        return [Send(streamed(FILTERED, *chat_events()))]
    body = chat_body() if "messages" in asked else completion_body()
    return [Send(response(body=body))]


def _claude(path: str) -> Script:
    folder = GOLDEN.parent / "anthropic" / "text"
    if "count-tokens" in path:
        return [Send(response(body=b'{"input_tokens": 14}'))]
    if "stream" in path:
        return [Send(streamed((folder / "stream.txt").read_bytes()))]
    return [Send(response(body=(folder / "response.json").read_bytes()))]


@pytest.fixture
def client(house: House) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=house.gateway.base_url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def google(house: House) -> genai.Client:
    options = types.HttpOptions(base_url=house.gateway.url)
    return genai.Client(api_key=KEY, http_options=options)


def _text(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


# ---- Azure


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("azure/four", "/openai/v1/chat/completions"),
        ("dated/four", "/openai/deployments/four/chat/completions?api-version=2024-10-21"),
    ],
)
def test_azure_is_asked_where_it_is(
    house: House, client: openai.OpenAI, model: str, path: str
) -> None:
    whole = client.chat.completions.create(model=model, messages=HELLO)
    assert whole.choices[0].message.content == "Hello there."
    assert (house.asked().path, house.asked().header("api-key")) == (path, "azure-key-1")
    assert house.asked().header("authorization") is None
    assert json.loads(house.asked().body)["model"] == "four"
    assert _text(client.chat.completions.create(model=model, messages=HELLO, stream=True))


def test_anthropic_s_client_is_answered_by_azure(house: House) -> None:
    with (
        anthropic.Anthropic(base_url=house.gateway.url, api_key=KEY, max_retries=0) as client,
        client.messages.stream(model="azure/o3", messages=HELLO, max_tokens=9) as stream,
    ):
        assert stream.get_final_text() == "Hello there."
    asked = json.loads(house.asked().body)
    assert (asked["max_completion_tokens"], "max_tokens" in asked) == (9, False)


def test_an_application_s_token_is_a_bearers(house: House, client: openai.OpenAI) -> None:
    client.chat.completions.create(model="entra/four", messages=HELLO)
    assert house.asked().header("authorization") == "Bearer token1"
    assert house.asked().header("api-key") is None
    client.images.generate(model="entra/four", prompt="a bird")
    assert house.asked().path == "/openai/v1/images/generations"
    assert house.asked().header("authorization") == "Bearer token1"


def test_azure_s_filter_is_told_in_our_word(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="azure/bad", messages=HELLO)
    assert refused.value.code == "content_policy_violation"


@pytest.mark.parametrize(
    ("name", "word"), [("o3", "max_completion_tokens"), ("four", "max_tokens")]
)
def test_a_model_that_reasons_gets_the_newer_word(
    house: House, client: openai.OpenAI, name: str, word: str
) -> None:
    client.chat.completions.create(model=f"azure/{name}", messages=HELLO, max_tokens=7)
    asked = json.loads(house.asked().body)
    assert {key: asked[key] for key in asked if key.startswith("max")} == {word: 7}


# ---- Vertex


def test_google_s_client_is_passed_through(house: House, google: genai.Client) -> None:
    answer = google.models.generate_content(model="gemini-3", contents="Hi")
    place = "/v1/projects/p/locations/eu/publishers/google/models/gemini-3"
    assert answer.text
    assert house.asked().path == f"{place}:generateContent"
    assert str(house.asked().header("authorization")).startswith("Bearer token")
    told = "".join(
        part.text or "" for part in google.models.generate_content_stream(model="g", contents="Hi")
    )
    assert told == answer.text


def test_claude_is_asked_as_the_vendor_s_own_client_asks_vertex(
    house: House, client: openai.OpenAI
) -> None:
    direct = anthropic.AnthropicVertex(
        region="eu", project_id="p", access_token="x", base_url=f"{house.cloud.url}/v1"
    )
    ours = anthropic.Anthropic(base_url=house.gateway.url, api_key=KEY, max_retries=0)
    asked: Any = {"messages": HELLO, "max_tokens": 9, "stop_sequences": ["END"]}
    with direct, ours:
        for call in ("create", "stream", "count_tokens"):
            seen = []
            for one, model in ((direct, "claude-x"), (ours, "claude/claude-x")):
                if call == "create":
                    assert one.messages.create(model=model, **asked).content
                elif call == "stream":
                    with one.messages.stream(model=model, **asked) as stream:
                        assert stream.get_final_text()
                else:
                    counted = one.messages.count_tokens(model=model, messages=HELLO)
                    assert counted.input_tokens == 14
                body = json.loads(house.asked().body)
                del body["anthropic_version"]  # the SDK's is a newer one
                seen.append((house.asked().path, body))
            assert seen[0] == seen[1], call
    assert house.asked().header("authorization") == "Bearer ya29.fixed"
    assert house.asked().header("x-api-key") is None
    assert client.chat.completions.create(model="claude/claude-x", messages=HELLO).choices
    place = "/v1/projects/p/locations/eu/publishers/anthropic/models/claude-x"
    assert house.asked().path == f"{place}:rawPredict"
    assert "model" not in json.loads(house.asked().body)


def test_openai_s_client_is_translated(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gemini-3", messages=HELLO)
    stream = client.chat.completions.create(model="gemini-3", messages=HELLO, stream=True)
    assert _text(stream) == whole.choices[0].message.content


def test_a_service_account_signs_for_its_token(house: House, client: openai.OpenAI) -> None:
    client.chat.completions.create(model="account/gemini-3", messages=HELLO)
    assert house.asked().header("authorization") == "Bearer token1"
    (asked,) = [one for one in house.tokens.journal if one.path == "/account"]
    form = parse_qs(asked.body.decode())
    claims = jwt.decode(form["assertion"][0], options={"verify_signature": False})
    assert (claims["iss"], claims["aud"]) == ("robot@p.test", f"{house.tokens.url}/account")


def test_a_file_s_is_read_again_when_it_is_refused(house: House, client: openai.OpenAI) -> None:
    client.chat.completions.create(model="filed/early", messages=HELLO)
    assert house.asked().header("api-key") == "old-key"
    house.file.write_text("new-key\n")

    def accepted() -> bool:
        try:
            client.chat.completions.create(model="filed/late", messages=HELLO)
        except openai.InternalServerError:
            return False
        return True

    until(accepted, 4.0, "the new key is not shown")
    assert house.asked().header("api-key") == "new-key"


def test_a_token_is_renewed_before_its_end(house: House, client: openai.OpenAI) -> None:
    def number() -> int:
        client.chat.completions.create(model="gemini-3", messages=HELLO)
        return int(str(house.asked().header("authorization")).removeprefix("Bearer token"))

    first = number()
    until(lambda: number() > first, 3.0, "the token is still the same")


def test_who_gives_no_token_is_told_to_the_client_the_log_and_the_metrics(
    house: House, client: openai.OpenAI
) -> None:
    before = len(house.cloud.journal)
    with pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model="poor/gemini", messages=HELLO)
    assert (refused.value.status_code, refused.value.code) == (502, "upstream_auth_error")
    assert len(house.cloud.journal) == before
    line = house.gateway.until_line("token_failed", backend="poor")
    assert line["reason"] == "the token's server answered 503"
    assert house.gateway.metric("gateway_backend_credential_refused") == 1


def test_a_token_never_shows(house: House, client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="entra/gone", messages=HELLO)
    assert "token1" not in str(refused.value)
    assert "token1" not in house.gateway.log_file.read_text()
