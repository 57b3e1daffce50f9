"""The admin API of a running gateway, with two workers behind it."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest

from tests.harness import KEY, Gateway, config_for, until
from tests.journeys.test_keys import everywhere
from tests.vendors.openai_wire import chat_body, usage
from tests.vendors.scripted import Send, Vendor, response

TOKEN: Final = "canary-admin-token-0815"
FILE_SECRET: Final = "canary-file-secret-0815"
GOOD: Final = [Send(response(200, chat_body("hi", used=usage(7, 3))))]


def call(
    gateway: Gateway, method: str, path: str, said: object = None, token: str = TOKEN
) -> tuple[int, Any]:
    body = None if said is None else json.dumps(said).encode()
    request = urllib.request.Request(gateway.admin + path, body, method=method)  # noqa: S310
    request.add_header("authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_what_is_made_over_http_is_good_in_every_worker_within_a_second(tmp_path: Path) -> None:
    more = f"""
server: {{workers: 2}}
admin: {{token: {TOKEN}}}
keys_file: {{path: "{tmp_path}/keys.json", secret: {FILE_SECRET}}}
ledger: {{path: "{tmp_path}/ledger"}}
prices: {{up/real-model: {{input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}}
"""
    with Vendor(GOOD) as vendor, Gateway(config_for(vendor.url, more=more)) as gateway:
        status, made = call(gateway, "POST", "/admin/keys", {"name": "k", "tenant": "t"})
        assert status == 201
        until(lambda: everywhere(gateway, made["key"], 200), 1.5, "not known everywhere")
        assert call(gateway, "DELETE", "/admin/keys/k")[0] == 200
        until(lambda: everywhere(gateway, made["key"], 401), 1.5, "not ended everywhere")

        def told() -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = call(gateway, "GET", "/admin/usage?by=key")[1]["usage"]
            return [row for row in rows if row["key"] == "k"]

        until(lambda: bool(told()), 20, "no usage")
        (row,) = told()
        assert row["usd"] == pytest.approx(13e-6 * row["charges"])
        config = call(gateway, "GET", "/admin/config")[1]
        assert config["workers"] == [config["hash"]] * 2
        # Neither door takes the other's key.
        assert call(gateway, "GET", "/admin/keys", token=KEY)[0] == 401
        assert gateway.get("/v1/models", key=TOKEN)[0] == 401
        shown = json.dumps([config, call(gateway, "GET", "/admin/keys")[1], told()])
        shown += gateway.log_file.read_text() + gateway.get("/metrics", admin=True)[1].decode()
        for hidden in (TOKEN, FILE_SECRET, KEY, made["key"], "sk-upstream-secret"):
            assert hidden not in shown
        # Another token, without a restart.
        gateway.rewrite(gateway.file.read_text().replace(TOKEN, "another-token-0815"))
        until(
            lambda: call(gateway, "GET", "/admin/keys", token="another-token-0815")[0] == 200,
            5,
            "the token is the old one",
        )
        assert call(gateway, "GET", "/admin/keys")[0] == 401
        status, _ = call(gateway, "POST", "/admin/drain", {}, token="another-token-0815")
        assert status == 202
        assert gateway.process.wait(10) == 0
