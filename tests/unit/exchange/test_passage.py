"""What is relayed without being understood: where it goes, under which name, byte for byte."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence

import pytest

from gateway.chat.operation import Operation
from gateway.errors import Code, GatewayError
from gateway.exchange.metering import Meter
from gateway.exchange.passage import IN_MEMORY, Passage, place
from gateway.telemetry.record import Outcome
from gateway.wire.http import RequestHead
from tests.unit.exchange.serving import CONFIG, SECRET, Serving, serving, until
from tests.vendors.looped import looped
from tests.vendors.scripted import (
    LAST_CHUNK,
    Close,
    Received,
    Script,
    Send,
    Stall,
    chunk,
    response,
    stream_head,
)

OK: Script = [Send(response(200, b"\0\xffdone", b"content-type: audio/mpeg\r\nserver: v\r\n"))]
FORM = b"multipart/form-data; boundary=B"


class Coming:
    """A body that comes in these parts, then ends, stalls or fails."""

    def __init__(self, parts: Sequence[bytes], then: GatewayError | None = None) -> None:
        self._parts = parts
        self._then = then

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for part in self._parts:
            yield part
            await asyncio.sleep(0)
        if self._then is not None:
            raise self._then


def head_of(
    path: bytes,
    method: bytes = b"POST",
    query: bytes = b"",
    length: int | None = None,
    **headers: bytes,
) -> RequestHead:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return RequestHead(method, path, query, named, length)


def form(model: bytes, size: int = 100, last: bool = True) -> bytes:
    """A form whose file comes before or after the model's name."""
    part = b'--B\r\ncontent-disposition: form-data; name="model"\r\n\r\n%b\r\n' % model
    file = (
        b'--B\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n%b\r\n'
        % (bytes(range(256)) * (size // 256 + 1))[:size]
    )
    return (file + part if last else part + file) + b"--B--\r\n"


async def relayed(
    on: Serving,
    head: RequestHead,
    body: bytes | Coming = b"",
    operation: Operation = Operation.AUDIO,
) -> Received:
    prefix = b"/v1/" + operation.value.encode()
    caller = on.caller(b"traceparent: 00-x\r\n")
    meter = Meter(on.house.runtime, caller, on.record)
    passage = Passage(caller, operation, head, prefix, on.outlet, on.record, meter, lambda: 0.0)
    await passage.run(body)
    return on.bad.journal[-1]


async def refused(on: Serving, head: RequestHead, body: bytes | Coming = b"") -> GatewayError:
    with pytest.raises(GatewayError) as error:
        await relayed(on, head, body)
    return error.value


# ---- where to


@pytest.mark.parametrize(
    ("path", "query", "rest", "kept", "model"),
    [
        (b"/v1/audio", b"", b"", b"", None),
        (b"/v1/audio/speech", b"model=m", b"/speech", b"", "m"),
        (b"/v1/audio/a%20b/c", b"x=1&model=m&y=%26", b"/a%20b/c", b"?x=1&y=%26", "m"),
        (b"/v1/audio/a%3Fb%23", b"", b"/a%3Fb%23", b"", None),
        (b"/v1/audio/a%0d%0ab", b"", b"/a%0D%0Ab", b"", None),
        (b"/v1/audio/x", b"model=m&model=m", b"/x", b"", "m"),
    ],
)
def test_a_path_is_quoted_again(
    path: bytes, query: bytes, rest: bytes, kept: bytes, model: str | None
) -> None:
    found = place(head_of(path, query=query), b"/v1/audio")
    assert (found.rest, found.query, found.model) == (rest, kept, model)


@pytest.mark.parametrize(
    "path", [b"/..", b"/a/../b", b"/%2e%2e/x", b"/.", b"/a%2fb", b"/a%5Cb", b"/..%2f..", b"/a\\b"]
)
def test_a_path_leads_nowhere_else(path: bytes) -> None:
    with pytest.raises(GatewayError) as error:
        place(head_of(b"/v1/audio" + path), b"/v1/audio")
    assert error.value.code is Code.NOT_FOUND


def test_two_models_are_one_too_many() -> None:
    for query, header in ((b"model=a&model=b", b""), (b"model=a", b"b")):
        head = head_of(b"/v1/audio", query=query, x_gateway_model=header)
        if not header:
            del head.headers[b"x-gateway-model"]
        with pytest.raises(GatewayError) as error:
            place(head, b"/v1/audio")
        assert (error.value.code, error.value.param) == (Code.INVALID_VALUE, "model")


# ---- documents


@looped
async def test_a_document_goes_on_under_the_backend_s_name() -> None:
    async with serving(OK) as on:
        body = b'{"model": "m", "input": 1.0e2, "x": {"model":"m"}}'
        head = head_of(b"/v1/audio/speech", content_type=b"application/json")
        seen = await relayed(on, head, body)
        assert seen.body == b'{"model":"real-model","input":1.0e2,"x":{"model":"m"}}'
        assert (seen.method, seen.path) == ("POST", "/v1/audio/speech")
        assert [name for name, _ in seen.headers] == [
            "host", "authorization", "user-agent", "accept-encoding", "content-type",
            "traceparent", "content-length",
        ]  # fmt: skip
        assert seen.header("authorization") == f"Bearer {SECRET}"
        assert on.client.body == b"\0\xffdone"
        assert on.client.headers["content-type"] == "audio/mpeg"
        assert on.client.headers["x-gateway-model"] == "bad/real-model"
        assert "server" not in on.client.headers
        assert (on.record.status, on.record.outcome) == (200, Outcome.COMPLETE)
        assert on.record.model == "m"


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
@looped
async def test_a_request_without_a_body_needs_the_model_beside_it(method: bytes) -> None:
    async with serving(OK) as on:
        head = head_of(b"/v1/audio/f-1", method, b"model=m&limit=2")
        seen = await relayed(on, head)
        assert (seen.method, seen.path) == (method.decode(), "/v1/audio/f-1?limit=2")
        assert seen.header("content-length") is None
        assert (await refused(on, head_of(b"/v1/audio/f-1", method))).code is Code.MISSING_VALUE


@looped
async def test_what_a_vendor_does_not_take_is_refused_by_name() -> None:
    config = CONFIG.replace("openai_compatible", "cohere").replace("real-model", "rerank-v4")
    async with serving(OK, config=config) as on:
        body = b'{"model":"m","query":"q","documents":["d"],"return_documents":true}'
        head = head_of(b"/v1/rerank", content_type=b"application/json")
        with pytest.raises(GatewayError) as raised:
            await relayed(on, head, body, Operation.RERANK)
        assert (raised.value.code, raised.value.param) == (Code.UNTRANSLATABLE, "return_documents")
        assert on.bad.journal == []


@looped
async def test_a_header_may_name_the_model() -> None:
    async with serving(OK) as on:
        await relayed(on, head_of(b"/v1/audio/f-1", b"GET", x_gateway_model=b"m"))
        assert on.record.model == "m"
        assert on.bad.journal[0].header("x-gateway-model") is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"model":7}', Code.INVALID_VALUE),
        (b"{}", Code.MISSING_VALUE),
        (b'{"model":null}', Code.MISSING_VALUE),
        (b'{"model":"unknown"}', Code.MODEL_NOT_FOUND),
        (b"{", Code.INVALID_JSON),
        (b'{"model":"m","model":"x"}', Code.DUPLICATE_KEY),
    ],
)
@looped
async def test_a_document_without_a_good_name_goes_nowhere(body: bytes, code: Code) -> None:
    async with serving(OK) as on:
        head = head_of(b"/v1/audio/speech", content_type=b"application/json")
        assert (await refused(on, head, body)).code is code
        assert on.bad.connections == 0


