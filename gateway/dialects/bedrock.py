"""Bedrock's Converse, the one language for all of its models; and its embeddings, which have none.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, 2026-11.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.chat import fold
from gateway.chat.document import Document
from gateway.dialects import bedrock_answer, bedrock_request
from gateway.dialects.base import MAX_SAID, Losses, Said, UpstreamDialect
from gateway.dialects.unspoken import Unspoken


class _Error(msgspec.Struct):
    message: str = ""
    Message: str = ""  # some of AWS's services say it so
    type: str = msgspec.field(name="__type", default="")


_error: Final = msgspec.json.Decoder(_Error).decode


def read_error(body: bytes) -> Said:
    """AWS names the kind in a header; a few errors repeat it in the body."""
    try:
        error = _error(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said()
    kind = error.type.rpartition("#")[2]
    return Said((error.message or error.Message)[:MAX_SAID], kind[:MAX_SAID])


@dataclass(frozen=True, slots=True)
class Upstream(Unspoken):
    name: str = "bedrock"
    stream_type: bytes = b"application/vnd.amazon.eventstream"

    def write_request(self, chat: Document, losses: Losses) -> Document:
        return bedrock_request.write(chat, losses)

    def read_response(self, document: Document) -> Document:
        return fold.fold(bedrock_answer.whole(document))

    def reader(self) -> bedrock_answer.Reader:
        return bedrock_answer.Reader()

    def read_error(self, body: bytes) -> Said:
        return read_error(body)


UPSTREAM: Final[UpstreamDialect] = Upstream()
