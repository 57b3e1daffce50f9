"""Anthropic's own SDK as the judge: it knows what we ask, and reads what we answer.

Fields that its newest version no longer has (temperature, top_p, top_k) are not looked at.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pydantic
import pytest
from anthropic.types import Message, ModelInfo, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from anthropic.types.shared import ErrorResponse

from gateway.chat.document import Document
from gateway.dialects.anthropic import error_body, model, models
from gateway.errors import SITUATIONS, Code, GatewayError
from gateway.wire import json

HERE: Final = Path(__file__).parent / "anthropic"
_request: Final = pydantic.TypeAdapter(MessageCreateParamsNonStreaming)
_event: Final[Callable[[str], object]] = pydantic.TypeAdapter(RawMessageStreamEvent).validate_json
OLDER: Final = {"temperature", "top_p", "top_k"}


def _files(name: str) -> pytest.MarkDecorator:
    files = sorted(HERE.glob(f"*/{name}"))
    return pytest.mark.parametrize("file", files, ids=[file.parent.name for file in files])


def _drained(value: object) -> object:
    """pydantic looks at an Iterable no sooner than it is drawn."""
    if isinstance(value, dict):
        return {key: _drained(inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_drained(inner) for inner in value]
    return value


def _judge(request: Document) -> None:
    known = _drained(_request.validate_python(request))
    assert isinstance(known, dict)
    assert request.keys() - known.keys() <= OLDER


def _read(file: Path) -> Document:
    document: Document = pydantic.TypeAdapter(Document).validate_json(file.read_bytes())
    return document


@_files("request.json")
def test_the_sdk_knows_what_is_asked(file: Path) -> None:
    request = _read(file)
    assert request.pop("stream", True) is True
    _judge(request)


def test_the_judge_bites() -> None:
    block = {"type": "image", "source": {"type": "url"}}
    with pytest.raises(pydantic.ValidationError):
        _judge({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [block]}]})


@_files("client_response.json")
def test_the_sdk_reads_what_is_answered(file: Path) -> None:
    Message.model_validate_json(file.read_bytes(), strict=True)


@_files("client_stream.txt")
def test_the_sdk_reads_each_event(file: Path) -> None:
    for frame in file.read_text().removesuffix("\n\n").split("\n\n"):
        kind, data = frame.split("\n")
        if kind == "event: error":
            ErrorResponse.model_validate_json(data.removeprefix("data: "))
        else:
            _event(data.removeprefix("data: "))


@pytest.mark.parametrize("code", SITUATIONS)
def test_the_sdk_reads_every_error(code: Code) -> None:
    body = error_body(GatewayError(code, "no", param="messages"))
    kind = _read_error(body)
    if kind not in ("request_too_large", "conflict_error"):  # documented, though not in its types
        ErrorResponse.model_validate_json(body)


def _read_error(body: bytes) -> str:
    document: Document = pydantic.TypeAdapter(Document).validate_json(body)
    kind: str = document["error"]["type"]
    return kind


def test_the_sdk_reads_the_list_of_models() -> None:
    for one in models([model("a", 0), model("b", 1_700_000_000)])["data"]:
        ModelInfo.model_validate_json(json.write(one))