# ---- uploads


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("size", [100, IN_MEMORY * 2])
@looped
async def test_a_form_goes_on_under_the_backend_s_name(known: bool, last: bool, size: int) -> None:
    async with serving(OK) as on:
        sent, expected = form(b"m", size, last), form(b"real-model", size, last)
        parts = [sent[at : at + 5000] for at in range(0, len(sent), 5000)]
        head = head_of(b"/v1/audio/x", length=len(sent) if known else None, content_type=FORM)
        seen = await relayed(on, head, Coming(parts))
        assert seen.body == expected
        assert seen.header("content-length") == (str(len(expected)) if known else None)
        assert seen.header("transfer-encoding") == (None if known else "chunked")
        assert seen.header("content-type") == FORM.decode()


@looped
async def test_bytes_of_any_kind_go_on_as_they_are() -> None:
    async with serving(OK) as on:
        head = head_of(
            b"/v1/audio/x", query=b"model=m", length=6, content_type=b"application/octet-stream"
        )
        seen = await relayed(on, head, Coming([b"\0\1\2", b"\3\4\5"]))
        assert (seen.body, seen.header("content-length")) == (b"\0\1\2\3\4\5", "6")


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([b"--B\r\ncontent-disposition: form-data; name=x\r\n\r\ny\r\n--B--\r\n"],
         Code.MISSING_VALUE),
        ([b"no form at all"], Code.INVALID_BODY),
        ([form(b"unknown")], Code.MODEL_NOT_FOUND),
    ],
)  # fmt: skip
@looped
async def test_a_form_without_a_good_name_goes_nowhere(parts: list[bytes], code: Code) -> None:
    async with serving(OK) as on:
        head = head_of(b"/v1/audio/x", content_type=FORM)
        assert (await refused(on, head, Coming(parts))).code is code
        assert on.bad.connections == 0


