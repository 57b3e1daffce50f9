"""Requests: what is refused, by which word and field, and that nothing legal ever is. Answers."""

import json
import typing

import httpx2
import openai
import pytest
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params

from gateway.chat.operation import Operation
from gateway.chat.usage import MAX_TOKENS, Usage
from gateway.dialects.base import MAX_SAID, BadAnswer, Said
from gateway.dialects.openai import (
    Head,
    error_body,
    read_answer,
    read_error,
    read_fields,
    read_request,
)
from gateway.errors import Code, GatewayError
from tests.vendors.openai_wire import chat_body, completion_body, embeddings_body, usage

CHAT: dict[str, object] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
COMPLETION: dict[str, object] = {"model": "m", "prompt": "hi"}
EMBEDDINGS: dict[str, object] = {"model": "m", "input": "hi"}
PLAIN = {
    Operation.CHAT: CHAT,
    Operation.COMPLETION: COMPLETION,
    Operation.EMBEDDINGS: EMBEDDINGS,
}


def _read(operation: Operation, document: object) -> Head:
    head, fields = read_request(operation, body := json.dumps(document).encode())
    assert {key: json.loads(bytes(raw)) for key, raw in fields.items()} == json.loads(body)
    return head


def _refused(operation: Operation, body: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as told:
        read_request(operation, body)
    assert told.value.status == 400
    return told.value


# ---- requests that are refused

# Body, code, param; for every operation.
BAD_DOCUMENTS = [
    (b"", Code.INVALID_JSON, None),
    (b"{", Code.INVALID_JSON, None),
    (b'{"model":"m"', Code.INVALID_JSON, None),
    (b'{"model":"m"}{}', Code.INVALID_JSON, None),
    (b'{"model":NaN}', Code.INVALID_JSON, None),
    (b'{"model":"\xff"}', Code.INVALID_JSON, None),
    (b'{"model":"\\ud800"}', Code.INVALID_JSON, None),
    (b"\xef\xbb\xbf{}", Code.INVALID_JSON, None),
    (b"model=m", Code.INVALID_JSON, None),
    (b"null", Code.INVALID_BODY, None),
    (b"[]", Code.INVALID_BODY, None),
    (b'"m"', Code.INVALID_BODY, None),
    (b"7", Code.INVALID_BODY, None),
    (b'{"model":"m","model":"n"}', Code.DUPLICATE_KEY, "model"),
    (b'{"model":"m", "\\u006dodel":"m"}', Code.DUPLICATE_KEY, "model"),
    (b'{"x":1,"x":1}', Code.DUPLICATE_KEY, "x"),
    (b'{"x":%b%b}' % (b"[" * 64, b"]" * 64), Code.TOO_DEEP, None),
    (b'{"x":%b}' % (b"[" * 100_000), Code.TOO_DEEP, None),
    (b'{"seed":%b}' % (b"9" * 10_000), Code.INVALID_VALUE, "seed"),
    (b'{"x":[%b]}' % (b"9" * 10_000), Code.INVALID_VALUE, "x"),
    (b'{"Model":"m"}', Code.INVALID_VALUE, "model"),
    (b'{"model":"m","MODEL":"n"}', Code.INVALID_VALUE, "model"),
    (b'{"model":"m","Stream":true}', Code.INVALID_VALUE, "stream"),
    ('{"model":"m","max_to\u212aens":1}'.encode(), Code.INVALID_VALUE, "max_tokens"),
    ('{"model":"m","\u017ftream":true}'.encode(), Code.INVALID_VALUE, "stream"),
    (b'{"model":"m","\\u017ftop":"x"}', Code.INVALID_VALUE, "stop"),
    (b"{}", Code.MISSING_VALUE, "model"),
    (b'{"messages":[{"role":"user"}],"prompt":"","input":""}', Code.MISSING_VALUE, "model"),
]

# What is changed in a good document, the field that is named; for every operation.
BAD_FIELDS: list[tuple[dict[str, object], str]] = [
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"model": 7}, "model"),
    ({"model": ["m"]}, "model"),
    ({"model": {"name": "m"}}, "model"),
    ({"stream": "true"}, "stream"),
    ({"stream": 1}, "stream"),
    ({"stream_options": True}, "stream_options"),
    ({"stream_options": []}, "stream_options"),
    ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
    ({"n": 0}, "n"),
    ({"n": -1}, "n"),
    ({"n": 1.5}, "n"),
    ({"n": "1"}, "n"),
    ({"n": True}, "n"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": "10"}, "max_tokens"),
    ({"max_completion_tokens": -1}, "max_completion_tokens"),
    ({"max_completion_tokens": []}, "max_completion_tokens"),
    ({"temperature": "1"}, "temperature"),
    ({"temperature": [1]}, "temperature"),
    ({"temperature": False}, "temperature"),
    ({"top_p": {}}, "top_p"),
    ({"seed": 1.5}, "seed"),
    ({"seed": "7"}, "seed"),
    ({"stop": 1}, "stop"),
    ({"stop": [1]}, "stop[0]"),
    ({"stop": ["a", None]}, "stop[1]"),
    ({"stop": {"a": "b"}}, "stop"),
]

