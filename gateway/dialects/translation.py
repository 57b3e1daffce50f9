"""A client's language and an upstream's, joined by the lingua franca for one pair of ends.

There is none where both are the same: then bytes go through. An exchange reads the client's
document once; each attempt writes it for its own target.
"""

from typing import Protocol

from gateway.chat import usage
from gateway.chat.deltas import CONTENT, Begin, Broken, Count, Delta, tokens
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.base import (
    ClientDialect,
    DeltaReader,
    DeltaWriter,
    EmbeddingsDialect,
    Losses,
    Said,
    UpstreamDialect,
)
from gateway.errors import Code, GatewayError


class Translation(Protocol):
    @property
    def stream_type(self) -> bytes:
        """How the content type of the upstream's streams begins."""

    def request(self, asked: Document, losses: Losses) -> Document:
        """The lingua franca's in the upstream's language. Raises GatewayError."""

    def answer(
        self, document: Document, asked: Document, ours: Begin
    ) -> tuple[Document, Usage | None]:
        """The upstream's answer in the client's language. Raises BadAnswer.

        ours: what is said of it where the upstream gives it no id, model or time.
        """

    def stream(self, asked: Document, ours: Begin) -> "Translated": ...

    def told_by(self, client: ClientDialect) -> "Translation":
        """The same for a client of another language."""

    def read_error(self, body: bytes) -> Said: ...


class Chats:
    """Between any two languages of conversation."""

    def __init__(self, client: ClientDialect, upstream: UpstreamDialect) -> None:
        self._client = client
        self._upstream = upstream
        self.stream_type = upstream.stream_type
        self.request = upstream.write_request
        self.read_error = upstream.read_error

    def answer(
        self, document: Document, asked: Document, ours: Begin
    ) -> tuple[Document, Usage | None]:
        answer = _completed(self._upstream.read_response(document), ours)
        return self._client.write_response(answer, asked), usage.of(answer.get("usage"))

    def stream(self, asked: Document, ours: Begin) -> "Translated":
        return Translated(self._upstream.reader(), self._client.writer(asked), ours)

    def told_by(self, client: ClientDialect) -> "Chats":
        return Chats(client, self._upstream)


class Embeddings:
    """From OpenAI's embeddings, which are the lingua franca of their kind, to another's."""

    stream_type = b""

    def __init__(self, upstream: EmbeddingsDialect) -> None:
        self._upstream = upstream
        self.request = upstream.write_request
        self.read_error = upstream.read_error

    def answer(
        self, document: Document, asked: Document, ours: Begin
    ) -> tuple[Document, Usage | None]:
        answer = self._upstream.read_response(document, asked)
        return answer, usage.of(answer.get("usage"))

    def stream(self, asked: Document, ours: Begin) -> "Translated":
        raise NotImplementedError("embeddings come whole")

    def told_by(self, client: ClientDialect) -> "Embeddings":
        return self


def _completed(answer: Document, ours: Begin) -> Document:
    begin = Begin(answer.get("id") or "", answer.get("model") or "", answer.get("created") or 0)
    full = begin.completed(ours)
    return {**answer, "id": full.id, "model": full.model, "created": full.created}


class Translated:
    """An upstream's stream on its way to a client of another language: a Watch."""

    def __init__(self, reader: DeltaReader, writer: DeltaWriter, ours: Begin) -> None:
        self._reader = reader
        self._writer = writer
        self._ours: Begin | None = ours  # until the stream has begun
        self.events = 0
        self.content = False
        self.done = False
        self.error = b""
        self.broken: Code | None = None
        self.usage: Usage | None = None
        self.tokens = 0

    def feed(self, chunk: bytes) -> bytes:
        if self._over():
            return b""
        passed = self._told(self._reader.feed(chunk))
        self.events = self._reader.events
        if self._reader.done and not self._over():
            self.done = True
            passed += self._writer.close()
        return passed

    def close(self) -> bytes | None:
        if self._over():
            return None
        passed = self._told(self._reader.close())
        if self._over():
            return None
        self.done = True
        return passed + self._writer.close()

    def _over(self) -> bool:
        return self.done or self.broken is not None

    def error_event(self, error: GatewayError) -> bytes:
        """The end of a stream that is not whole, where this much of it has been told."""
        return self._writer.fail(error)

    def _told(self, deltas: list[Delta]) -> bytes:
        """What of them may go out; nothing from a broken one on."""
        if self._ours is not None and deltas:
            deltas, self._ours = _begun(deltas, self._ours), None
        for at, delta in enumerate(deltas):
            if isinstance(delta, Broken):
                self.broken = delta.code
                self.error = delta.said.encode()
                deltas = deltas[:at]
                break
            if isinstance(delta, Count):
                self.usage = delta.usage
                continue
            self.tokens += tokens(delta)
            if not self.content and isinstance(delta, CONTENT):
                self.content = True
        return self._writer.write(deltas) if deltas else b""


def _begun(deltas: list[Delta], ours: Begin) -> list[Delta]:
    """The first of a stream, with its beginning complete."""
    first = deltas[0]
    if isinstance(first, Begin):
        return [first.completed(ours), *deltas[1:]]
    return [ours, *deltas]
