"""Every case of every dialect, in both directions, against the files that lie beside it.

`tests/golden/<dialect>/<case>/`; a row reads: file, made from which (if that is there), by what.

| File | From | By |
|---|---|---|
| `source.md` | the vendor's page | hand |
| `chat_request.json` | `client_request.json` | `CLIENT.read_request`, else by hand |
| `request.json` | `chat_request.json` | `UPSTREAM.write_request` |
| `refused.json` | the same, in place of the file that cannot be | a GatewayError |
| `chat_response.json` | `response.json` | `UPSTREAM.read_response`, else by hand |
| `deltas.json` | `stream.txt` or `stream.bin` | `UPSTREAM.reader`, else by hand or from `chat_response.json` |
| `client_response.json` | `chat_response.json` | `CLIENT.write_response` |
| `client_stream.txt` | the deltas | `CLIENT.writer` |
| `said.json` | `error.json` | `UPSTREAM.read_error` |

An answer whole and an answer streamed that lie in one case are the same answer.
"""  # noqa: E501 - a table

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateway.chat import deltas as kinds
from gateway.chat import usage
from gateway.chat.deltas import Broken, Count, Delta
from gateway.chat.document import Document
from gateway.chat.fold import fold, unfold
from gateway.dialects import (
    anthropic_client,
    anthropic_upstream,
    bedrock,
    cohere,
    gemini_client,
    gemini_upstream,
    ollama,
    openai_chat,
    openai_completion,
    openai_responses,
)
from gateway.dialects.base import ClientDialect, Losses, UpstreamDialect
from gateway.errors import GatewayError

HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Sides:
    client: ClientDialect | None
    upstream: UpstreamDialect | None


DIALECTS: Final = {
    "anthropic": Sides(anthropic_client.CLIENT, anthropic_upstream.UPSTREAM),
    "gemini": Sides(gemini_client.CLIENT, gemini_upstream.UPSTREAM),
    "openai_chat": Sides(openai_chat.CLIENT, openai_chat.UPSTREAM),
    "openai_completion": Sides(openai_completion.CLIENT, openai_completion.UPSTREAM),
    "openai_responses": Sides(openai_responses.CLIENT, openai_responses.UPSTREAM),
    "bedrock": Sides(None, bedrock.UPSTREAM),
    "cohere": Sides(None, cohere.UPSTREAM),
    "ollama": Sides(None, ollama.UPSTREAM),
}
CASES: Final = sorted(path.parent for path in HERE.glob("*/*/source.md"))


def having(*names: str, side: str = "upstream") -> pytest.MarkDecorator:
    """The cases that have all these files (of a|b one), in dialects that have this side."""
    folders = [
        folder
        for folder in CASES
        if getattr(DIALECTS[folder.parent.name], side) is not None
        and all(any((folder / one).exists() for one in name.split("|")) for name in names)
    ]
    ids = [f"{folder.parent.name}-{folder.name}" for folder in folders]
    return pytest.mark.parametrize("folder", folders, ids=ids)


@pytest.fixture
def case(request: pytest.FixtureRequest, folder: Path) -> "Case":
    return Case(folder, bool(request.config.getoption("--update", default=False)))