BAD_OF_ONE: list[tuple[Operation, dict[str, object], Code, str]] = [
    (Operation.CHAT, {"messages": []}, Code.INVALID_VALUE, "messages"),
    (Operation.CHAT, {"messages": None}, Code.INVALID_VALUE, "messages"),
    (Operation.CHAT, {"messages": "hi"}, Code.INVALID_VALUE, "messages"),
    (Operation.CHAT, {"messages": {"role": "user"}}, Code.INVALID_VALUE, "messages"),
    (Operation.CHAT, {"messages": ["hi"]}, Code.INVALID_VALUE, "messages[0]"),
    (Operation.CHAT, {"messages": [None]}, Code.INVALID_VALUE, "messages[0]"),
    (Operation.CHAT, {"messages": [{}]}, Code.MISSING_VALUE, "messages[0].role"),
    (Operation.CHAT, {"messages": [{"role": ""}]}, Code.INVALID_VALUE, "messages[0].role"),
    (
        Operation.CHAT,
        {"messages": [{"role": "user"}, {"role": 1}]},
        Code.INVALID_VALUE,
        "messages[1].role",
    ),
    (Operation.CHAT, {"tools": {}}, Code.INVALID_VALUE, "tools"),
    (Operation.CHAT, {"tools": [{}, 1]}, Code.INVALID_VALUE, "tools[1]"),
    (Operation.COMPLETION, {"prompt": 1}, Code.INVALID_VALUE, "prompt"),
    (Operation.COMPLETION, {"prompt": [1.5]}, Code.INVALID_VALUE, "prompt[0]"),
    (Operation.COMPLETION, {"prompt": [[1], ["a"]]}, Code.INVALID_VALUE, "prompt[1][0]"),
    (Operation.EMBEDDINGS, {"input": None}, Code.INVALID_VALUE, "input"),
    (Operation.EMBEDDINGS, {"input": {"a": 1}}, Code.INVALID_VALUE, "input"),
    (Operation.EMBEDDINGS, {"input": [True]}, Code.INVALID_VALUE, "input[0]"),
    (Operation.EMBEDDINGS, {"input": [[1, "a"]]}, Code.INVALID_VALUE, "input[0][1]"),
    (Operation.EMBEDDINGS, {"stream": True}, Code.INVALID_VALUE, "stream"),
]


@pytest.mark.parametrize("operation", sorted(PLAIN))
@pytest.mark.parametrize(("body", "code", "param"), BAD_DOCUMENTS)
def test_a_bad_document_is_refused_by_its_word(
    operation: Operation, body: bytes, code: Code, param: str | None
) -> None:
    error = _refused(operation, body)
    assert (error.code, error.param) == (code, param)
    assert len(error.message) < 300


@pytest.mark.parametrize("operation", sorted(PLAIN))
@pytest.mark.parametrize(("change", "param"), BAD_FIELDS)
def test_a_bad_field_is_refused_by_its_name(
    operation: Operation, change: dict[str, object], param: str
) -> None:
    error = _refused(operation, json.dumps(PLAIN[operation] | change).encode())
    assert (error.code, error.param) == (Code.INVALID_VALUE, param)
    assert error.message.startswith(f"{param}: ")


@pytest.mark.parametrize(("operation", "change", "code", "param"), BAD_OF_ONE)
def test_each_operation_has_its_own_fields(
    operation: Operation, change: dict[str, object], code: Code, param: str
) -> None:
    error = _refused(operation, json.dumps(PLAIN[operation] | change).encode())
    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize(
    ("operation", "field"), [(Operation.CHAT, "messages"), (Operation.EMBEDDINGS, "input")]
)
def test_what_is_asked_must_be_there(operation: Operation, field: str) -> None:
    error = _refused(operation, b'{"model":"m"}')
    assert (error.code, error.param) == (Code.MISSING_VALUE, field)
    assert error.message == f"{field} is required"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 39 + "e400"])
