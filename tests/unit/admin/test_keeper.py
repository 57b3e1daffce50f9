"""The keeper's API through a real socket: who may in, what is taken, what is never shown."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.admin.description import OPEN, ROUTES, Route
from gateway.policy import minting
from gateway.runtime import keysfile
from gateway.telemetry import ledger
from gateway.telemetry.ledger import Entry
from tests.unit.admin.house import PLAIN, House, ask, keeper
from tests.vendors.looped import looped

TOKEN: Final = "admin-token-0123456789"
CLIENT: Final = "client-key-0123456789"
SECRET: Final = "planted-secret-0123456789"


def house(folder: Path) -> House:
    return House(
        text=f"""{PLAIN}
admin: {{token: {TOKEN}}}
keys: [{{name: own, tenant: t, key: {CLIENT}}}]
keys_file: {{path: "{folder}/keys.json", secret: {SECRET}}}
ledger: {{path: "{folder}/ledger.jsonl"}}
store: redis://user:{SECRET}@host
"""
    )


def path_of(route: Route) -> str:
    return route.path.replace("{name}", "nobody")


@looped
async def test_every_route_is_shut_without_the_token_and_open_with_it(tmp_path: Path) -> None:
    wanted = {"mint": b'{"name":"k","tenant":"t"}', "rotate": b"{}", "drain": b"{}"}
    fine = {
        "openapi": 200,
        "config": 200,
        "keys": 200,
        "mint": 201,
        "purge": 200,
        "usage": 500,
        "drain": 202,
    }
    async with keeper(house(tmp_path)) as one:
        for route in ROUTES:
            asked = {"method": route.method, "body": wanted.get(route.name)}
            for token in (None, CLIENT, TOKEN[:-1], TOKEN + "x", "", SECRET):
                status, text = await ask(one, path_of(route), token=token, **asked)  # type: ignore[arg-type]
                assert (status, json.loads(text)["error"]["code"]) == (401, "invalid_api_key")
            status, text = await ask(one, path_of(route), token=TOKEN, **asked)  # type: ignore[arg-type]
            assert status == fine.get(route.name, 400), (route, text)


@looped
async def test_without_a_token_there_is_no_api() -> None:
    async with keeper(House()) as one:
        for route in ROUTES:
            for token in (None, "", TOKEN):
                status, text = await ask(one, path_of(route), route.method, token=token)
                assert (status, json.loads(text)["error"]["code"]) == (404, "not_found")
        for path in OPEN:
            assert (await ask(one, path))[0] == 200


@looped
async def test_what_does_not_exist_is_shut_as_well(tmp_path: Path) -> None:
    paths = (
        "/",
        "/admin",
        "/admin/",
        "/admin/../metrics/x",
        "/docs",
        "/healthz/",
    )
    async with keeper(house(tmp_path)) as one:
        for path in paths:
            assert (await ask(one, path))[0] == 401, path
            assert (await ask(one, path, token=TOKEN))[0] == 404, path
        assert (await ask(one, "/admin/config", "POST", token=TOKEN))[0] == 405


@looped
async def test_a_cookie_or_another_scheme_is_no_token(tmp_path: Path) -> None:
    async with keeper(house(tmp_path)) as one:
        for headers in (
            {"cookie": f"token={TOKEN}"},
            {"authorization": f"Basic {TOKEN}"},
            {"authorization": TOKEN},
            {"x-api-key": TOKEN},
        ):
            async with one.get("/admin/keys", headers=headers) as answer:
                assert answer.status == 401
                assert "access-control-allow-origin" not in answer.headers
        async with one.get(
            "/admin/keys", headers={"authorization": f"Bearer {TOKEN}", "origin": "http://evil"}
        ) as answer:
            assert answer.status == 200
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-security-policy"] == "default-src 'self'"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"name":"k","tenant":"t"}', "text/plain"),
        (b'{"name":"k","tenant":"t"}', "application/x-www-form-urlencoded"),
        (b"name=k&tenant=t", "application/json"),
        (b'{"name":"k","tenant":"t","role":"admin"}', "application/json"),
        (b'{"name":"k","tenant":"t","digest":"sha256:00"}', "application/json"),
        (b'{"name":"k","tenant":"t","caps":{"admin":1}}', "application/json"),
        (b'{"name":"k","tenant":"t","path":"/etc/passwd"}', "application/json"),
        (b'{"name":"k"}', "application/json"),
        (b'{"name":"own","tenant":"t"}', "application/json"),
        (b"[" * 60_000, "application/json"),
        (b"\xff", "application/json"),
        (b"", "application/json"),
    ],
)
def test_a_write_says_what_it_may_and_no_more(tmp_path: Path, body: bytes, kind: str) -> None:
    @looped
    async def asked() -> None:
        async with keeper(house(tmp_path)) as one:
            status, text = await ask(one, "/admin/keys", "POST", token=TOKEN, body=body, kind=kind)
            assert status == 400, text

    asked()
    assert keysfile.read(tmp_path / "keys.json") == ()


@looped
async def test_a_key_is_made_shown_once_rotated_and_revoked(tmp_path: Path) -> None:
    asked = house(tmp_path)
    path = tmp_path / "keys.json"
    async with keeper(asked) as one:

        async def done(method: str, at: str, said: object = None) -> dict[str, Any]:
            body = None if said is None else json.dumps(said).encode()
            status, text = await ask(one, at, method, token=TOKEN, body=body)
            assert status in (200, 201), text
            document: dict[str, Any] = json.loads(text)
            return document

        wanted = {"name": "k", "tenant": "t", "models": ["m"], "caps": {"n": 2}}
        first = await done("POST", "/admin/keys", wanted)
        (entry,) = keysfile.read(path)
        assert entry.digest == minting.digest_of(first["key"], SECRET)
        second = await done("POST", "/admin/keys/k/rotate", {"overlap_s": 60})
        assert first["key"] != second["key"]
        listed = (await done("GET", "/admin/keys"))["keys"]
        assert [(key["name"], key["source"]) for key in listed] == [
            ("own", "config"),
            ("k", "file"),
            ("k", "file"),
        ]
        ended = (await done("DELETE", "/admin/keys/k"))["keys"]
        assert [key["good"] for key in ended] == [False, False]
        assert (await ask(one, "/admin/keys/k", "DELETE", token=TOKEN))[0] == 400
        lines = asked.written.text()
        written = list(map(json.loads, lines.splitlines()))
        assert [line["route"] for line in written] == [
            "POST /admin/keys",
            "POST /admin/keys/k/rotate",
            "DELETE /admin/keys/k",
        ]
        for hidden in (first["key"], second["key"], entry.digest, SECRET, TOKEN):
            assert hidden not in lines + json.dumps([listed, ended])


@looped
async def test_the_config_is_shown_without_a_secret(tmp_path: Path) -> None:
    async with keeper(house(tmp_path)) as one:
        text = (await ask(one, "/admin/config", token=TOKEN))[1]
    said = json.loads(text)
    assert said["workers"] == ["abc", "abc"]
    assert said["config"]["models"]["demo"]["targets"][0]["backend"] == "sim"
    assert said["config"]["store"] == "redis://***@host"
    for hidden in (SECRET, TOKEN, CLIENT):
        assert hidden not in text


@looped
async def test_usage_is_summed_as_asked(tmp_path: Path) -> None:
    entry = Entry("a.1", 5.0, "t", "k", "chat", "m", "p", "b", "x", "complete", 7, 3, usd=0.5)
    ledger.add(tmp_path / "ledger.jsonl", "jsonl", [entry])
    async with keeper(house(tmp_path)) as one:
        text = (await ask(one, "/admin/usage?by=tenant,day&since=1970-01-01", token=TOKEN))[1]
        (row,) = json.loads(text)["usage"]
        assert (row["tenant"], row["day"], row["usd"]) == ("t", "1970-01-01", 0.5)
        for wrong in ("by=colour", "since=now", "path=/etc/passwd"):
            assert (await ask(one, f"/admin/usage?{wrong}", token=TOKEN))[0] == 400


@looped
async def test_draining_is_asked_of_the_house(tmp_path: Path) -> None:
    asked = house(tmp_path)
    async with keeper(asked) as one:
        assert (await ask(one, "/admin/drain", "POST", token=TOKEN, body=b"{}"))[0] == 202
        assert asked.drained == 1
        assert (await ask(one, "/admin/drain", "POST", token=TOKEN))[0] == 400
    assert asked.drained == 1


@looped
async def test_without_a_file_no_key_is_made() -> None:
    asked = House(text=f"{PLAIN}admin: {{token: {TOKEN}}}\n")
    async with keeper(asked) as one:
        body = b'{"name":"k","tenant":"t"}'
        status, text = await ask(one, "/admin/keys", "POST", token=TOKEN, body=body)
        assert status == 400
        assert "keys_file.path" in text
        assert (await ask(one, "/admin/usage", token=TOKEN))[0] == 400


@looped
async def test_answers_are_forgotten_by_tenant_and_model_and_nothing_else(
    tmp_path: Path,
) -> None:
    asked = house(tmp_path)
    async with keeper(asked) as one:
        for query, pattern in (
            ("", b"cache/*/*/*"),
            ("?tenant=a/b", b"cache/tenant%20a%2Fb/*/*"),
            ("?model=m&tenant=*", b"cache/tenant%20%2A/m/*"),
            (f"?entry={'0a' * 32}", f"cache/*/*/{'0a' * 32}".encode()),
        ):
            status, told = await ask(one, f"/admin/cache{query}", "DELETE", token=TOKEN)
            assert (status, json.loads(told)) == (200, {"purged": 3})
            assert asked.purged[-1] == pattern
        for odd in ("x", "*" * 64, "0A" * 32, "0a" * 33):
            assert (await ask(one, f"/admin/cache?entry={odd}", "DELETE", token=TOKEN))[0] == 400
        assert (await ask(one, "/admin/cache?key=x", "DELETE", token=TOKEN))[0] == 400
