"""Backends that cannot be reached, or not with trust: refused, silent, unnamed, behind bad TLS."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.harness import until
from tests.journeys.stage import Stage, stage
from tests.vendors.openai_wire import chat_body, chat_events
from tests.vendors.scripted import (
    Close,
    Received,
    Reset,
    Script,
    Send,
    Stall,
    Vendor,
    closed_port,
    response,
    streamed,
)

TLS: Final = Path(__file__).resolve().parent.parent / "vendors/tls"

# Each is a backend and a model of its name; with "-pair" behind, one that has a stand-in.
BACKENDS: Final = """
  closed: {provider: openai_compatible, base_url: "http://127.0.0.1:%(closed)d/v1"}
  full: {provider: openai_compatible, base_url: "http://127.0.0.1:%(full)d/v1"}
  nowhere: {provider: openai_compatible, base_url: "http://nowhere.invalid/v1"}
  overlong: {provider: openai_compatible, base_url: "http://%(overlong)s.invalid/v1"}
  named: {provider: openai_compatible, base_url: "{named}/v1"}
  trusted: {provider: openai_compatible, base_url: "%(here)s/v1", ca_file: %(authority)s}
  trusted-by-name: {provider: openai_compatible, base_url: "%(by_name)s/v1", ca_file: %(authority)s}
  untrusted: {provider: openai_compatible, base_url: "%(here)s/v1"}
  mistrusted: {provider: openai_compatible, base_url: "%(here)s/v1", ca_file: %(stranger)s}
  misnamed: {provider: openai_compatible, base_url: "%(elsewhere)s/v1", ca_file: %(authority)s}
  plain: {provider: openai_compatible, base_url: "https://127.0.0.1:%(plain)d/v1"}
  hangs-up: {provider: openai_compatible, base_url: "https://127.0.0.1:%(hangs_up)d/v1"}
  resets: {provider: openai_compatible, base_url: "https://127.0.0.1:%(resets)d/v1"}
  silent: {provider: openai_compatible, base_url: "https://127.0.0.1:%(silent)d/v1"}