def test_a_number_beyond_all_numbers_is_refused(number: str) -> None:
    body = f'{{"model":"m","messages":[{{"role":"user"}}],"temperature":{number}}}'
    error = _refused(Operation.CHAT, body.encode())
    assert (error.code, error.param) == (Code.INVALID_VALUE, "temperature")


def test_a_message_does_not_repeat_the_prompt() -> None:
    secret = "the secret plan"
    error = _refused(Operation.CHAT, json.dumps({"model": "m", "messages": secret}).encode())
    assert secret not in error.message
    error = _refused(
        Operation.EMBEDDINGS, json.dumps({"model": "m", "input": {secret: 1}}).encode()
    )
    assert secret not in error.message


# ---- requests that pass

_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}

GOOD_CHATS: list[dict[str, object]] = [
    {},
    {"stream": True},
    {"stream": False},
    {"stream": None, "stop": None, "n": None, "seed": None, "tools": None, "stream_options": None},
    {"max_tokens": None, "max_completion_tokens": None, "temperature": None, "top_p": None},
    {"stream": True, "stream_options": {}},
    {"stream": True, "stream_options": {"include_usage": None, "include_obfuscation": False}},
    {"stream": True, "stream_options": {"include_usage": True, "unknown": {"a": 1}}},
    {"temperature": 1, "top_p": 0, "n": 128},
    {"temperature": 1e0, "top_p": -0.0},
    {"max_tokens": 0},
    {"seed": -(2**63), "max_tokens": 2**63 - 1, "user": "u"},
    {"seed": 2**64 - 1},
    {"stop": "x"},
    {"stop": []},
    {"stop": ["a", "b", "", "ü"]},
    {"tools": []},
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
    {"tool_choice": "auto", "parallel_tool_calls": False, "functions": [], "function_call": "none"},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
    {"logit_bias": {"50256": -100}, "logprobs": True, "top_logprobs": 20, "metadata": {"a": "b"}},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": ""}}]}]},
    {"messages": [{"role": "user"}]},
    {"messages": [{"role": "assistant", "content": None, "tool_calls": [_CALL]}]},
    {"messages": [{"role": "tool", "tool_call_id": "c", "content": "7"}]},
    {"messages": [{"role": "function", "name": "f", "content": None}]},
    {"messages": [{"role": "developer", "content": ""}, {"role": "system", "content": "x"}]},
    {"messages": [{"role": "latest_reminder", "content": "", "unknown": [[]]}]},
    {"model": "ft:gpt-4o:org::id"},
    {"model": "m" * 100_000},
    {"model": "\u0000 💥"},
    {"guided_json": {"a": [1, 2.5]}, "chat_template_kwargs": {"enable_thinking": False}},
    {"topK": 5, "X": None, "": 1, "models": ["m"], "Ü": 1, "modeL2": 1},
]


@pytest.mark.parametrize("change", GOOD_CHATS)
def test_a_legal_chat_passes_untouched(change: dict[str, object]) -> None:
    assert _read(Operation.CHAT, CHAT | change).model == (CHAT | change)["model"]


@pytest.mark.parametrize("prompt", ["", "a", [], ["a", "b"], [1, 2], [[1], [2, 3]], [""], None])
def test_a_legal_completion_passes_untouched(prompt: object) -> None:
    _read(Operation.COMPLETION, COMPLETION | {"prompt": prompt, "max_tokens": 0, "echo": True})
    _read(Operation.COMPLETION, {"model": "m", "suffix": None, "best_of": 1, "logprobs": 5})


@pytest.mark.parametrize("text", ["", "a", [], ["a", "b"], [1, 2], [[1], [2, 3]]])
def test_legal_embeddings_pass_untouched(text: object) -> None:
    more = {"input": text, "dimensions": 256, "encoding_format": "base64", "stream": False}
    _read(Operation.EMBEDDINGS, EMBEDDINGS | more)


def test_numbers_may_be_spelled_oddly() -> None:
    body = b'{"model":"m","messages":[{"role":"user"}],"temperature":%b,"seed":-0}'
    for spelled, value in ((b"1", 1), (b"1E0", 1), (b"0.10e+1", 1), (b"-0", 0), (b"1e-400", 0)):
        assert read_request(Operation.CHAT, body % spelled)[0].temperature == value


