"""OpenAI's Responses: both sides. A response has one choice, and nothing is kept between two.

Each way has a file of its own: `_ask`, `_items`, `_stream` towards it; `_asked`, `_writer` from it.
Source: platform.openai.com/docs/api-reference/responses, 2026-11.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from gateway.chat import fold
from gateway.chat.deltas import Begin, Count, Delta, Finish
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.chat.usage import of as usage_of
from gateway.dialects import heads, openai
from gateway.dialects import openai_responses_items as made
from gateway.dialects.base import (
    BadAnswer,
    ClientDialect,
    Head,
    Losses,
    Said,
    UpstreamDialect,
    Watch,
)
from gateway.dialects.openai_responses_ask import write_request
from gateway.dialects.openai_responses_asked import read_request
from gateway.dialects.openai_responses_stream import Reader
from gateway.dialects.openai_responses_writer import Writer
from gateway.dialects.watched import Watched
from gateway.errors import GatewayError
from gateway.wire import json

# ---- the upstream's side


class _Answer(msgspec.Struct, gc=False):
    output: list[msgspec.Raw]
    error: object = None
    usage: msgspec.Raw = msgspec.Raw(b"null")


_answer: Final = msgspec.json.Decoder(_Answer).decode


@dataclass(frozen=True, slots=True)
class Upstream:
    name: str = "openai_responses"
    stream_type: bytes = b"text/event-stream"

    def write_request(self, chat: Document, losses: Losses) -> Document:
        return write_request(chat, losses)

    def read_response(self, document: Document) -> Document:
        if document.get("error") is not None:
            raise BadAnswer("the answer is an error")
        if not isinstance(document.get("output"), list):
            raise BadAnswer("the answer has no content")
        try:
            return fold.fold(_answered(document))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise BadAnswer("the answer is not JSON of the expected form") from None

    def reader(self) -> Reader:
        return Reader()

    def read_error(self, body: bytes) -> Said:
        return openai.read_error(body)

    # ---- where the client speaks the same

    def addressed(self, fields: json.Fields, model: msgspec.Raw) -> json.Fields:
        return {**fields, "model": model}

    def read_answer(self, body: bytes) -> Usage | None:
        try:
            answer = _answer(body)
            if not body.isascii():
                body.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadAnswer("the answer is not JSON of the expected form") from None
        if json.has_monster(body):
            raise BadAnswer("the answer has a number with too many digits")
        if answer.error is not None:
            raise BadAnswer("the answer is an error")
        return made.usage_of(answer.usage)

    def watch(self, head: Head) -> Watch:
        return Watched(Reader())


def _answered(document: Document) -> Iterator[Delta]:
    yield Begin(
        str(document.get("id") or ""),
        str(document.get("model") or ""),
        int(document.get("created_at") or 0),
    )
    calls = 0
    for item in document["output"]:
        yield from made.deltas(item, calls)
        calls += item.get("type") == "function_call"
    yield Finish(0, made.ending(document, called=calls > 0))
    usage = made.counted(document)
    if usage is not None:
        yield Count(usage)


# ---- the client's side


class _Head(msgspec.Struct):
    model: Annotated[str, msgspec.Meta(min_length=1)]
    input: str | list[dict[str, msgspec.Raw]] | None = None
    stream: bool | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[dict[str, msgspec.Raw]] | None = None

    @property
    def wants_usage(self) -> bool:
        return True

    @property
    def choices(self) -> int:
        return 1

    @property
    def max_output(self) -> int | None:
        return self.max_output_tokens


_head: Final = msgspec.json.Decoder(_Head).decode
_READ: Final = frozenset(_Head.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Client:
    name: str = "openai_responses"
    heartbeat: bytes = b": \n\n"

    def read_head(self, body: bytes) -> tuple[Head, json.Fields]:
        fields = heads.fields(body, _READ)
        try:
            return _head(body), fields
        except msgspec.ValidationError as error:
            raise heads.misfit(error) from None

    def read_request(self, document: Document, losses: Losses) -> Document:
        return read_request(document, losses)

    def write_response(self, answer: Document, request: Document) -> Document:
        choices = answer.get("choices") or [{}]
        shell = made.response(
            request,
            id=str(answer.get("id") or ""),
            model=str(answer.get("model") or ""),
            created=answer.get("created") or 0,
            status="completed",
            output=made.items(answer),
        )
        return made.ended(shell, choices[0].get("finish_reason"), usage_of(answer.get("usage")))

    def writer(self, request: Document) -> Writer:
        return Writer(request)

    def error_body(self, error: GatewayError) -> bytes:
        return openai.error_body(error)

    def error_event(self, error: GatewayError) -> bytes:
        said = {"code": error.code.value, "message": error.message, "param": error.param}
        body = json.write({"type": "error", **said, "sequence_number": 0})
        return b"event: error\ndata: %b\n\n" % body


CLIENT: Final[ClientDialect] = Client()
UPSTREAM: Final[UpstreamDialect] = Upstream()
