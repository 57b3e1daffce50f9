"""boto3 sends what we send, and reads the golden answers that we read."""

import base64
import json
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from gateway.chat.document import Document
from gateway.chat.fold import fold
from gateway.dialects.base import Said
from gateway.dialects.bedrock import UPSTREAM, read_error
from tests.vendors import scripted
from tests.vendors.bedrock_wire import STREAM_HEAD
from tests.vendors.scripted import Send, Vendor

GOLDEN = Path(__file__).parents[2] / "golden" / "bedrock"
MODEL = "anthropic.claude-sonnet-4-20250514-v1:0"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/request.json"))


def _client(url: str) -> object:
    return boto3.client(
        "bedrock-runtime",
        region_name="eu-central-1",
        endpoint_url=url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}),
    )


def _with_bytes(value: object, key: str = "") -> object:
    """boto3 takes bytes where REST has base64."""
    if isinstance(value, dict):
        return {name: _with_bytes(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_bytes(inner, key) for inner in value]
    if key in ("bytes", "redactedContent") and isinstance(value, str):
        return base64.b64decode(value)
    return value


def _document(case: str, name: str) -> Document:
    document: Document = json.loads((GOLDEN / case / name).read_bytes())
    return document


@pytest.mark.parametrize("case", CASES)
def test_boto3_finds_nothing_wrong_and_sends_the_same_bytes(case: str) -> None:
    asked = _document(case, "request.json")
    answer = scripted.response(200, (GOLDEN / case / "response.json").read_bytes())
    with Vendor([Send(answer)]) as vendor:
        arguments = _with_bytes(asked)
        assert isinstance(arguments, dict)
        client = _client(vendor.url)
        read = client.converse(modelId=MODEL, **arguments)  # type: ignore[attr-defined] # untyped
        sent = vendor.journal[0]
    assert json.loads(sent.body) == asked
    assert sent.path == f"/model/{MODEL.replace(':', '%3A')}/converse"
    del read["ResponseMetadata"]
    assert read == _with_bytes(_document(case, "response.json"))


@pytest.mark.parametrize("case", [path.parent.name for path in GOLDEN.glob("*/stream.bin")])
def test_boto3_reads_the_streams_that_we_read(case: str) -> None:
    stream = (GOLDEN / case / "stream.bin").read_bytes()
    head = scripted.stream_head(headers=STREAM_HEAD)
    script = [Send(head + scripted.chunks(stream, 100) + scripted.LAST_CHUNK)]
    with Vendor(script) as vendor:
        client = _client(vendor.url)
        said = client.converse_stream(modelId=MODEL, messages=[])  # type: ignore[attr-defined] # untyped
        events = list(said["stream"])
        assert vendor.journal[0].path.endswith("/converse-stream")
    text = "".join(
        event["contentBlockDelta"]["delta"].get("text", "")
        for event in events
        if "contentBlockDelta" in event
    )
    answer = fold(UPSTREAM.reader().feed(stream))
    assert answer["choices"][0]["message"]["content"] == text
    (usage,) = [event["metadata"]["usage"] for event in events if "metadata" in event]
    assert answer["usage"]["total_tokens"] == usage["totalTokens"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"message":"no"}', Said("no")),
        (b'{"Message":"no"}', Said("no")),
        (b'{"__type":"com.amazon#ThrottlingException","message":"slow"}',
         Said("slow", "ThrottlingException")),
        (b"<html>", Said()),
        (b"\xff", Said()),
    ],
)  # fmt: skip
def test_an_error_says_what_it_says(body: bytes, said: Said) -> None:
    assert read_error(body) == said