def test_the_head_says_what_decides_something() -> None:
    head = _read(Operation.CHAT, CHAT | {"stream": True, "stream_options": {"include_usage": True}})
    assert head.stream
    assert head.wants_usage
    for options in (None, {}, {"include_usage": None}, {"include_usage": False}):
        assert not _read(Operation.CHAT, CHAT | {"stream_options": options}).wants_usage


@pytest.mark.parametrize(
    ("operation", "change", "choices"),
    [
        (Operation.CHAT, {}, 1),
        (Operation.CHAT, {"n": 3}, 3),
        (Operation.COMPLETION, {"n": 2, "prompt": "a"}, 2),
        (Operation.COMPLETION, {"n": 2, "prompt": ["a", "b", "c"]}, 6),
        (Operation.COMPLETION, {"prompt": [[1, 2], [3]]}, 2),
        (Operation.COMPLETION, {"prompt": [1, 2, 3]}, 1),
        (Operation.COMPLETION, {"prompt": []}, 1),
        (Operation.COMPLETION, {"prompt": None}, 1),
    ],
)
def test_the_choices_that_an_answer_is_to_have_are_known(
    operation: Operation, change: dict[str, object], choices: int
) -> None:
    assert _read(operation, PLAIN[operation] | change).choices == choices


# ---- what OpenAI's own SDK may send, by its types and by its client

PARAMS: list[tuple[Operation, type]] = [
    (Operation.CHAT, chat_create_params.CompletionCreateParamsNonStreaming),
    (Operation.CHAT, chat_create_params.CompletionCreateParamsStreaming),
    (Operation.COMPLETION, completion_create_params.CompletionCreateParamsNonStreaming),
    (Operation.COMPLETION, completion_create_params.CompletionCreateParamsStreaming),
    (Operation.EMBEDDINGS, embedding_create_params.EmbeddingCreateParams),
]


def _samples(hint: object) -> list[object]:
    """Values of a type, as far as it is made of plain ones."""
    simple: dict[object, list[object]] = {
        str: ["x"],
        int: [1, 2**31],
        float: [1, 0.5],
        bool: [True, False],
        type(None): [None],
    }
    if hint in simple:
        return simple[hint]
    inner = [_samples(part) for part in typing.get_args(hint)]
    match typing.get_origin(hint):
        case typing.Union:
            return [sample for samples in inner for sample in samples]
        case typing.Literal:
            return list(typing.get_args(hint))
        case None:
            return [{}] if typing.is_typeddict(hint) else []
        case origin if origin is dict or not inner:
            return []
        case _:
            return [[sample, sample] for sample in inner[0]]


@pytest.mark.parametrize(("operation", "params"), PARAMS)
def test_every_value_of_the_sdks_types_passes(operation: Operation, params: type) -> None:
    tried = set()
    for field, hint in typing.get_type_hints(params).items():
        if field == "messages":
            continue
        for sample in _samples(hint):
            _read(operation, PLAIN[operation] | {field: sample})
            tried.add(field)
    assert tried >= {"model", *(("stream", "stop", "n") if operation is Operation.CHAT else ())}


def test_what_the_sdk_sends_passes() -> None:
    seen: list[tuple[str, bytes]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.url.path, request.read()))
        return httpx2.Response(500, json={})

    http = openai.DefaultHttpxClient(transport=httpx2.MockTransport(answer))
    with openai.OpenAI(api_key="k", base_url="http://x", max_retries=0, http_client=http) as client:
        for ask in (
            lambda: client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "ü"}],
                stream=True,
                stop=None,
                max_tokens=None,
                temperature=1,
                extra_body={"guided_choice": ["a"], "top_k": 5},
            ),
            lambda: client.completions.create(model="m", prompt=[1, 2], stream=None, stop=["a"]),
            lambda: client.embeddings.create(model="m", input=[[1, 2], [3]]),
        ):
            with pytest.raises(openai.InternalServerError):
                ask()
    operations = [Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDINGS]
    assert len(seen) == len(operations)
    for operation, (_, body) in zip(operations, seen, strict=True):
        assert read_request(operation, body)[0].model == "m"


def test_documents_that_are_not_understood_are_read_alike() -> None:
    assert list(read_fields(b'{"prompt":"a cat","size":"1x1"}')) == ["prompt", "size"]
    with pytest.raises(GatewayError) as told:
        read_fields(b'{"model":"m","mOdel":"n"}')
    assert told.value.param == "model"


# ---- answers


