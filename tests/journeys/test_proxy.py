"""A gateway whose backends lie behind an HTTP proxy, by its config or by its environment."""

import pytest

from tests.harness import Gateway, config_for
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Send, Vendor, response

HELLO = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ELSEWHERE = "http://api.vendor.test:8000"


@pytest.mark.parametrize("named", ["config", "environment"])
def test_a_proxy_reads_the_whole_url(named: str) -> None:
    with Vendor([Send(response(200, chat_body("through it")))]) as proxy:
        url = proxy.url.replace("http://", "http://me:secret-of-the-proxy@")
        by_config = named == "config"
        backend = f', proxy: "{url}"' if by_config else ""
        env = {} if by_config else {"http_proxy": url}
        with Gateway(config_for(ELSEWHERE, backend=backend), env=env) as gateway:
            status, body = gateway.post("/v1/chat/completions", HELLO)
            assert (status, b"through it" in body) == (200, True)
            text = gateway.log_file.read_text()
        asked = proxy.journal[0]
        assert asked.path == f"{ELSEWHERE}/v1/chat/completions"
        assert asked.header("host") == "api.vendor.test:8000"
        assert asked.header("proxy-authorization") is not None
        assert "secret-of-the-proxy" not in text


def test_none_is_used_where_the_config_says_so() -> None:
    with Vendor([Send(response(200, chat_body("directly")))]) as vendor:
        env = {"http_proxy": "http://127.0.0.1:9"}
        with Gateway(config_for(vendor.url, backend=', proxy: ""'), env=env) as gateway:
            assert gateway.post("/v1/chat/completions", HELLO)[0] == 200
        assert vendor.journal[0].path == "/v1/chat/completions"
