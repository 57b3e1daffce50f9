"""Whatever stands in a field, Gemini stays calm: a request is refused, an answer is a bad one.

Each field of each golden file, in turn, is something that it should not be.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.dialects import openai_chat
from gateway.dialects.base import BadAnswer, Losses
from gateway.dialects.gemini_client import CLIENT
from gateway.dialects.gemini_upstream import UPSTREAM
from gateway.errors import GatewayError

GOLDEN: Final = Path(__file__).parent.parent / "golden" / "gemini"
JUNK: Final[tuple[object, ...]] = (None, -1, "x", {}, [1], [{}], {"type": "x"}, True)


def _spoilt(name: str) -> Iterator[Any]:
    for path in sorted(GOLDEN.glob(f"*/{name}")):
        document = json.loads(path.read_bytes())
        for place in _places(document):
            for junk in JUNK:
                yield _put(document, place, junk)


def _places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in below:
        yield (*above, key)
        if isinstance(one, dict | list):
            yield from _places(one, (*above, key))


def _put(value: Any, place: tuple[str | int, ...], junk: object) -> Any:
    """A copy with junk in one place."""
    key, *below = place
    copy = value.copy()
    copy[key] = _put(value[key], tuple(below), junk) if below else junk
    return copy


def test_a_clients_request_is_read_or_refused() -> None:
    for document in _spoilt("client_request.json"):
        try:
            CLIENT.read_request(document, Losses(drop=True))
        except GatewayError as refused:
            assert refused.status == 400  # noqa: PT017 - most are read


def test_a_request_is_written_or_refused() -> None:
    for document in _spoilt("chat_request.json"):
        try:
            chat = openai_chat.CLIENT.read_request(document, Losses(drop=True))
            UPSTREAM.write_request(chat, Losses(drop=True))
        except GatewayError as refused:
            assert refused.status == 400  # noqa: PT017 - most are written


def test_an_answer_is_read_or_bad() -> None:
    bad = 0
    for document in _spoilt("response.json"):
        reader = UPSTREAM.reader()
        reader.feed(b"data: %b\n\n" % json.dumps(document).encode())
        reader.close()
        try:
            UPSTREAM.read_response(document)
        except BadAnswer:
            bad += 1
    assert bad > 0


@pytest.mark.parametrize("name", ["client_request.json", "chat_request.json", "response.json"])
def test_there_is_something_to_spoil(name: str) -> None:
    assert sum(1 for _ in _spoilt(name)) > 1000
