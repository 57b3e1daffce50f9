"""The URL table and what each row answers, through a real socket and the real road."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.exchange.pipeline import Gateway
from gateway.server.app import ClientDoor
from gateway.server.connection import Listening
from tests.http_answers import Answer
from tests.unit.config.reading import read
from tests.unit.runtime.running import Running, running
from tests.unit.server.speaking import Listened, get, listened, looped, post

KEY = b"authorization: Bearer sk-caller-0123456789\r\n"
CLOSE = b"connection: close\r\n"
CONFIG = """
server: {max_body_bytes: 100000, max_upload_bytes: 200000}
keys: [{name: app, tenant: search, key: sk-caller-0123456789, models: [fast, "lab/*"]}]
backends: {sim: {provider: simulated, first_content_s: 0, tokens_per_second: 100000, tokens: 3}}
models: {fast: sim/a, smart: sim/b, "lab/*": sim/*}
"""
CHAT = json.dumps({"model": "fast", "messages": [{"role": "user", "content": "hi"}]}).encode()


class House(Listened):
    def __init__(self, listening: Listening, port: int, running: Running) -> None:
        super().__init__(listening, port)
        self.running = running

    async def one(self, data: bytes, method: str = "") -> Answer:
        (answer,) = await self.ask(data, (method,))
        return answer


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    with running() as inside:
        inside.runtime.swap(read(CONFIG))
        listening = Listening(ClientDoor(inside.runtime, Gateway(inside.runtime)))
        async with listened(listening) as port:
            at = House(listening, port, inside)
            try:
                yield at
            finally:
                at.hang_up()
                await at.until_empty()


@looped
async def test_a_chat_is_answered_by_its_backend() -> None:
    async with house() as at:
        answer = await at.one(post("/v1/chat/completions", CHAT, KEY + CLOSE))
        assert answer.status == 200
        assert json.loads(answer.body)["object"] == "chat.completion"
        assert answer.headers["x-request-id"].startswith("req_")


@looped
@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("POST", "/v1", 404, None),
        ("GET", "/v1/chat", 404, None),
        ("POST", "/v1/chat/completions/", 404, None),
        ("POST", "/v1/chat/completions/more", 404, None),
        ("POST", "//v1/chat/completions", 404, None),
        ("POST", "/v1//chat/completions", 404, None),
        ("POST", "/V1/chat/completions", 404, None),
        ("POST", "/v1/filesystem", 404, None),
        ("GET", "/metrics", 404, None),
        ("GET", "/healthz/more", 404, None),
        ("GET", "/v1/chat/completions", 405, "POST"),
        ("PUT", "/v1/embeddings", 405, "POST"),
        ("OPTIONS", "/v1/chat/completions", 405, "POST"),
        ("POST", "/v1/models", 405, "GET, HEAD"),
        ("DELETE", "/v1/models/fast", 405, "GET, HEAD"),
        ("PATCH", "/v1/files", 405, "POST, GET, DELETE"),
        ("POST", "/healthz", 405, "GET, HEAD"),
    ],
)
async def test_what_is_not_in_the_table_is_refused(
    method: str, path: str, status: int, allow: str | None
) -> None:
    async with house() as at:
        answer = await at.one(get(path, KEY + CLOSE, method=method))
        assert answer.status == status
        assert answer.code == ("not_found" if status == 404 else "method_not_allowed")
        assert answer.headers.get("allow") == allow


@looped
@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions", "/v1/embeddings", "/v1/files", "/v1/files/a/content", "/v1/responses"],
)
async def test_without_a_key_no_row_of_models_is_open(path: str) -> None:
    async with house() as at:
        answer = await at.one(post(path, b"{}", CLOSE))
        assert (answer.status, answer.code) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"


@looped
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_health_needs_no_key(method: str) -> None:
    async with house() as at:
        for path in ("/healthz", "/readyz"):
            assert (await at.one(get(path, CLOSE, method=method), method)).status == 200


@looped
async def test_a_draining_house_is_healthy_and_not_ready() -> None:
    async with house() as at:
        at.running.runtime.draining = True
        assert (await at.one(get("/healthz", CLOSE))).status == 200
        assert (await at.one(get("/readyz", CLOSE))).status == 503


@looped
async def test_models_are_listed_and_told_one_by_one() -> None:
    async with house() as at:
        listed = json.loads((await at.one(get("/v1/models", KEY + CLOSE))).body)
        assert [model["id"] for model in listed["data"]] == ["fast"]
        told = json.loads((await at.one(get("/v1/models/lab%2Fnew", KEY + CLOSE))).body)
        assert told["id"] == "lab/new"
        for name, status in (("smart", 403), ("none", 404), ("%00%ff%ed%a0%80", 404), ("..", 404)):
            answer = await at.one(get(f"/v1/models/{name}", KEY + CLOSE))
            assert (answer.status, answer.code is not None) == (status, True)


@looped
async def test_documents_and_uploads_have_their_own_limits() -> None:
    async with house() as at:
        sizes = []
        for path, kind, size in (
            ("/v1/chat/completions", b"application/json", 100_001),
            ("/v1/chat/completions", b"audio/wav", 100_001),
            ("/v1/files", b"application/json; charset=utf-8", 100_001),
            ("/v1/files", b"application/octet-stream", 200_001),
            ("/v1/models", b"application/json", 65_537),
        ):
            head = KEY + b"content-type: %b\r\ncontent-length: %d\r\n" % (kind, size)
            method = "GET" if path == "/v1/models" else "POST"
            answer = await at.one(get(path, head, method=method))
            assert answer.code == "body_too_large"
            sizes.append(json.loads(answer.body)["error"]["message"].split()[-2])
        assert sizes == ["100000", "100000", "100000", "200000", "65536"]


@looped
async def test_every_refusal_is_counted_once_under_its_operation() -> None:
    async with house() as at:
        await at.ask(b"garbage\r\n\r\n")
        await at.ask(get("/nowhere", CLOSE))
        await at.ask(post("/v1/embeddings", b"{}", CLOSE))
        await at.ask(post("/v1/chat/completions", b"no", KEY + CLOSE))
        counted = at.running.number
        assert counted("gateway_requests_total", "other", "other", "4xx") == 2
        assert counted("gateway_requests_total", "embeddings", "other", "4xx") == 1
        assert counted("gateway_requests_total", "chat", "other", "4xx") == 1
        events = [line["event"] for line in at.running.written.lines()]
        assert events == ["exchange"] * 4


@looped
async def test_a_fault_of_ours_leaves_its_place_in_the_log_and_no_word_to_the_client() -> None:
    async with house() as at:
        at.running.runtime._snapshot = None  # as if no config were in force
        answer = await at.one(post("/v1/chat/completions", CHAT, KEY))
        assert (answer.status, answer.code) == (500, "internal_error")
        assert b"config" not in answer.body
        line = next(line for line in at.running.written.lines("refused"))
        assert line["error"] == "RuntimeError"
        assert line["id"] == answer.headers["x-request-id"]
