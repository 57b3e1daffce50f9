"""Whatever a client writes into headers, fields and paths: it never picks the host, the credential
or the way to a backend. A canary stands where it points to, and must not be spoken to.
"""

import json
from collections.abc import Iterator

import pytest

from tests.harness import KEY, Gateway, config_for
from tests.journeys.hostile import AUTH, BODY, ask, sized
from tests.journeys.talking import Talk
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Received, Send, Vendor, response

SENT = {"host", "authorization", "content-type", "content-length", "accept", "accept-encoding",
        "user-agent"}  # fmt: skip


@pytest.fixture(scope="module")
def canary() -> Iterator[Vendor]:
    with Vendor([Send(response(200, chat_body("canary")))]) as canary:
        yield canary
        assert canary.connections == 0


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with Vendor([Send(response(200, chat_body()))]) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def gateway(vendor: Vendor) -> Iterator[Gateway]:
    with Gateway(config_for(vendor.url)) as gateway:
        yield gateway


def sent_on(vendor: Vendor, request: Received, path: str = "/v1/chat/completions") -> None:
    """It went where every request goes, with our credential and nothing of the client's."""
    assert request.path == path
    assert request.header("host") == vendor.url.removeprefix("http://")
    assert request.header("authorization") == "Bearer sk-upstream-secret"
    names = [name for name, _ in request.headers]
    assert len(names) == len(set(names))
    assert set(names) <= SENT
    assert KEY not in request.body.decode() + str(request.headers)


FIELDS = [
    "api_base", "base_url", "api_key", "api_type", "api_version", "azure_endpoint", "endpoint",
    "url", "host", "provider", "custom_llm_provider", "organization", "deployment_id", "backend",
    "target", "proxy", "fallbacks", "mock_response", "extra_headers", "extra_body", "headers",
    "litellm_params", "metadata", "router", "cache", "model_list", "user", "x_gateway_backend",
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_data_for_the_backend_and_steers_nothing(
    gateway: Gateway, vendor: Vendor, canary: Vendor, field: str
) -> None:
    value = {"url": canary.url, "authorization": "Bearer mine"}
    body = json.loads(BODY) | {field: value}
    with Talk(gateway) as talk:
        talk.send(sized(json.dumps(body).encode()))
        answer = talk.answer()
    assert answer.status == 200
    assert b"canary" not in answer.body
    sent_on(vendor, vendor.journal[-1])
    assert json.loads(vendor.journal[-1].body) == body | {"model": "real-model"}


NAMES = [
    "host-override", "x-forwarded-host", "x-forwarded-for", "x-forwarded-proto",
    "x-forwarded-server", "x-forwarded-prefix", "forwarded", "via", "x-host", "x-real-ip",
    "x-original-url", "x-rewrite-url", "x-original-host", "x-http-method-override",
    "x-method-override", "x-gateway-backend", "x-gateway-target", "x-gateway-base-url",
    "x-gateway-model", "x-gateway-url", "x-gateway-key", "x-portkey-custom-host",
    "x-portkey-config", "x-litellm-api-base", "helicone-target-url", "openai-organization",
    "openai-project", "api-key", "proxy-authorization", "proxy-connection",
    "cookie", "referer", "origin", "te", "trailer", "keep-alive", "range", "if-match", "accept",
    "accept-encoding", "user-agent", "traceparent-x", "baggage",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_header_goes_no_further(
    gateway: Gateway, vendor: Vendor, canary: Vendor, name: str
) -> None:
    with Talk(gateway) as talk:
        talk.send(sized(BODY, b"%b: %b\r\n" % (name.encode(), canary.url.encode())))
        answer = talk.answer()
    assert answer.status == 200
    assert b"canary" not in answer.body
    sent_on(vendor, vendor.journal[-1])
    assert canary.url not in str(vendor.journal[-1].headers)


@pytest.mark.parametrize(
    "lines",
    [
        b"connection: authorization, content-type, host\r\n",
        b"connection: keep-alive, x-api-key\r\n",
        b"host: {canary}\r\n",
        b"x-request-id: {canary}\r\n",
        b"x-request-id: ../../etc/passwd\r\n",
        b"x-request-timeout: 30\r\n",
    ],
)
def test_what_is_read_here_changes_nothing_there(
    gateway: Gateway, vendor: Vendor, canary: Vendor, lines: bytes
) -> None:
    lines = lines.replace(b"{canary}", canary.url.removeprefix("http://").encode())
    host = b"" if lines.startswith(b"host") else b"host: gateway\r\n"
    with Talk(gateway) as talk:
        talk.send(sized(BODY, lines, host=host))
        answer = talk.answer()
    assert answer.status == 200
    sent_on(vendor, vendor.journal[-1])
    assert answer.headers["x-request-id"].startswith("req_")


def test_an_id_of_the_clients_is_a_label_in_the_log_if_it_may_be_one(gateway: Gateway) -> None:
    for label in ("job-17.a_B", "x" * 129, "a b", "\x7f", "é", "{}"):
        with Talk(gateway) as talk:
            talk.send(sized(BODY, b"x-request-id: %b\r\n" % label.encode()))
            talk.answer()
    gateway.until_line("exchange", client_id="job-17.a_B")
    labels = {line["client_id"] for line in gateway.lines("exchange") if "client_id" in line}
    assert labels <= {"job-17.a_B"}


# What is asked for below /v1/files, and what the backend is asked for; None: refused here.
PATHS = [
    (b"/v1/files/file-a?model=m", "/v1/files/file-a"),
    (b"/v1/files/file-a/content?model=m&limit=2", "/v1/files/file-a/content?limit=2"),
    (b"/v1/files/a%20b%3fc%23d?model=m", "/v1/files/a%20b%3Fc%23d"),
    (b"/v1/files/a%0d%0ahost:%20x?model=m", "/v1/files/a%0D%0Ahost%3A%20x"),
    (b"/v1/files/a?model=m&x=1%0d%0ahost:x", "/v1/files/a?x=1%0D%0Ahost%3Ax"),
    (b"/v1/files/a@b:80?model=m", "/v1/files/a%40b%3A80"),
    (b"/v1/files/%2e%2e%2fadmin?model=m", None),
    (b"/v1/files/../admin?model=m", None),
    (b"/v1/files/a/%2e./b?model=m", None),
    (b"/v1/files/..%5cadmin?model=m", None),
    (b"/v1/files/%2fetc%2fpasswd?model=m", None),
]


@pytest.mark.parametrize(("path", "expected"), PATHS)
def test_a_path_leads_where_it_says_or_nowhere(
    gateway: Gateway, vendor: Vendor, path: bytes, expected: str | None
) -> None:
    before = len(vendor.journal)
    with Talk(gateway) as talk:
        talk.send(ask(AUTH.replace(b"authorization", b"x-api-key").replace(b"Bearer ", b""),
                      line=b"GET %b HTTP/1.1" % path, auth=b""))  # fmt: skip
        answer = talk.answer()
    if expected is None:
        assert (answer.status, answer.code) == (404, "not_found")
        assert len(vendor.journal) == before
    else:
        assert answer.status == 200
        sent_on(vendor, vendor.journal[-1], expected)
