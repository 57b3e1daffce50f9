"""Keys in a running gateway: made, revoked and replaced in every worker within a second; held to
their scopes; and ten thousand wrong ones, of which nothing remains but their number.
"""

import base64
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import pytest

from gateway.config.schema import Limits
from gateway.policy import minting
from gateway.runtime import keysfile
from tests.harness import KEY, ROOT, Gateway, config_for, until
from tests.unit.runtime.tokens import AUDIENCE, ISSUER, STRANGER, jwks, token
from tests.vendors.openai_wire import chat_body, chat_events, usage
from tests.vendors.scripted import (
    LAST_CHUNK,
    Send,
    Step,
    Vendor,
    Wait,
    chunk,
    response,
    stream_head,
)

HELLO: Final = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
GOOD: Final = [Send(response(200, chat_body("hi", used=usage(7, 3))))]
SECOND: Final = 1.0
SLACK_S: Final = 0.5  # for a machine that has other things to do


def keys(file: Path, *words: str) -> str:
    """`gateway keys`, as an operator types it; what it prints."""
    command = [sys.executable, "-I", "-S", str(ROOT / "gateway/_boot.py"), "keys", *words]
    done = subprocess.run(
        [*command, "--file", str(file)], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def status(gateway: Gateway, key: str, **more: object) -> int:
    """On a connection of its own: the kernel deals them out among the workers."""
    return gateway.post("/v1/chat/completions", {**HELLO, **more}, key)[0]


def everywhere(gateway: Gateway, key: str, wanted: int) -> bool:
    """Twelve connections find all of two workers, but for one time in two thousand."""
    with ThreadPoolExecutor(4) as pool:
        return set(pool.map(lambda _: status(gateway, key), range(12))) == {wanted}


def test_a_key_comes_is_replaced_and_goes_in_every_worker_within_a_second(file: Path) -> None:
    more = f'keys_file: {{path: "{file}"}}\nserver: {{workers: 2}}'
    with Vendor(GOOD) as vendor, Gateway(config_for(vendor.url, more=more)) as gateway:
        first = keys(file, "create", "--name", "fresh", "--tenant", "t")
        until(lambda: everywhere(gateway, first, 200), SECOND + SLACK_S, "not known everywhere")
        second = keys(file, "rotate", "fresh", "--overlap", "1h")
        until(lambda: everywhere(gateway, second, 200), SECOND + SLACK_S, "not replaced")
        assert everywhere(gateway, first, 200)
        keys(file, "revoke", first[:10])
        until(lambda: everywhere(gateway, first, 401), SECOND + SLACK_S, "not revoked")
        assert everywhere(gateway, second, 200)
        assert everywhere(gateway, KEY, 200)
        reached = len(vendor.journal)
        assert status(gateway, first) == 401
        assert len(vendor.journal) == reached  # G14: nothing of it reaches a backend
        text = gateway.log_file.read_text() + file.read_text()
        assert first not in text
        assert second not in text


def test_a_keys_own_limits_are_exact_over_the_workers_and_change_within_a_second(
    file: Path,
) -> None:
    more = f'keys_file: {{path: "{file}"}}\nserver: {{workers: 2}}'
    clear = keys(file, "create", "--name", "k", "--tenant", "t", "--limit", "requests_per_day=5")

    def passed(gateway: Gateway) -> int:
        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda _: status(gateway, clear), range(16)))
        assert set(codes) <= {200, 429}
        return codes.count(200)

    def widened(entries: minting.Entries) -> minting.Entries:
        return tuple(msgspec.structs.replace(one, limits=Limits(concurrent=9)) for one in entries)

    with Vendor(GOOD) as vendor, Gateway(config_for(vendor.url, more=more)) as gateway:
        assert passed(gateway) == 5
        keysfile.change(file, widened)
        until(lambda: everywhere(gateway, clear, 200), SECOND + SLACK_S, "not changed")