@looped
async def test_a_form_that_turns_bad_under_way_never_ends_well() -> None:
    async with serving(OK) as on:
        name = b'--B\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n'
        head = head_of(b"/v1/audio/x", content_type=FORM)
        error = await refused(on, head, Coming([name + b"--B\r\n", name]))
        assert error.code is Code.INVALID_BODY
        assert on.bad.journal == []  # no whole request has come
        assert on.client.sent == b""


@looped
async def test_a_client_that_stalls_is_told_so() -> None:
    async with serving(OK) as on:
        slow = GatewayError(Code.REQUEST_TIMEOUT, "too slow")
        kind = b"audio/mpeg"
        head = head_of(b"/v1/audio/x", query=b"model=m", length=9, content_type=kind)
        assert await refused(on, head, Coming([b"some"], slow)) is slow


@pytest.mark.parametrize(
    "kind", [None, b"", b"text/plain", b"application/x-www-form-urlencoded", b"application/jsonl",
             b"application/vnd.api+json", b"multipart/mixed; boundary=B"],
)  # fmt: skip
@looped
async def test_a_body_that_may_name_another_model_goes_nowhere(kind: bytes | None) -> None:
    async with serving(OK) as on:
        kinds = {} if kind is None else {"content_type": kind}
        head = head_of(b"/v1/moderations", query=b"model=m", length=9, **kinds)
        for body in (b'{"model":"other"}', Coming([b'{"model":"other"}'])):
            error = await refused(on, head, body)
            assert (error.code, error.param) == (Code.INVALID_BODY, "content-type")
        assert on.bad.connections == 0


# ---- answers


@looped
async def test_an_error_is_ours_with_the_vendor_s_words() -> None:
    said = b'{"error":{"message":"too long: %b","param":"file"}}' % SECRET.encode()
    async with serving([Send(response(400, said))]) as on:
        error = await refused(on, head_of(b"/v1/audio/x", query=b"model=m"))
        assert (error.code, error.status, error.param) == (Code.UPSTREAM_REFUSED, 400, "file")
        assert error.message == "too long: ***"
        assert on.record.attempts[0].failure is Code.UPSTREAM_REFUSED


@pytest.mark.parametrize(
    "cut", [response(200, b"whole")[:-2], stream_head() + chunk(b"who"), stream_head() + b"zz\r\n"]
)
@looped
async def test_a_cut_answer_is_not_ended_well(cut: bytes) -> None:
    async with serving([Send(cut), Close()]) as on:
        await relayed(on, head_of(b"/v1/audio/x", query=b"model=m"))
        assert on.record.code in (Code.STREAM_INTERRUPTED, Code.PROTOCOL_ERROR)
        assert on.record.attempts[0].failure is on.record.code
        assert on.client.endings == ["abort"]


@looped
async def test_an_answer_without_a_body_says_nothing_of_one() -> None:
    async with serving([Send(b"HTTP/1.1 204 No Content\r\n\r\n")]) as on:
        await relayed(on, head_of(b"/v1/audio/x", b"DELETE", b"model=m"))
        assert on.client.sent.startswith(b"HTTP/1.1 204 ")
        assert on.client.sent.endswith(b"\r\n\r\n")
        assert not {"content-length", "transfer-encoding"} & on.client.headers.keys()


@looped
async def test_an_answer_in_chunks_passes_chunk_by_chunk() -> None:
    parts = [Send(stream_head()), *(Send(chunk(b"%d" % n), gap_s=0.005) for n in range(5))]
    async with serving([*parts, Send(LAST_CHUNK)]) as on:
        await relayed(on, head_of(b"/v1/audio/x", query=b"model=m"))
        assert on.client.body == b"01234"


@pytest.mark.parametrize("script", [[Stall()], [Send(stream_head() + chunk(b"x")), Stall()]])
@looped
async def test_who_leaves_leaves_nothing_open(script: Script) -> None:
    async with serving(script) as on:
        going = asyncio.create_task(relayed(on, head_of(b"/v1/audio/x", query=b"model=m")))
        await until(lambda: on.bad.journal)
        await asyncio.sleep(0.02)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert not any(on.in_flight)
        assert on.record.attempts[0].failure is Code.CLIENT_CLOSED
        await on.bad.journal[0].client_left(1)


@looped
async def test_a_document_of_responses_is_relayed_too() -> None:
    async with serving([Send(response(200, b'{"id":"r"}'))]) as on:
        head = head_of(b"/v1/responses", content_type=b"application/json; charset=utf-8")
        body = json.dumps({"model": "m", "input": "hi"}).encode()
        seen = await relayed(on, head, body, Operation.RESPONSES)
        assert json.loads(seen.body) == {"model": "real-model", "input": "hi"}
        assert on.client.body == b'{"id":"r"}'
