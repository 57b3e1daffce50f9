"""A client that leaves ends its exchange wherever that is: the backend is hung up on within a
second, nothing stays open, and the record says 499 once.
"""

import itertools
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.harness import KEY, until
from tests.journeys.stage import Stage, stage
from tests.journeys.test_unreachable_upstreams import full_port
from tests.vendors.openai_wire import ROLE, chat_body, chat_chunk, chat_events, event
from tests.vendors.scripted import (
    LAST_CHUNK,
    Forever,
    Received,
    Script,
    Send,
    Stall,
    Vendor,
    chunk,
    response,
    stream_head,
)

SOON_S: Final = 1.0
HEAD: Final = stream_head()
TOKEN: Final = event(chat_chunk({"content": "token"}))
LABELS: Final = itertools.count()

BACKENDS: Final = """
  again:
    provider: openai_compatible
    base_url: "{bad}/v1"
    attempts: {retry_budget_ratio: 1, retry_budget_per_s: 1}
  full: {provider: openai_compatible, base_url: "http://127.0.0.1:%d/v1"}
  mute: {provider: openai_compatible, base_url: "https://127.0.0.1:%d/v1"}
  tight: {provider: openai_compatible, base_url: "{bad}/v1", max_in_flight: 1}
"""
MODELS: Final = """
  again: again/real-model
  raced:
    targets: [{use: bad/real-model}, {use: again/real-model, tier: 2}]
    hedging: {enabled: true, after_s: 0.1, budget_ratio: 1}
  full: {targets: [{use: full/real-model}], timeouts: {connect_s: 20}}
  mute: {targets: [{use: mute/real-model}], timeouts: {connect_s: 20}}
  tight: tight/real-model
"""


@pytest.fixture(scope="module")
def mute() -> Iterator[Vendor]:
    """Takes connections and says nothing: no TLS handshake ends."""
    with Vendor([Stall()], greeting=[Stall()]) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def on(mute: Vendor) -> Iterator[Stage]:
    with full_port() as full, stage(MODELS, BACKENDS % (full, mute.port)) as made:
        yield made
        made.check_well()


def leave_orderly(sock: socket.socket) -> None:
    sock.close()


