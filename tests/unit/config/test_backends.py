"""Backends: whose door, which URL, and what a simulated one may say."""

import pytest

from tests.unit.config.reading import read, told


def _one(flow: str) -> str:
    return f"backends: {{one: {{{flow}}}}}\nmodels: {{m: one/x}}\n"


def test_what_is_left_out_is_filled_in() -> None:
    backend = read(_one("provider: openai")).backends["one"]
    assert (backend.name, backend.provider, backend.base_url) == ("one", "openai", None)
    assert (backend.max_in_flight, backend.operations, backend.region) == (256, None, None)
    assert not backend.credential
    assert backend.simulated is None


def test_a_simulated_one_has_its_own_keys() -> None:
    flow = "provider: simulated, tokens: 5, fail_ratio: 0.5, cut_after_tokens: 3, seed: -1"
    simulated = read(_one(flow)).backends["one"].simulated
    assert simulated is not None
    assert (simulated.tokens, simulated.fail_ratio, simulated.seed) == (5, 0.5, -1)
    assert (simulated.cut_after_tokens, simulated.stall_after_tokens) == (3, None)


def test_sections_are_filled_from_the_files_key_by_key() -> None:
    text = _one("provider: openai, timeouts: {idle_s: 3}, circuit: {enabled: false}")
    text += "timeouts: {idle_s: 9, connect_s: 2}\nattempts: {max: 7}\n"
    backend = read(text).backends["one"]
    assert (backend.timeouts.idle_s, backend.timeouts.connect_s) == (3, 2)
    assert not backend.circuit.enabled
    assert backend.attempts.max == 7


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "https://api.example",
        "http://[::1]:8000/",
        "HTTPS://host/a%20b",
    ],
)
def test_a_sound_url_is_taken(url: str) -> None:
    text = _one(f'provider: openai_compatible, base_url: "{url}"')
    assert read(text).backends["one"].base_url == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/", "must be an http or https URL"),
        ("host:8000/v1", "must be an http or https URL"),
        ("//host", "must be an http or https URL"),
        ("http://", "must be an http or https URL"),
        ("http://:80/", "must be an http or https URL"),
        ("http://host:0/", "must be an http or https URL"),
        ("http://host:99999/", "must be an http or https URL"),
        ("http://host:x/", "must be an http or https URL"),
        ("http://[::1/", "must be an http or https URL"),
        ("http://a b/", "without spaces"),
        ("http://höst/", "without spaces"),
        (r"http://a\\@b/", "without spaces"),
        ("file:///etc/passwd", "must be an http or https URL"),
        ("http://user:pass@host/", "must not hold a user or password"),
        ("http://user@host/", "must not hold a user or password"),
        ("http://@host/", "must not hold a user or password"),
        ("http://host/?a=b", "without '?' and '#'"),
        ("http://host/?", "without '?' and '#'"),
        ("http://host/#a", "without '?' and '#'"),
        ("", "is empty; a text belongs here"),
    ],
)
def test_an_unsound_url_is_refused_and_not_shown(url: str, message: str) -> None:
    (line,) = told(_one(f'provider: openai_compatible, base_url: "{url}"'))
    if url:
        assert line.startswith("config.yaml:1:")
        assert " backends.one.base_url: " in line
        assert message in line
    assert "pass@" not in line


@pytest.mark.parametrize(
    "flow", ["provider: openai_compatible", "provider: openai_compatible, base_url: "]
)
def test_openai_compatible_needs_a_url(flow: str) -> None:
    assert "base_url: is missing; openai_compatible needs it" in told(_one(flow))[0]


def test_vertex_needs_a_region_and_a_project() -> None:
    first, second = told(_one("provider: vertex"))
    assert "region: is missing; vertex needs it" in first
    assert "project: is missing; vertex needs it" in second
    (odd,) = told(_one("provider: vertex, region: global, project: '../x'"))
    assert "project: has lower-case letters" in odd


def test_a_stop_may_have_line_ends() -> None:
    text = _one('provider: vllm, template: chatml, stops: ["\\n\\nHuman:"]')
    backend = read(text.replace("vllm", "openai")).backends["one"]
    assert (backend.template, backend.stops) == ("chatml", ("\n\nHuman:",))
    assert "stops[0]: is empty" in told(_one("provider: openai, stops: ['']"))[0]


def test_azure_says_where_it_is_and_in_which_version() -> None:
    url = "provider: azure, base_url: 'https://n.openai.azure.com"
    backend = read(_one(f"{url}', api_version: 2024-10-21")).backends["one"]
    assert backend.api_version == "2024-10-21"
    assert "base_url: is missing" in told(_one("provider: azure"))[0]
    assert "base_url: ends before /openai" in told(_one(f"{url}/openai/v1'"))[0]
    assert "api_version: is a version" in told(_one(f"{url}', api_version: 'a&b'"))[0]
    assert "only a backend of provider azure" in told(_one("provider: openai, api_version: v"))[0]


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        ("source: file", "token.file: is missing; file needs it"),
        ("source: file, file: x", "token.file: must be a whole path"),
        ("source: azure_client, tenant: t", "token.client_id: is missing"),
        ("source: azure_client, client_id: c", "token.tenant: is missing"),
        ("source: google_account", "credential: is missing; google_account needs it"),
        ("source: azure_client, client_id: c, tenant: a/b", "token.tenant: has letters"),
        ("source: google_metadata, scope: 'a b'", "token.scope: has a character that it may not"),
        ("source: google_metadata, url: 'ftp://x'", "token.url: must be an http"),
    ],
)
def test_a_token_s_source_needs_its_parts(token: str, fault: str) -> None:
    text = _one(f"provider: openai, token: {{{token}}}")
    assert any(fault in line for line in told(text))


def test_bedrock_needs_a_region() -> None:
    assert "region: is missing; bedrock needs it" in told(_one("provider: bedrock"))[0]
    odd = _one("provider: bedrock, region: 'eu/../x'")
    assert "region: has lower-case letters" in told(odd)[0]


def test_an_unknown_provider_has_a_neighbour() -> None:
    assert told(_one("provider: antropic")) == [
        "config.yaml:1:28 backends.one.provider: unknown provider 'antropic'; "
        "did you mean 'anthropic'?"
    ]


def test_keys_of_the_simulated_provider_belong_to_it_alone() -> None:
    assert told(_one("provider: openai, fail_ratio: 0.1")) == [
        "config.yaml:1:48 backends.one.fail_ratio: only a backend of provider simulated has this"
    ]


def test_operations_are_a_closed_set() -> None:
    assert read(_one("provider: openai, operations: [chat, files]")).backends["one"].operations == (
        "chat",
        "files",
    )
    assert "must be one of audio, chat" in told(_one("provider: openai, operations: [char]"))[0]


@pytest.mark.parametrize("name", ["a b", "a/b", '"-a"', "ü", '"*"'])
def test_a_backends_name_is_simple(name: str) -> None:
    text = f"backends: {{{name}: {{provider: simulated}}, sim: {{provider: simulated}}}}\n"
    assert "a backend's name has letters" in told(text + "models: {m: sim/x}")[0]