def test_a_stream_that_runs_when_its_key_is_revoked_ends_normally(file: Path) -> None:
    events = chat_events(["a", "b", "c"], used=usage(7, 3))
    script: list[Step] = [Send(stream_head() + chunk(events[0]) + chunk(events[1])), Wait(2.5)]
    script.append(Send(b"".join(map(chunk, events[2:])) + chunk(b"data: [DONE]\n\n") + LAST_CHUNK))
    more = f'keys_file: {{path: "{file}"}}'
    limited = ("create", "--name", "fresh", "--tenant", "t", "--limit", "concurrent=1")
    clear = keys(file, *limited)
    with Vendor(script, GOOD) as vendor, Gateway(config_for(vendor.url, more=more)) as gateway:
        body = {**HELLO, "stream": True}
        with ThreadPoolExecutor(1) as pool:
            stream = pool.submit(gateway.post, "/v1/chat/completions", body, clear)
            until(lambda: bool(vendor.journal), 20, "not asked")
            keysfile.change(file, lambda now: minting.revoke(now, "fresh", time.time()))
            until(
                lambda: gateway.get("/v1/models", key=clear)[0] == 401,
                SECOND + SLACK_S,
                "not revoked",
            )
            assert not stream.done()
            code, answer = stream.result(20)
        again = keys(file, *limited)  # the same name counts on: what was held has come back
        until(lambda: status(gateway, again) == 200, SECOND + SLACK_S, "still held")
    assert code == 200
    assert answer.rstrip().endswith(b"data: [DONE]")


def test_a_key_is_held_to_its_scopes_and_nothing_is_asked_beyond(file: Path) -> None:
    more = f'keys_file: {{path: "{file}"}}'
    models = "  other: up/real-model"
    scopes = ["--models", "m", "--operations", "chat", "--max-n", "2", "--max-tokens", "100"]
    clear = keys(
        file, "create", "--name", "s", "--tenant", "t", *scopes,
        "--max-messages", "2", "--max-body-bytes", "2000",
    )  # fmt: skip
    with (
        Vendor(GOOD) as vendor,
        Gateway(config_for(vendor.url, more=more, models=models)) as gateway,
    ):
        assert status(gateway, clear, n=2, max_tokens=100) == 200
        reached = len(vendor.journal)
        message = {"role": "user", "content": "hi"}
        for refused, code, asked in (
            (400, "param_limit", {"n": 3}),
            (400, "param_limit", {"max_tokens": 10**12}),
            (400, "param_limit", {"max_completion_tokens": 101}),
            (400, "param_limit", {"messages": [message] * 3}),
            (400, "param_limit", {"user": "x" * 2000}),
            (403, "model_not_allowed", {"model": "other"}),
        ):
            answer = gateway.post("/v1/chat/completions", {**HELLO, **asked}, clear)
            assert (answer[0], json.loads(answer[1])["error"]["code"]) == (refused, code), asked
        answer = gateway.post("/v1/embeddings", {"model": "m", "input": "x"}, clear)
        assert (answer[0], json.loads(answer[1])["error"]["code"]) == (403, "operation_not_allowed")
        assert len(vendor.journal) == reached
        assert gateway.get("/v1/models", key=clear)[0] == 200


# ---- ten thousand wrong keys

HOSTILE: Final = 10_000
PATH: Final = b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n"


def credentials() -> Iterator[bytes]:
    """Header lines: cut, doubled, odd, near misses, and words that others have choked on."""
    dice = random.Random(20260)
    digest = hashlib.sha256(KEY.encode()).hexdigest().encode()
    own = KEY.encode()
    words = [
        b"", b"Bearer", b"Bearer ", b"bearer\t" + own, b"Basic " + base64.b64encode(own),
        b"Bearer " + own[:-1], b"Bearer " + own + b"x", b"Bearer " + own.upper(),
        b"Bearer  " + own, b"Bearer " + digest, b"Bearer sha256:" + digest,
        b"Bearer ' OR 1=1 --", b"Bearer ${KEY}", b"Bearer {{7*7}}", b"Bearer ../../etc/passwd",
        b"Bearer null", b"Bearer *", b"Bearer %00", b"Bearer \\u0000", b"Bearer true",
        b"Bearer eyJhbGciOiJub25lIn0.e30.", b"Bearer eyJhbGciOiJub25lIn0.eyJ0ZW5hbnQiOiJ0In0.x",
    ]  # fmt: skip
    for word in words:
        yield b"authorization: " + word
        yield b"x-api-key: " + word
    yield b"authorization: Bearer " + own + b"\r\nx-api-key: other"
    yield b"authorization: Bearer other\r\nx-api-key: " + own
    visible = bytes(range(33, 127))
    for _ in range(HOSTILE - 2 * len(words) - 2):
        canary = b"canary" + bytes(dice.choices(visible, k=dice.randint(1, 200)))
        scheme = dice.choice((b"authorization: Bearer ", b"x-api-key: ", b"authorization: "))
        yield scheme + canary