def leave_hard(sock: socket.socket) -> None:
    """No lingering: the kernel says RST (socket(7))."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


WAYS: Final = [leave_orderly, leave_hard]
Leave = Callable[[socket.socket], None]


def begun(on: Stage, model: str, *, stream: bool) -> tuple[socket.socket, str]:
    """A request on a connection of its own, sent; and its label."""
    label = f"leaver-{next(LABELS)}"
    body = json.dumps({"model": model, "messages": [{"role": "user"}], "stream": stream}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        f"x-request-id: {label}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    sock = on.gateway.connect()
    sock.sendall(head.encode() + body)
    return sock, label


def check_left(on: Stage, label: str, since: float) -> None:
    """The record of it, in time and once; and nothing is left open."""
    line = on.gateway.until_line("exchange", client_id=label)
    assert (line["status"], line["outcome"]) == (499, "cancelled")
    assert line["code"] == "client_closed_request"
    assert time.monotonic() - since < SOON_S + 1  # the log is written by the second
    assert len([e for e in on.gateway.lines("exchange") if e.get("client_id") == label]) == 1
    on.check_nothing_open()


def asked(on: Stage) -> Received:
    """The request that the bad vendor is to get."""
    before = len(on.bad.journal)
    until(lambda: len(on.bad.journal) > before, 20, "no request has come")
    return on.bad.journal[-1]


PHASES: Final[dict[str, tuple[bool, Script]]] = {
    "waiting for a whole head": (False, [Stall()]),
    "waiting for a stream's head": (True, [Stall()]),
    "within a whole body": (False, [Send(response(200, chat_body())[:-9]), Stall()]),
    "before the first content": (
        True, [Send(HEAD + chunk(event(chat_chunk(ROLE)))), Forever(chunk(b": p\n\n"), 0.05)]
    ),
    "in a stream's pause": (True, [Send(HEAD + chunk(TOKEN)), Stall()]),
    "in a stream": (True, [Send(HEAD), Forever(chunk(TOKEN), gap_s=0.01)]),
    "in a flood": (True, [Send(HEAD), Forever(chunk(TOKEN * 500))]),
}  # fmt: skip


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("phase", PHASES)
def test_the_backend_is_hung_up_on(on: Stage, phase: str, leave: Leave) -> None:
    stream, script = PHASES[phase]
    on.plays(script)
    seen = len(on.bad.journal)
    sock, label = begun(on, "calm", stream=stream)
    until(lambda: len(on.bad.journal) > seen, 20, "no request has come")
    if phase.startswith("in a"):
        assert b"token" in sock.recv(65536)
    else:
        time.sleep(0.1)
    received = on.bad.journal[-1]
    assert received.left_at is None
    leave(sock)
    since = time.monotonic()
    until(lambda: received.left_at is not None, SOON_S, "the backend still works for nobody")
    check_left(on, label, since)


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("model", ["full", "mute"])
@pytest.mark.parametrize("stream", [False, True])
def test_connecting_ends(on: Stage, mute: Vendor, model: str, stream: bool, leave: Leave) -> None:
    sock, label = begun(on, model, stream=stream)
    if model == "mute":
        until(lambda: mute.open_connections == 1, 20, "nobody has come")
    else:
        time.sleep(0.1)
    leave(sock)
    since = time.monotonic()
    check_left(on, label, since)
    until(lambda: mute.open_connections == 0, SOON_S, "half a handshake is left")


def test_waiting_for_a_place_ends(on: Stage) -> None:
    on.plays([Stall()])
    seen = len(on.bad.journal)
    first, first_label = begun(on, "tight", stream=False)
    until(lambda: len(on.bad.journal) > seen, 20, "no request has come")
    second, second_label = begun(on, "tight", stream=False)
    time.sleep(0.2)
    leave_hard(second)
    line = on.gateway.until_line("exchange", client_id=second_label)
    assert line["status"] == 499
    since = time.monotonic()
    leave_hard(first)
    check_left(on, first_label, since)
    on.plays([Send(response(200, chat_body("room")))])
    assert on.ask("tight").text == "room"  # its place has come back, and only once
    assert len(on.bad.journal) == seen + 2


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("stream", [False, True])
def test_waiting_to_try_again_ends(on: Stage, stream: bool, leave: Leave) -> None:
    # The backend says how long: the gateway's own pause is drawn, and may be none.
    on.plays([Send(response(500, b"", b"retry-after: 5\r\n"))])
    sock, label = begun(on, "again", stream=stream)
    until(lambda: on.played == 1, 20, "no request has come")
    time.sleep(0.1)
    leave(sock)
    check_left(on, label, time.monotonic())
    assert on.played == 1
    line = on.gateway.until_line("exchange", client_id=label)
    assert line["attempts"] == 1


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("stream", [False, True])
def test_both_of_a_race_are_hung_up_on(on: Stage, stream: bool, leave: Leave) -> None:
    on.plays([Stall()])
    seen = len(on.bad.journal)
    sock, label = begun(on, "raced", stream=stream)
    until(lambda: on.played == 2, 20, "nobody was asked beside the first")
    leave(sock)
    since = time.monotonic()
    both = on.bad.journal[seen:]
    until(lambda: all(one.left_at for one in both), SOON_S, "a backend still works for nobody")
    check_left(on, label, since)


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("steady", [False, True])
def test_an_upload_ends(on: Stage, steady: bool, leave: Leave) -> None:
    """Left half sent, or while the backend, all of it sent, still thinks."""
    on.plays([Stall()])
    label, length = f"leaver-{next(LABELS)}", 300_000
    head = (
        f"POST /v1/audio/transcriptions?model=calm HTTP/1.1\r\nhost: x\r\n"
        f"authorization: Bearer {KEY}\r\nx-request-id: {label}\r\n"
        f"content-type: application/octet-stream\r\ncontent-length: {length}\r\n\r\n"
    )
    idle, before = on.bad.open_connections, on.bad.connections
    sock = on.gateway.connect()
    sock.sendall(head.encode() + bytes(length if steady else length // 2))
    until(lambda: on.bad.connections > before, 20, "no upload has come")
    time.sleep(0.1)
    leave(sock)
    since = time.monotonic()
    until(lambda: on.bad.open_connections <= idle, SOON_S, "the backend still works for nobody")
    line = on.gateway.until_line("exchange", client_id=label)
    assert (line["status"], line["code"]) == (499, "client_closed_request")
    check_left(on, label, since)


def test_many_that_leave_at_once_leave_nothing(on: Stage) -> None:
    on.plays([Send(HEAD), Forever(chunk(TOKEN), gap_s=0.02)])
    idle = on.bad.open_connections

    def come_and_go(number: int) -> None:
        sock, _ = begun(on, "calm", stream=bool(number % 2))
        time.sleep(0.01 * (number % 20))
        WAYS[number % 2](sock)

    threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: on.bad.open_connections <= idle, 3, "backends still work for nobody")
    on.check_nothing_open()


def test_who_has_it_all_has_not_left(on: Stage) -> None:
    answer = HEAD + b"".join(map(chunk, chat_events())) + LAST_CHUNK
    on.plays([Send(answer)])
    sock, label = begun(on, "calm", stream=True)
    with sock:
        while not sock.recv(65536).endswith(LAST_CHUNK):
            pass
    line = on.gateway.until_line("exchange", client_id=label)
    assert (line["status"], line["outcome"]) == (200, "complete")
