"""What is written in Gemini's language, read by Google's own types, which take nothing unknown."""

import json
from pathlib import Path
from typing import Final

import pytest
from google.genai import types
from pydantic import BaseModel

from gateway.chat.document import Document
from gateway.dialects.gemini_client import CLIENT
from gateway.errors import Code, GatewayError

GOLDEN: Final = Path(__file__).parent.parent / "golden" / "gemini"
_FORMS: Final[dict[str, type[BaseModel]]] = {
    "tools": types.Tool,
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
}


def _cases(name: str) -> list[Path]:
    found = sorted(GOLDEN.glob(f"*/{name}"))
    assert found
    return found


@pytest.mark.parametrize("path", _cases("request.json"), ids=lambda path: path.parent.name)
def test_google_takes_what_is_asked(path: Path) -> None:
    request: Document = json.loads(path.read_bytes())
    for content in [*request.pop("contents"), request.pop("systemInstruction", {})]:
        types.Content.model_validate_json(json.dumps(content))
    for tool in request.pop("tools", ()):
        types.Tool.model_validate_json(json.dumps(tool))
    for name, value in request.items():
        _FORMS[name].model_validate_json(json.dumps(value))


@pytest.mark.parametrize("path", _cases("client_response.json"), ids=lambda path: path.parent.name)
def test_google_reads_what_is_answered(path: Path) -> None:
    answer = types.GenerateContentResponse.model_validate_json(path.read_bytes())
    assert answer.candidates
    assert answer.usage_metadata
    known = set(types.FinishReason)
    assert {one.finish_reason for one in answer.candidates} <= known


@pytest.mark.parametrize("path", _cases("client_stream.txt"), ids=lambda path: path.parent.name)
def test_google_reads_what_is_streamed(path: Path) -> None:
    events = path.read_bytes().removesuffix(b"\n\n").split(b"\n\n")
    for event in events:
        said = event.removeprefix(b"data: ")
        if not said.startswith(b'{"error":'):  # by which Google's client knows an error
            types.GenerateContentResponse.model_validate_json(said)


def test_google_reads_an_error() -> None:
    error = GatewayError(Code.INVALID_VALUE, "no", param="contents.0")
    said = json.loads(CLIENT.error_body(error))["error"]
    assert (said["code"], said["status"]) == (400, "INVALID_ARGUMENT")
