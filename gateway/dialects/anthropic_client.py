"""Anthropic's Messages as what a client speaks; and the counting of its tokens.

Source: platform.claude.com/docs/en/api/messages and .../api/messages-count-tokens, 2026-11.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.chat.usage import of as usage_of
from gateway.dialects import anthropic, anthropic_asked, heads
from gateway.dialects.anthropic_writer import PING, Writer, error_event
from gateway.dialects.base import ClientDialect, Head, Losses
from gateway.errors import GatewayError
from gateway.wire import json

# ---- requests in

_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Count = Annotated[int, msgspec.Meta(ge=0)]  # 0: only the cache is to be filled


class _Message(msgspec.Struct):
    role: _Text
    content: str | list[dict[str, msgspec.Raw]]


class _Tool(msgspec.Struct):
    name: str | None = None  # toolsets have none


class _CountHead(msgspec.Struct, kw_only=True):
    """What is counted; the same as what is asked, but for max_tokens."""

    model: _Text
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    system: str | list[dict[str, msgspec.Raw]] | None = None
    tools: list[_Tool] | None = None
    tool_choice: dict[str, msgspec.Raw] | None = None
    thinking: dict[str, msgspec.Raw] | None = None

    @property
    def stream(self) -> bool | None:
        return None

    @property
    def wants_usage(self) -> bool:
        return True

    @property
    def choices(self) -> int:
        return 1

    @property
    def max_output(self) -> int | None:
        return 0


class _Head(msgspec.Struct, kw_only=True):
    model: _Text
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    max_tokens: _Count
    stream: bool | None = None
    system: str | list[dict[str, msgspec.Raw]] | None = None
    tools: list[_Tool] | None = None
    tool_choice: dict[str, msgspec.Raw] | None = None
    thinking: dict[str, msgspec.Raw] | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: dict[str, msgspec.Raw] | None = None
    output_config: dict[str, msgspec.Raw] | None = None

    @property
    def wants_usage(self) -> bool:
        return True  # a stream always says it

    @property
    def choices(self) -> int:
        return 1

    @property
    def max_output(self) -> int | None:
        return self.max_tokens


_head: Final = msgspec.json.Decoder(_Head).decode
_count_head: Final = msgspec.json.Decoder(_CountHead).decode


@dataclass(frozen=True, slots=True)
class Client:
    name: str = "anthropic"
    heartbeat: bytes = PING

    def read_head(self, body: bytes) -> tuple[Head, json.Fields]:
        fields = heads.fields(body, _Head.__struct_fields__)
        try:
            return _head(body), fields
        except msgspec.ValidationError as error:
            raise heads.misfit(error) from None

    def read_request(self, document: Document, losses: Losses) -> Document:
        return anthropic_asked.read(document, losses)

    # ---- answers out

    def write_response(self, answer: Document, request: Document) -> Document:
        choice = answer["choices"][0]
        message = choice["message"]
        refusal, sequence = message.get("refusal") or "", choice.get("stop_sequence") or ""
        written: Document = {
            "id": answer["id"],
            "type": "message",
            "role": "assistant",
            "model": answer["model"],
            "content": _blocks(message),
            "stop_reason": anthropic.stop_reason(
                choice.get("finish_reason") or "stop", sequence, refusal
            ),
            "stop_sequence": sequence or None,
        }
        if refusal:
            written["stop_details"] = anthropic.stop_details(refusal)
        counts = usage_of(answer.get("usage")) or Usage()
        return {**written, "usage": anthropic.written_counts(counts)}

    def writer(self, request: Document) -> Writer:
        return Writer()

    def error_body(self, error: GatewayError) -> bytes:
        return anthropic.error_body(error)

    def error_event(self, error: GatewayError) -> bytes:
        return error_event(error)


def _blocks(message: Document) -> list[Document]:
    """Reasoning first, then words, then calls. Reasoning that nobody signed has signature ""."""
    blocks = list(message.get("thinking_blocks") or ())
    told = "".join(block.get("thinking") or "" for block in blocks)
    rest = (message.get("reasoning_content") or "").removeprefix(told)
    if rest:
        blocks.append({"type": "thinking", "thinking": rest, "signature": ""})
    notes = [anthropic.citation(note) for note in message.get("annotations") or ()]
    citations = [note for note in notes if note is not None]
    if message.get("content") or citations:
        text: Document = {"type": "text", "text": message.get("content") or ""}
        blocks.append({**text, "citations": citations} if citations else text)
    blocks.extend(_call(call) for call in message.get("tool_calls") or ())
    return blocks


_object: Final = msgspec.json.Decoder(Document).decode


def _call(call: Document) -> Document:
    """What a model wrote for arguments may be no object: then it is told as it was written."""
    function = call["function"]
    try:
        given = _object(function.get("arguments") or "{}")
    except msgspec.DecodeError:
        given = {"arguments": function["arguments"]}
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": given}


CLIENT: Final[ClientDialect] = Client()


# ---- /v1/messages/count_tokens


def read_count_head(body: bytes) -> tuple[Head, json.Fields]:
    """As read_head, for what is only to be counted. Raises GatewayError."""
    fields = heads.fields(body, _CountHead.__struct_fields__)
    try:
        return _count_head(body), fields
    except msgspec.ValidationError as error:
        raise heads.misfit(error) from None


@dataclass(frozen=True, slots=True)
class Counting(Client):
    """A client that only wants to know how many tokens a request has."""

    def read_head(self, body: bytes) -> tuple[Head, json.Fields]:
        return read_count_head(body)


COUNTING: Final[ClientDialect] = Counting()


def count_body(tokens: int) -> bytes:
    return json.write({"input_tokens": tokens})


BYTES_PER_TOKEN: Final = 3.6  # of English and of code alike; other scripts have fewer
IMAGE_TOKENS: Final = 1600  # the most that one takes
PAGE_BYTES: Final = 40_000  # of a PDF in base64
PAGE_TOKENS: Final = 2000
_OF_MESSAGE: Final = 4
_OF_TOOLS: Final = 320  # what the use of tools adds to the system's words


def estimate(document: Document) -> int:
    """Tokens of a request, for backends that cannot count: a rule of thumb, rather too high."""
    weight = _weight(document.get("system")) + _weight(document["messages"])
    tools = document.get("tools")
    tokens = weight + _OF_MESSAGE * len(document["messages"])
    return round(tokens + (_OF_TOOLS + _weight(tools) if tools else 0))


def _weight(value: object) -> float:
    match value:
        case str():
            return len(value.encode()) / BYTES_PER_TOKEN
        case {"type": "image"}:
            return IMAGE_TOKENS
        case {"type": "base64", "data": str(data)}:
            return PAGE_TOKENS * (1 + len(data) // PAGE_BYTES)
        case dict():
            return sum(_weight(key) + _weight(inner) for key, inner in value.items())
        case list():
            return sum(map(_weight, value))
        case None:
            return 0
        case _:
            return 1