def asked(lines: bytes) -> bytes:
    body = json.dumps(HELLO).encode()
    return PATH + lines + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def said(sock: socket.socket, several: list[bytes]) -> list[bytes]:
    """The answers to requests that are sent at once, their ids left out."""
    sock.sendall(b"".join(map(asked, several)))
    with sock.makefile("rb") as file:
        return [_answer(file) for _ in several]


def _answer(file: BinaryIO) -> bytes:
    kept, length = [], 0
    while (line := file.readline()) not in (b"\r\n", b""):
        name, _, value = line.lower().partition(b":")
        if name == b"content-length":
            length = int(value)
        if name not in (b"x-request-id", b"date"):
            kept.append(line)
    return b"".join([*kept, file.read(length)])


def test_ten_thousand_wrong_keys_are_told_one_thing_and_leave_nothing_behind(file: Path) -> None:
    keys(file, "create", "--name", "k", "--tenant", "t")
    more = f'keys_file: {{path: "{file}"}}'
    with Vendor(GOOD) as vendor, Gateway(config_for(vendor.url, more=more)) as gateway:
        answers: dict[bytes, int] = {}
        lock = threading.Lock()

        def told(some: list[bytes]) -> None:
            with gateway.connect() as sock:
                for at in range(0, len(some), 10):
                    for answer in said(sock, some[at : at + 10]):
                        with lock:
                            answers[answer] = answers.get(answer, 0) + 1

        hostile = list(credentials())
        rss = gateway.rss_bytes()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(told, [hostile[number::4] for number in range(4)]))
        assert sum(answers.values()) == len(hostile) == HOSTILE
        assert len(answers) == 1, answers
        (answer,) = answers  # the same words, whatever was wrong
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b'"code":"invalid_api_key"' in answer
        assert vendor.journal == []
        assert gateway.rss_bytes() - rss < 16 << 20
        scrape = gateway.get("/metrics", admin=True)[1].decode()
        assert gateway.metric("gateway_errors_total", code="invalid_api_key") == HOSTILE
        until(lambda: len(gateway.lines("exchange")) >= HOSTILE, 10, "lines are missing")
        told_of = scrape + gateway.log_file.read_text()
        for trace in ("canary", KEY, "eyJ", "passwd", hashlib.sha256(KEY.encode()).hexdigest()):
            assert trace not in told_of
        assert status(gateway, KEY) == 200


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="asks /proc for CPU time")
def test_a_wrong_key_costs_as_much_as_another_wrong_one(file: Path) -> None:
    """Near misses and nonsense: the CPU of each, not the clock, which the machine's load moves."""
    with Vendor(GOOD) as vendor, Gateway(config_for(vendor.url)) as gateway:
        near, far = b"x-api-key: " + KEY.encode()[:-1], b"x-api-key: " + b"~" * (len(KEY) - 1)

        def cpu_s() -> float:
            fields = Path(f"/proc/{gateway.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        spent = {near: 0.0, far: 0.0}
        with gateway.connect() as sock:
            for _ in range(6):
                for lines in (near, far):
                    before = cpu_s()
                    for _ in range(30):
                        said(sock, [lines] * 10)
                    spent[lines] += cpu_s() - before
        assert 0.6 < spent[near] / spent[far] < 1.67, spent


def test_a_token_of_the_identity_provider_opens_its_tenants_door(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks())
    more = f"""
tenants: {{search: {{}}}}
oidc: {{issuer: "{ISSUER}", audience: {AUDIENCE}, jwks_file: "{tmp_path}/jwks.json"}}
"""
    with Vendor(GOOD) as vendor, Gateway(config_for(vendor.url, more=more)) as gateway:
        good, brief = token(), token(exp=time.time() - 28)
        assert status(gateway, good) == status(gateway, KEY) == 200
        for bad in (token(tenant="nobody"), token(STRANGER), token(exp=1), good[:-4]):
            assert status(gateway, bad) == 401
        with gateway.connect() as sock:  # the same head again, behind its time
            lines = b"authorization: Bearer " + brief.encode()
            assert said(sock, [lines])[0].startswith(b"HTTP/1.1 200 ")
            time.sleep(2.1)
            assert said(sock, [lines])[0].startswith(b"HTTP/1.1 401 ")
        (first, *_) = gateway.lines("exchange")
        assert (first["tenant"], first["key"]) == ("search", "oidc:search")
        assert "eyJ" not in gateway.log_file.read_text()
