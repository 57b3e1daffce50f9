"""Gemini's countTokens: passed on to who speaks Gemini, and to nobody else.

Other vendors count otherwise, or not at all: a count of theirs would not be Gemini's.
Source: ai.google.dev/api/tokens, 2026-11.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects import gemini_client, gemini_upstream, heads
from gateway.dialects.base import BadAnswer, ClientDialect, Head, UpstreamDialect
from gateway.errors import Code, GatewayError
from gateway.wire import json

_NAME: Final = "gemini_count"
_WHOLE: Final = "generateContentRequest"  # what would be asked, with all that belongs to it


class _Head(msgspec.Struct):
    model: Annotated[str, msgspec.Meta(min_length=1)]
    contents: list[Document] | None = None
    generateContentRequest: Document | None = None  # as it is written

    stream = False
    wants_usage = False
    choices = 1
    max_output = 0


_head: Final = msgspec.json.Decoder(_Head).decode
_inner: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_KNOWN: Final = frozenset({"model", "stream", "contents"})


@dataclass(frozen=True, slots=True)
class Client(gemini_client.Client):
    name: str = _NAME

    def read_head(self, body: bytes) -> tuple[Head, json.Fields]:
        fields = heads.fields(body, _KNOWN)
        try:
            head = _head(body)
        except msgspec.ValidationError as error:
            raise heads.misfit(error) from None
        if head.contents is None and head.generateContentRequest is None:
            raise GatewayError(Code.MISSING_VALUE, "contents is required", param="contents")
        return head, fields


class _Counted(msgspec.Struct, rename="camel"):
    total_tokens: int


_counted: Final = msgspec.json.Decoder(_Counted).decode


@dataclass(frozen=True, slots=True)
class Upstream(gemini_upstream.Upstream):
    name: str = _NAME

    def addressed(self, fields: json.Fields, model: msgspec.Raw) -> json.Fields:
        """The request within names its model, too."""
        written = {key: raw for key, raw in fields.items() if key not in ("model", "stream")}
        if bytes(written.get(_WHOLE, b"null")) != b"null":
            whole = {
                **_inner(written[_WHOLE]),
                "model": msgspec.Raw(b'"models/' + bytes(model)[1:]),
            }
            written[_WHOLE] = msgspec.Raw(json.write(whole))
        return written

    def read_answer(self, body: bytes) -> Usage | None:
        """Nothing was used: it was only counted."""
        try:
            _counted(body)
            body.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadAnswer("the answer counts nothing") from None
        return None


CLIENT: Final[ClientDialect] = Client()
UPSTREAM: Final[UpstreamDialect] = Upstream(ids=True)