def test_an_answer_says_its_usage() -> None:
    body = chat_body(used=usage(7, 3, cached=5))
    assert read_answer(Operation.CHAT, body) == Usage(input=7, output=3, cached=5)
    assert read_answer(Operation.COMPLETION, completion_body()) == Usage(input=7, output=3)
    assert read_answer(Operation.EMBEDDINGS, embeddings_body(tokens=9)) == Usage(input=9)


def test_reasoning_is_part_of_the_output() -> None:
    used = usage() | {"completion_tokens_details": {"reasoning_tokens": 2}}
    assert read_answer(Operation.CHAT, chat_body(used=used)) == Usage(7, 3, reasoning=2)


@pytest.mark.parametrize(
    "used",
    [
        None,
        "7",
        7,
        [],
        {"prompt_tokens": "7"},
        {"prompt_tokens": -7},
        {"prompt_tokens": 7, "completion_tokens": -1},
        {"prompt_tokens": 1.5},
        {"completion_tokens": MAX_TOKENS + 1},
        {"prompt_tokens": 10**30},
        {"prompt_tokens_details": {"cached_tokens": -1}},
        {"prompt_tokens_details": []},
    ],
)
def test_usage_that_makes_no_sense_is_none(used: object) -> None:
    body = json.dumps({"choices": [], "usage": used}).encode()
    assert read_answer(Operation.CHAT, body) is None


@pytest.mark.parametrize("used", [{}, {"total_tokens": 9}, {"prompt_tokens": None}])
def test_usage_that_says_nothing_is_zero(used: object) -> None:
    assert (
        read_answer(Operation.CHAT, json.dumps({"choices": [], "usage": used}).encode()) == Usage()
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b"<html></html>",
        b'{"choices":null}',
        b'{"choices":{}}',
        b'{"choices":[]',
        b'{"choices":[],"x":NaN}',
        b'{"choices":["\xff"]}',
        b'{"choices":["\\ud800"]}',
        b'{"choices":[],"error":{"message":"no"}}',
        b'{"choices":[],"error":"no"}',
        b'{"error":{"message":"no"}}',
        b'{"data":[]}',
        b'{"choices":[%b]}' % (b"9" * 20_000),
        b'{"choices":[]} {}',
        b'{"choices":%b}' % (b"[" * 200_000),
        b"\xef\xbb\xbf" + chat_body(),
    ],
)
def test_a_200_that_is_no_answer_is_seen(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_answer(Operation.CHAT, body)


def test_embeddings_have_data_where_others_have_choices() -> None:
    with pytest.raises(BadAnswer):
        read_answer(Operation.EMBEDDINGS, chat_body())
    assert read_answer(Operation.EMBEDDINGS, b'{"data":[],"error":null}') is None


# ---- errors


def test_an_upstreams_error_is_read_in_its_own_words() -> None:
    body = b'{"error":{"message":"too long","type":"t","code":"c","param":"messages"}}'
    assert read_error(body) == Said("too long", "t", "c", "messages")


def test_one_without_an_outer_object_is_read_as_well() -> None:
    body = b'{"object":"error","message":"no such model","type":"t","param":"model","code":"c"}'
    assert read_error(body) == Said("no such model", "t", "c", "model")
    assert read_error(b'{"object":"list","message":"no"}') == Said()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "m", "code": 400, "param": None, "type": None}, Said("m")),
        ({"message": {"a": 1}, "code": "c"}, Said(code="c")),
        ({"message": "x" * 10_000}, Said("x" * MAX_SAID)),
        ({"param": ""}, Said()),
        ({}, Said()),
    ],
)
def test_what_is_no_text_is_not_said(error: object, said: Said) -> None:
    assert read_error(json.dumps({"error": error}).encode()) == said


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"error":null}',
        b'{"error":"no"}',
        b'{"error":[1]}',
        b'{"error":{"message":"\xff"}}',
        b'{"error":{"message":"cut',
        b'{"error":%b' % (b'{"a":' * 100_000),
    ],
)
def test_an_error_of_another_form_says_nothing(body: bytes) -> None:
    said = read_error(body)
    assert (said.type, said.code, said.param) == ("", "", None)
    assert said.message.isprintable()


def test_an_error_of_ours_has_openais_shape() -> None:
    error = GatewayError(Code.INVALID_VALUE, "n: exp\u00e9cted", param="n")
    assert json.loads(error_body(error)) == {
        "error": {
            "message": "n: expécted",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_value",
        }
    }
