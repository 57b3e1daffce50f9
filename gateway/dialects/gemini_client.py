"""Gemini's generateContent, spoken by a client.

The URL says the model and whether the answer streams; whoever reads the URL puts both into the
document, as `model` and `stream`. Streams are server-sent events (`alt=sse`).
Source: ai.google.dev/api/generate-content, 2026-11.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from gateway.chat.document import Document
from gateway.dialects import gemini, gemini_asked, gemini_writer, heads
from gateway.dialects.base import ClientDialect, Head, Losses
from gateway.errors import GatewayError
from gateway.wire import json, sse

_Positive = Annotated[int, msgspec.Meta(ge=1)]


class _Config(msgspec.Struct, rename="camel"):
    candidate_count: _Positive | None = None
    max_output_tokens: _Positive | None = None


class _SnakeConfig(msgspec.Struct):
    candidate_count: _Positive | None = None
    max_output_tokens: _Positive | None = None


class _Content(msgspec.Struct):
    role: str | None = None


class _Head(msgspec.Struct):
    """Google takes either spelling."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    contents: Annotated[list[_Content], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    generationConfig: _Config | None = None
    generation_config: _SnakeConfig | None = None

    wants_usage = True

    @property
    def _config(self) -> _Config | _SnakeConfig:
        return self.generationConfig or self.generation_config or _Config()

    @property
    def choices(self) -> int:
        return self._config.candidate_count or 1

    @property
    def max_output(self) -> int | None:
        return self._config.max_output_tokens


_head: Final = msgspec.json.Decoder(_Head).decode
_KNOWN: Final = frozenset({"model", "stream", "contents"})


@dataclass(frozen=True, slots=True)
class Client:
    name: str = "gemini"
    heartbeat: bytes = b": \n\n"

    def read_head(self, body: bytes) -> tuple[Head, json.Fields]:
        fields = heads.fields(body, _KNOWN)
        try:
            return _head(body), fields
        except msgspec.ValidationError as error:
            raise heads.misfit(error) from None

    def read_request(self, document: Document, losses: Losses) -> Document:
        return gemini_asked.read(document, losses)

    def write_response(self, answer: Document, request: Document) -> Document:
        return gemini_writer.response(answer, request)

    def writer(self, request: Document) -> gemini_writer.Writer:
        return gemini_writer.Writer(shows_thoughts=gemini_writer.shows_thoughts(request))

    def error_body(self, error: GatewayError) -> bytes:
        return gemini.error_body(error)

    def error_event(self, error: GatewayError) -> bytes:
        return sse.encode(gemini.error_body(error))


CLIENT: Final[ClientDialect] = Client()
