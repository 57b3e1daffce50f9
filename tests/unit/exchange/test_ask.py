"""A request as one target gets it: the client's bytes, but for what is ours to say."""

import json
from typing import Any

import pytest

from gateway.chat.operation import Operation
from gateway.dialects import openai
from gateway.exchange.ask import Ask, losses, wire_request
from gateway.runtime.languages import CLIENTS
from gateway.runtime.snapshot import Target, named
from gateway.upstream.pool import WireRequest
from tests.unit.config.reading import read
from tests.unit.runtime.running import running

CONFIG = """
backends:
  a: {provider: openai_compatible, base_url: "http://a.test:8000/pre", credential: sk-a-secret}
  b: {provider: openai_compatible, base_url: "https://b.test/v1", credential: sk-b-secret}
  c: {provider: anthropic, credential: sk-c-secret}
models:
  m: {targets: [{use: a/real}, {use: b/other}], defaults: {temperature: 0.5, top_p: 1},
      force: {seed: 7, user: null}}
  capped: {targets: [{use: a/real}, {use: c/claude}], force: {max_tokens: 7}}
  plain: a/real
  "lab/*": a/*
"""
MESSAGES = b'"messages":[{"role":"user","content":"h\\u00e4 \xc3\xa4"}]'


def ask(
    body: bytes, operation: Operation = Operation.CHAT, passed: bytes = b""
) -> tuple[Ask, tuple[Target, ...]]:
    with running() as house:
        head, fields = openai.read_request(operation, body)
        route = house.runtime.swap(read(CONFIG)).route(head.model)
    assert route is not None
    return Ask(operation, CLIENTS[operation], head, fields, route, passed), route.targets


def sent(body: bytes, passed: bytes = b"") -> WireRequest:
    asked, targets = ask(body, passed=passed)
    return wire_request(asked, targets[0], losses(asked))


def document(request: WireRequest) -> dict[str, Any]:
    assert isinstance(request.body, bytes)
    read_back: dict[str, Any] = json.loads(request.body)
    return read_back


def test_only_the_model_changes() -> None:
    rest = b'%b,"big":123456789012345678901234567890,"odd":1.0e+02,"x":{"model":"m"}' % MESSAGES
    request = sent(b'{ "model" : "plain" ,' + rest + b"}")
    assert request.body == b'{"model":"real",' + rest + b"}"


def test_the_head_is_the_target_s_and_tells_the_length() -> None:
    request = sent(b'{"model":"plain",%b}' % MESSAGES, b"traceparent: 00-x\r\n")
    assert isinstance(request.body, bytes)
    assert request.head.startswith(b"POST /pre/chat/completions HTTP/1.1\r\nhost: a.test:8000\r\n")
    assert b"\r\nauthorization: Bearer sk-a-secret\r\n" in request.head
    last = b"\r\ntraceparent: 00-x\r\ncontent-length: %d\r\n\r\n" % len(request.body)
    assert request.head.endswith(last)
    assert request.head.count(b"\r\n\r\n") == 1
    assert not request.chunked


def test_defaults_give_way_and_force_does_not() -> None:
    told = document(sent(b'{"model":"m","temperature":0,"seed":1,"user":"u",%b}' % MESSAGES))
    assert (told["temperature"], told["top_p"], told["seed"], told["user"]) == (0, 1, 7, None)


def test_what_is_forced_holds_in_every_language_and_by_every_name() -> None:
    asked, targets = ask(b'{"model":"capped","max_completion_tokens":5000,%b}' % MESSAGES)
    for target in targets:
        told = document(wire_request(asked, target, losses(asked)))
        assert told["max_tokens"] == 7
        assert "max_completion_tokens" not in told


def test_each_target_gets_its_own_and_the_next_begins_clean() -> None:
    asked, (first, second) = ask(b'{"model":"m","stream":true,%b}' % MESSAGES)
    before = dict(asked.fields)
    one, other = (
        wire_request(asked, first, losses(asked)),
        wire_request(asked, second, losses(asked)),
    )
    assert (document(one)["model"], document(other)["model"]) == ("real", "other")
    assert b"sk-b-secret" not in one.head
    assert b"sk-a-secret" not in other.head
    assert asked.fields == before


def test_a_wildcard_passes_the_rest_of_the_name_on() -> None:
    asked, (target,) = ask(b'{"model":"lab/x/y",%b}' % MESSAGES)
    request = wire_request(asked, named(target, asked.route, asked.head.model), losses(asked))
    assert document(request)["model"] == "x/y"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (b"", {"include_usage": True}),
        (b',"stream_options":null', {"include_usage": True}),
        (b',"stream_options":{}', {"include_usage": True}),
        (b',"stream_options":{"include_usage":false,"x":[1]}', {"include_usage": True, "x": [1]}),
        (b',"stream_options":{"include_usage":true,"x":1}', {"include_usage": True, "x": 1}),
    ],
)
def test_a_stream_is_always_asked_for_its_usage(options: bytes, told: object) -> None:
    body = b'{"model":"plain","stream":true%b,%b}' % (options, MESSAGES)
    assert document(sent(body))["stream_options"] == told


@pytest.mark.parametrize("stream", [b"", b',"stream":false', b',"stream":null'])
def test_a_whole_answer_is_not(stream: bytes) -> None:
    asked, (target,) = ask(b'{"model":"plain"%b,%b}' % (stream, MESSAGES))
    assert not asked.stream
    assert "stream_options" not in document(wire_request(asked, target, losses(asked)))


def test_other_operations_go_to_their_own_paths() -> None:
    for operation, path, body in (
        (Operation.COMPLETION, b"/pre/completions", b'{"model":"plain","prompt":"x"}'),
        (Operation.EMBEDDINGS, b"/pre/embeddings", b'{"model":"plain","input":"x"}'),
    ):
        asked, (target,) = ask(body, operation)
        assert wire_request(asked, target, losses(asked)).head.startswith(
            b"POST %b HTTP/1.1\r\n" % path
        )


def test_what_holds_a_credential_does_not_show_it() -> None:
    request = sent(b'{"model":"plain",%b}' % MESSAGES)
    assert "secret" not in repr(request)
    assert "messages" not in repr(request)