class Case:
    def __init__(self, folder: Path, update: bool) -> None:
        self.folder = folder
        self.update = update
        self.sides = DIALECTS[folder.parent.name]

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def document(self, name: str) -> Document:
        document: Document = json.loads(self.raw(name))
        return document

    def raw(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def holds(self, name: str, value: object) -> None:
        """value is what the file says, or becomes it."""
        written = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        if self.update:
            (self.folder / name).write_text(written)
        assert self.has(name), f"--update writes {name}:\n{written}"
        assert value == json.loads(self.raw(name))

    @property
    def upstream(self) -> UpstreamDialect:
        assert self.sides.upstream is not None
        return self.sides.upstream

    @property
    def client(self) -> ClientDialect:
        assert self.sides.client is not None
        return self.sides.client

    def or_refused(self, name: str, made: Callable[[Losses], Document]) -> None:
        """The document that is made, or the refusal that the case is about."""
        try:
            document = made(Losses())
        except GatewayError as error:
            self.holds("refused.json", {"code": error.code.value, "param": error.param})
            return
        self.holds(name, document)

    def stream(self) -> bytes:
        return self.raw("stream.txt" if self.has("stream.txt") else "stream.bin")


STREAM: Final = "stream.txt|stream.bin"


# ---- requests


@having("client_request.json", side="client")
def test_the_clients_request_is_read(case: Case) -> None:
    client, body = case.client, case.raw("client_request.json")
    client.read_head(body)
    document = json.loads(body)
    case.or_refused("chat_request.json", lambda losses: client.read_request(document, losses))
    assert document == json.loads(body)


@having("chat_request.json", "request.json|refused.json")
def test_the_upstreams_request_is_written(case: Case) -> None:
    upstream, chat = case.upstream, case.document("chat_request.json")
    case.or_refused("request.json", lambda losses: upstream.write_request(chat, losses))
    assert chat == case.document("chat_request.json")


# ---- answers


@having("response.json")
def test_the_upstreams_answer_is_read(case: Case) -> None:
    upstream = case.upstream
    answer = upstream.read_response(case.document("response.json"))
    case.holds("chat_response.json", answer)
    if case.sides.client is not None:
        assert upstream.read_answer(case.raw("response.json")) == usage.of(answer.get("usage"))


@having("chat_request.json", "chat_response.json", "client_response.json", side="client")
def test_the_clients_answer_is_written(case: Case) -> None:
    answer, request = case.document("chat_response.json"), case.document("chat_request.json")
    case.holds("client_response.json", case.client.write_response(answer, request))
    assert answer == case.document("chat_response.json")


@having("error.json")
def test_an_error_is_read(case: Case) -> None:
    case.holds("said.json", msgspec.to_builtins(case.upstream.read_error(case.raw("error.json"))))


# ---- streams


@having(STREAM)
def test_the_upstreams_stream_is_read_in_any_cutting(case: Case) -> None:
    stream = case.stream()
    read = _read(case.upstream, [stream])
    case.holds("deltas.json", [_plain(delta) for delta in read])
    for size in (1, 2, 3, 7, 61, 1021):
        cut = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert _read(case.upstream, cut) == read


@having(STREAM, "response.json")
def test_streamed_and_whole_are_the_same_answer(case: Case) -> None:
    folded = fold(_read(case.upstream, [case.stream()]))
    assert folded == case.upstream.read_response(case.document("response.json"))


@having(STREAM, "client_request.json")
def test_the_stream_passes_untouched_where_the_client_speaks_the_same(case: Case) -> None:
    stream, client = case.stream(), case.client
    head, _ = client.read_head(case.raw("client_request.json"))
    watch = case.upstream.watch(head)
    passed = watch.feed(stream)
    deltas = _read(case.upstream, [stream])
    broken = next((delta.code for delta in deltas if isinstance(delta, Broken)), None)
    assert watch.broken == broken
    assert passed == stream if broken is None else stream.startswith(passed)
    counts = [delta.usage for delta in deltas if isinstance(delta, Count)]
    assert watch.usage == (counts[-1] if counts else None)


@having("chat_request.json", "client_stream.txt", side="client")
def test_the_clients_stream_is_written(case: Case) -> None:
    writer = case.client.writer(case.document("chat_request.json"))
    deltas = _given(case)
    whole: list[Delta] = [delta for delta in deltas if not isinstance(delta, Broken)]
    written = writer.write(whole)
    for broken in (delta for delta in deltas if isinstance(delta, Broken)):
        written += writer.fail(GatewayError(broken.code, "the backend failed"))
    if len(whole) == len(deltas):
        written += writer.close()
    if case.update:
        (case.folder / "client_stream.txt").write_bytes(written)
    assert written.decode() == case.raw("client_stream.txt").decode()


def _read(upstream: UpstreamDialect, chunks: Iterable[bytes]) -> list[Delta]:
    reader = upstream.reader()
    deltas = [delta for chunk in chunks for delta in reader.feed(chunk)]
    return deltas + reader.close()


def _given(case: Case) -> list[Delta]:
    """Read from the upstream's stream, or by hand, or the whole answer's."""
    if case.sides.upstream and (case.has("stream.txt") or case.has("stream.bin")):
        return _read(case.sides.upstream, [case.stream()])
    if case.has("deltas.json"):
        return [_delta(plain) for plain in json.loads(case.raw("deltas.json"))]
    return list(unfold(case.document("chat_response.json")))


def _plain(delta: Delta) -> Document:
    return {"delta": type(delta).__name__, **msgspec.to_builtins(delta)}


def _delta(plain: Document) -> Delta:
    fields = dict(plain)
    delta: Delta = msgspec.convert(fields, getattr(kinds, fields.pop("delta")))
    return delta
