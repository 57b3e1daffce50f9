"""Anthropic's Messages as Vertex takes them: the model stands in the URL, the version in the body.

The version is the one that has all fields: the vendor's newest clients say 2026-10-21 here as
well, which has no sampling parameters any more.
Source: docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude, and the
vendor's own SDK (anthropic.lib.vertex), 2026-11.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.chat.document import Document
from gateway.dialects import anthropic_ask
from gateway.dialects.anthropic_upstream import Upstream
from gateway.dialects.base import Losses, UpstreamDialect
from gateway.wire import json

VERSION: Final = "vertex-2023-10-16"
_RAW: Final = msgspec.Raw(json.write(VERSION))


@dataclass(frozen=True, slots=True)
class OnVertex(Upstream):
    """named: the model stands in the body nevertheless, as where tokens are counted."""

    named: bool = False

    def write_request(self, chat: Document, losses: Losses) -> Document:
        request = {**anthropic_ask.write(chat, losses), "anthropic_version": VERSION}
        if not self.named:
            del request["model"]
        return request

    def addressed(self, fields: json.Fields, model: msgspec.Raw) -> json.Fields:
        if self.named:
            return {"anthropic_version": _RAW, **fields, "model": model}
        rest = {name: value for name, value in fields.items() if name != "model"}
        return {"anthropic_version": _RAW, **rest}


UPSTREAM: Final[UpstreamDialect] = OnVertex()
COUNTING: Final[UpstreamDialect] = OnVertex(named=True)
