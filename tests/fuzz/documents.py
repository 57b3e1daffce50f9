"""JSON through the gate and the dialect: refused by name, or the same document to everybody."""

import json as stdlib
from collections.abc import Hashable
from random import Random
from typing import Final

from gateway.chat.operation import Operation
from gateway.chat.usage import MAX_TOKENS
from gateway.dialects import openai
from gateway.dialects.base import MAX_SAID, BadAnswer, Said
from gateway.errors import Code, GatewayError
from gateway.wire import json
from tests.fuzz.parser import Parser

_REASONS: Final = ("syntax", "shape", "depth", "duplicate", "number")
_REFUSALS: Final = (
    Code.INVALID_JSON,
    Code.INVALID_BODY,
    Code.TOO_DEEP,
    Code.DUPLICATE_KEY,
    Code.INVALID_VALUE,
    Code.MISSING_VALUE,
)
_MAX_MESSAGE: Final = 8_192  # characters; a path of 64 keys may stand in it


def check(data: bytes, dice: Random) -> Hashable:
    operation = dice.choice([Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDINGS])
    gate, request = _gate(data), _request(operation, data)
    assert gate == "" or request != ""
    return gate, request, operation, _answer(operation, data), _error(data)


def _gate(data: bytes) -> str:
    """Why it is refused; empty if it is a document."""
    try:
        fields = json.read(data)
    except json.JsonError as error:
        assert error.reason in _REASONS
        assert len(str(error)) < 300
        return error.reason
    pairs: list[tuple[str, object]] = stdlib.loads(data.decode(), object_pairs_hook=list)
    assert [key for key, _ in pairs] == list(fields)
    document = stdlib.loads(data.decode())
    written = json.write(fields)
    assert stdlib.loads(written) == document
    assert {key: bytes(raw) for key, raw in json.read(written).items()} == {
        key: bytes(raw) for key, raw in fields.items()
    }
    return ""


def _request(operation: Operation, data: bytes) -> str:
    try:
        head, fields = openai.read_request(operation, data)
    except GatewayError as error:
        assert error.code in _REFUSALS
        assert len(error.message) <= _MAX_MESSAGE
        return error.code.value
    document = stdlib.loads(data.decode())
    assert document["model"] == head.model != ""
    assert bool(document.get("stream")) is bool(head.stream)
    assert document.get("n") == head.n
    assert head.choices >= (1 if document.get("prompt") != [] else 0)
    assert openai.read_request(operation, json.write(fields))[0] == head
    return ""


def _answer(operation: Operation, data: bytes) -> bool:
    try:
        usage = openai.read_answer(operation, data)
    except BadAnswer:
        return False
    assert isinstance(stdlib.loads(data.decode()), dict)
    if usage is not None:
        assert 0 <= usage.input <= MAX_TOKENS
        assert 0 <= usage.output <= MAX_TOKENS
    return True


def _error(data: bytes) -> bool:
    said = openai.read_error(data)
    for text in (said.message, said.type, said.code, said.param or ""):
        assert len(text) <= MAX_SAID
        text.encode()  # a lone surrogate could not be told to anybody
    return said != Said()


DOCUMENTS: Final = Parser(
    "document",
    check,
    (
        b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u0000", b"\\ud800", b"\\udc00", b"\\/",
        b" ", b"\n", b"\t", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xed\xa0\x80",
        b"null", b"true", b"false", b"NaN", b"Infinity", b"-0", b"1e999", b"-1", b"1.5", b"0x1",
        b"9" * 39, b"9" * 40, b"9" * 4_300, b"[" * 64, b"]" * 64, b'{"a":' * 63,
        b'"model":"m"', b'"Model":"n"', b'"\\u006dodel":"n"', b'"stream":true', b'"n":2',
        b'"messages":[{"role":"user","content":"x"}]', b'"messages":[]', b'"prompt":[[1,2],[3]]',
        b'"prompt":["a","b"]', b'"input":["a"]', b'"input":[[1]]', b'"stop":["a"]', b'"tools":[{}]',
        b'"stream_options":{"include_usage":true}', b'"max_tokens":0', b'"temperature":2',
        b'"usage":{"prompt_tokens":1,"completion_tokens":-2}', b'"choices":[{}]', b'"data":[{}]',
        b'"error":{"message":"no","code":429}', b'"error":null', b'"error":"no"',
    ),
)  # fmt: skip
