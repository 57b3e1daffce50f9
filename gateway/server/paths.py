"""The URL table: which path asks for what, in which language.

Gemini's paths say the model and whether the answer is to stream; the others leave it to the body.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from gateway.chat.operation import Operation
from gateway.wire import json

_POST: Final = (b"POST",)
_GET: Final = (b"GET", b"HEAD")
_FREE: Final = (b"POST", b"GET", b"DELETE")


@dataclass(frozen=True, slots=True)
class Named:
    """What the path says of the request beside the operation."""

    model: str
    stream: bool


@dataclass(frozen=True, slots=True)
class Row:
    operation: Operation | None  # None: the gateway's own health
    methods: tuple[bytes, ...]
    prefix: bytes = b""  # of a relayed path: the rest goes to the backend
    named: Named | None = None

    @property
    def relayed(self) -> bool:
        """Passed on without being understood."""
        return bool(self.prefix)


# Exact paths first; a row of _BELOW also takes what lies below its path.
_PATHS: Final = {
    b"/v1/chat/completions": Row(Operation.CHAT, _POST),
    b"/v1/completions": Row(Operation.COMPLETION, _POST),
    b"/v1/responses": Row(Operation.RESPONSES, _POST),
    b"/v1/embeddings": Row(Operation.EMBEDDINGS, _POST),
    b"/v1/messages": Row(Operation.MESSAGES, _POST),
    b"/v1/messages/count_tokens": Row(Operation.COUNT_TOKENS, _POST),
    b"/v1/models": Row(Operation.MODELS, _GET),
    b"/v1beta/models": Row(Operation.MODELS, _GET),
    b"/healthz": Row(None, _GET),
    b"/readyz": Row(None, _GET),
}
_BELOW: Final = {
    b"/v1/models": Row(Operation.MODELS, _GET),
    b"/v1/responses": Row(Operation.RESPONSES, _FREE, b"/v1/responses"),
    b"/v1/moderations": Row(Operation.MODERATIONS, _POST, b"/v1/moderations"),
    b"/v1/images": Row(Operation.IMAGES, _POST, b"/v1/images"),
    b"/v1/audio": Row(Operation.AUDIO, _POST, b"/v1/audio"),
    b"/v1/files": Row(Operation.FILES, _FREE, b"/v1/files"),
    b"/v1/rerank": Row(Operation.RERANK, _POST, b"/v1/rerank"),
}
_GEMINI: Final = re.compile(
    rb"/v1(?:beta|alpha)?/models/([^/:]{1,512}):(generateContent|streamGenerateContent|countTokens)"
)


def row_of(path: bytes) -> Row | None:
    row = _PATHS.get(path)
    if row is None and path.startswith(b"/v1"):
        row = _gemini(path) or _below(path)
    return row


def _below(path: bytes) -> Row | None:
    """The row of /v1/x for /v1/x and all below it."""
    if path.startswith(b"/v1beta/models/"):
        return _PATHS[b"/v1beta/models"]
    second = path.find(b"/", 4)
    return _BELOW.get(path if second < 0 else path[:second])


def _gemini(path: bytes) -> Row | None:
    found = _GEMINI.fullmatch(path)
    if found is None:
        return None
    model, action = unquote(found[1].decode("ascii", "replace")), found[2]
    if action == b"countTokens":
        return Row(Operation.COUNT_CONTENT, _POST, named=Named(model, stream=False))
    stream = action == b"streamGenerateContent"
    return Row(Operation.GENERATE, _POST, named=Named(model, stream))


def named(body: bytes, said: Named) -> bytes:
    """The document with what the path says in it, as other languages have it.

    A body that has these keys already then has them twice, and is refused for that.
    """
    rest = body.lstrip(b" \t\r\n")
    if not rest.startswith(b"{"):
        return body
    rest = rest[1:].lstrip(b" \t\r\n")
    model = json.write(said.model)
    stream = b"true" if said.stream else b"false"
    comma = b"" if rest.startswith(b"}") else b","
    return b'{"model":%b,"stream":%b%b%b' % (model, stream, comma, rest)
