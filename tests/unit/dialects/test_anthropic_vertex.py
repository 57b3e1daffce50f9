"""Messages as Vertex takes them."""

import msgspec

from gateway.dialects.anthropic_vertex import COUNTING, UPSTREAM, VERSION
from gateway.dialects.base import Losses
from gateway.wire import json

CHAT = {"model": "claude-x", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}


def test_the_model_stands_in_the_url_and_the_version_in_the_body() -> None:
    asked = UPSTREAM.write_request(CHAT, Losses())
    assert asked["anthropic_version"] == VERSION
    assert "model" not in asked
    assert CHAT["model"] == "claude-x"


def test_so_it_does_where_the_client_speaks_the_same() -> None:
    fields = json.read(b'{"model":"m","max_tokens":9,"messages":[]}')
    told = json.write(UPSTREAM.addressed(fields, msgspec.Raw(b'"claude-x"')))
    assert told == b'{"anthropic_version":"vertex-2023-10-16","max_tokens":9,"messages":[]}'


def test_to_count_the_model_is_named_in_the_body() -> None:
    fields = json.read(b'{"model":"m","messages":[]}')
    told = json.write(COUNTING.addressed(fields, msgspec.Raw(b'"claude-x"')))
    assert b'"model":"claude-x"' in told
    assert COUNTING.write_request(CHAT, Losses())["model"] == "claude-x"