"""
NAMES: Final = [line.split(":")[0].strip() for line in BACKENDS.strip().splitlines()]


def _models() -> Iterator[str]:
    for name in NAMES:
        yield f"  {name}: {name}/real-model\n"
        targets = f"{{use: {name}/real-model}}, {{use: good/real-model, tier: 2}}"
        yield f"  {name}-pair: {{targets: [{targets}], timeouts: {{connect_s: 0.5}}}}\n"


@contextlib.contextmanager
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full: the kernel answers no further one (listen(2))."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        time.sleep(0.05)
        port: int = listener.getsockname()[1]
        yield port


def serving(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{certificate}.pem")
    return context


def well(request: Received) -> Script:
    if b'"stream":true' in request.body:
        return [Send(streamed(*chat_events(("in ", "secret"))))]
    return [Send(response(200, chat_body("in secret")))]


@pytest.fixture(scope="module")
def here() -> Iterator[Vendor]:
    with Vendor(choose=well, tls=serving("here")) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def silent() -> Iterator[Vendor]:
    with Vendor([Stall()], greeting=[Stall()]) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def on(here: Vendor, silent: Vendor) -> Iterator[Stage]:
    nothing: Script = [Close()]
    with (
        full_port() as full,
        Vendor(choose=well, tls=serving("elsewhere")) as elsewhere,
        Vendor([Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Close()]) as plain,
        Vendor(nothing, greeting=[Close()]) as hangs_up,
        Vendor(nothing, greeting=[Reset()]) as resets,
    ):
        plain.greeting = [Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Close()]
        backends = BACKENDS % {
            "closed": closed_port(), "full": full, "overlong": "x" * 70,
            "here": here.url, "by_name": here.url.replace("127.0.0.1", "localhost"),
            "elsewhere": elsewhere.url, "plain": plain.port, "hangs_up": hangs_up.port,
            "resets": resets.port, "silent": silent.port,
            "authority": TLS / "authority.pem", "stranger": TLS / "stranger.pem",
        }  # fmt: skip
        with stage("".join(_models()), backends) as made:
            yield made
        assert elsewhere.journal == []  # never a word, and no credential, over mistrusted lines


UNREACHABLE = {
    "closed": (502, {"connect_failed"}),
    "full": (504, {"connect_timeout"}),
    "nowhere": (None, {"connect_failed", "connect_timeout"}),  # as quick as the machine's resolver
    "overlong": (502, {"connect_failed"}),
    "untrusted": (502, {"tls_error"}),
    "mistrusted": (502, {"tls_error"}),
    "misnamed": (502, {"tls_error"}),
    "plain": (502, {"tls_error"}),
    "hangs-up": (502, {"tls_error"}),
    "resets": (502, {"tls_error"}),
    "silent": (504, {"connect_timeout"}),
}


@pytest.mark.parametrize("name", UNREACHABLE)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_reached_says_how(on: Stage, name: str, stream: bool) -> None:
    status, codes = UNREACHABLE[name]
    answer = on.ask(name, stream=stream)
    assert answer.error["code"] in codes
    assert status in (answer.status, None)
    assert answer.status in (502, 504)
    assert answer.seconds < 3
    assert answer.headers["x-should-retry"] == "false"
    on.check_well()


@pytest.mark.parametrize("name", UNREACHABLE)
def test_another_target_stands_in(on: Stage, name: str) -> None:
    answer = on.ask(f"{name}-pair", stream=True)
    assert (answer.status, answer.text) == (200, "from the other")
    assert answer.headers["x-gateway-attempts"] == "2"


def test_each_failure_to_reach_it_was_counted_and_logged(on: Stage) -> None:
    """Once whole, once streamed, once stood in for; nothing is tried again on these."""
    on.record(list(on.asked)[-1])  # by then the log has them all
    lines = on.gateway.lines("attempt_failed")
    for name, (_, codes) in UNREACHABLE.items():
        logged = [line["code"] for line in lines if line["backend"] == name]
        assert len(logged) == 3
        assert set(logged) <= codes
    counted = {
        (name, code): on.gateway.metric(
            "gateway_upstream_attempts_total", backend=name, outcome=code
        )
        for name, code in (("closed", "connect_failed"), ("full", "connect_timeout"))
    }
    assert set(counted.values()) == {3}
    failed = [line["code"] for line in lines if line["backend"] == "nowhere"]
    resolved = failed.count("connect_failed")  # the others did not wait for a slow resolver
    assert on.gateway.metric("gateway_dns_errors_total", backend="nowhere") >= resolved


@pytest.mark.parametrize("name", ["trusted", "trusted-by-name"])
def test_an_authority_of_one_s_own_is_trusted_where_it_is_said(
    on: Stage, here: Vendor, name: str
) -> None:
    for _ in range(3):
        assert on.ask(name).text == "in secret"
        assert on.ask(name, stream=True).text == "in secret"
    assert len({entry.connection for entry in here.journal[-6:]}) == 1  # kept, like any other


def test_a_host_s_name_is_resolved(on: Stage) -> None:
    on.plays([Send(response(200, chat_body("by name")))])
    assert on.ask("named").text == "by name"
    assert on.bad.journal[-1].header("host") == f"localhost:{on.bad.port}"


def test_no_half_made_connection_is_left(on: Stage, silent: Vendor) -> None:
    on.ask("silent")
    until(lambda: silent.open_connections == 0, 2, "handshakes are left open")


def test_the_deadline_counts_while_connecting(on: Stage) -> None:
    answer = on.ask("full", headers={"x-request-timeout": "0.4"})
    assert (answer.status, answer.error["code"]) == (504, "total_timeout")
    assert 0.4 <= answer.seconds < 2
