"""A dialect is a wire language. It knows no vendor, no URL, no key and no socket.

A client dialect reads requests into the lingua franca (`chat.document`) and writes answers out of
it; an upstream dialect does the reverse. Where both ends speak the same one there is no
translation: bytes go through, and the upstream dialect only watches them.
"""

from collections.abc import Collection
from typing import Final, Protocol

import msgspec

from gateway.chat.deltas import Delta
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.errors import Code, GatewayError
from gateway.wire import json


class BadAnswer(ValueError):
    """A 200 that is no answer."""


class Said(msgspec.Struct, frozen=True):
    """An upstream's error in its own words."""

    message: str = ""
    type: str = ""
    code: str = ""
    param: str | None = None
    retry_after_s: float | None = None  # where the body says it, rather than a header


MAX_SAID: Final = 2048  # characters of an upstream's words that are looked at


# ---- what cannot be carried


class Losses:
    """What a target's language cannot say: refused by name, or noted where it may be dropped.

    droppable: the fields that the config gave rather than the client. drop: all may be dropped.
    """

    __slots__ = ("_drop", "_droppable", "dropped")

    def __init__(self, droppable: Collection[str] = (), *, drop: bool = False) -> None:
        self._droppable = droppable
        self._drop = drop
        self.dropped: list[str] = []  # each once, for x-gateway-dropped

    def cannot(self, param: str, why: str = "") -> None:
        """param cannot be carried (dotted: `messages.2.content.0`). Raises GatewayError unless it
        may be dropped; then the caller leaves it out.
        """
        if not self._drop and param.partition(".")[0] not in self._droppable:
            raise untranslatable(param, why)
        if param not in self.dropped:
            self.dropped.append(param)


def untranslatable(param: str, why: str = "") -> GatewayError:
    message = f"{param} cannot be carried to this model's backend"
    return GatewayError(Code.UNTRANSLATABLE, f"{message}: {why}" if why else message, param=param)


# ---- the client's side


class Head(Protocol):
    """What the road itself has to know of a request."""

    @property
    def model(self) -> str: ...
    @property
    def stream(self) -> bool | None: ...
    @property
    def wants_usage(self) -> bool:
        """Whether the stream is to say its usage; dialects that always do say True."""

    @property
    def choices(self) -> int:
        """How many the answer is to have."""

    @property
    def max_output(self) -> int | None:
        """Tokens for each choice at most, if the client says so."""


class DeltaWriter(Protocol):
    """One client's stream: deltas in, bytes out."""

    def write(self, deltas: list[Delta]) -> bytes: ...
    def close(self) -> bytes:
        """The end of a stream that is whole."""

    def fail(self, error: GatewayError) -> bytes:
        """The end of one that is not."""


class ClientDialect(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def heartbeat(self) -> bytes:
        """What may stand between any two events and means nothing."""

    def read_head(self, body: bytes) -> tuple[Head, json.Fields]:
        """The head and the shallow document. Raises GatewayError, naming the field at fault."""

    def read_request(self, document: Document, losses: Losses) -> Document:
        """The whole document in the lingua franca. Raises GatewayError."""

    def write_response(self, answer: Document, request: Document) -> Document:
        """Both in the lingua franca; the answer in the client's language."""

    def writer(self, request: Document) -> DeltaWriter: ...

    def error_body(self, error: GatewayError) -> bytes: ...

    def error_event(self, error: GatewayError) -> bytes:
        """The same where a stream has begun that is passed on as it comes."""


# ---- the upstream's side


class DeltaReader(Protocol):
    """One upstream's stream: bytes in, in any cutting; deltas out. Never raises."""

    @property
    def done(self) -> bool:
        """The language's own end has been seen: whatever follows is dropped."""

    @property
    def events(self) -> int:
        """How many have been read: what a stream's progress is measured by."""

    def feed(self, chunk: bytes) -> list[Delta]: ...
    def close(self) -> list[Delta]:
        """The upstream has ended. A Broken if that was too early (STREAM_TRUNCATED)."""


class Watch(Protocol):
    """A stream on its way to the client: what of it may be passed on, and what it says."""

    events: int
    content: bool  # the first content has been seen
    done: bool  # whatever follows is dropped
    error: bytes  # the upstream's error event, raw
    broken: Code | None  # why nothing more can be passed on

    @property
    def usage(self) -> Usage | None:
        """What the upstream says it took so far."""

    @property
    def tokens(self) -> int:
        """Of what has been said, as counted here, whatever the upstream says it took."""

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now."""

    def close(self) -> bytes | None:
        """The upstream has ended: what is still to be said, or None if that was too early."""


class UpstreamDialect(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def stream_type(self) -> bytes:
        """How the content type of a stream begins."""

    def write_request(self, chat: Document, losses: Losses) -> Document:
        """What is asked, in the vendor's language; `model` and `stream` are in chat as they are to
        go out, and stand in the result only where the language has them in the body. Raises
        GatewayError. chat is never changed.
        """

    def read_response(self, document: Document) -> Document:
        """The lingua franca's answer. Raises BadAnswer."""

    def reader(self) -> DeltaReader: ...

    def read_error(self, body: bytes) -> Said:
        """Empty where it is not of the language's form."""

    # ---- where the client speaks the same

    def addressed(self, fields: json.Fields, model: msgspec.Raw) -> json.Fields:
        """The client's document for the backend's name of the model."""

    def read_answer(self, body: bytes) -> Usage | None:
        """Checks a whole answer, without taking it apart. Raises BadAnswer."""

    def watch(self, head: Head) -> Watch: ...


class EmbeddingsDialect(Protocol):
    """A vendor's language for embeddings; clients speak OpenAI's."""

    @property
    def name(self) -> str: ...

    def write_request(self, document: Document, losses: Losses) -> Document: ...
    def read_response(self, answer: Document, request: Document) -> Document:
        """OpenAI's answer, from the vendor's answer and OpenAI's request. Raises BadAnswer."""

    def read_error(self, body: bytes) -> Said: ...
