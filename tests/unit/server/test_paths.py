"""Which path asks for what."""

import json

import pytest

from gateway.chat.operation import Operation
from gateway.server.paths import Named, named, row_of


@pytest.mark.parametrize(
    ("path", "operation", "relayed"),
    [
        (b"/v1/chat/completions", Operation.CHAT, False),
        (b"/v1/models/a/b", Operation.MODELS, False),
        (b"/v1/audio/speech", Operation.AUDIO, True),
        (b"/v1/responses/resp_1", Operation.RESPONSES, True),
        (b"/v1beta/models/gemini-pro", Operation.MODELS, False),
        (b"/healthz", None, False),
    ],
)
def test_a_path_has_its_row(path: bytes, operation: Operation | None, relayed: bool) -> None:
    row = row_of(path)
    assert row is not None
    assert (row.operation, row.relayed) == (operation, relayed)


@pytest.mark.parametrize("path", [b"/", b"/v1", b"/v1/nothing", b"/v1/chat", b"/v1beta/x:generate"])
def test_other_paths_have_none(path: bytes) -> None:
    assert row_of(path) is None


def test_gemini_s_path_says_the_model_and_whether_it_streams() -> None:
    row = row_of(b"/v1beta/models/my%2Fmodel:streamGenerateContent")
    assert row is not None
    assert (row.operation, row.named) == (Operation.GENERATE, Named("my/model", stream=True))
    row = row_of(b"/v1beta/models/m:generateContent")
    assert row is not None
    assert row.named == Named("m", stream=False)
    row = row_of(b"/v1beta/models/m:countTokens")
    assert row is not None
    assert row.operation is Operation.COUNT_CONTENT


@pytest.mark.parametrize("body", [b"{}", b' { "contents":[1] }', b'{"contents":[1]}'])
def test_what_the_path_says_stands_in_the_document(body: bytes) -> None:
    told = json.loads(named(body, Named('m"x', stream=True)))
    assert told == {"model": 'm"x', "stream": True, **json.loads(body)}


def test_what_is_no_document_stays_as_it_is() -> None:
    assert named(b"[1]", Named("m", stream=True)) == b"[1]"
