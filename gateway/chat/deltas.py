"""A streamed answer, taken apart: a small closed set of events, the same for every dialect.

A stream is: one Begin, whatever the choices say, one Finish a choice, perhaps a Count; or, at any
place, a Broken, behind which nothing comes. Match them with `match` and `assert_never`.
"""

from typing import Literal, TypeAlias

import msgspec

from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.errors import Code

Reason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


class Begin(msgspec.Struct, frozen=True, gc=False):
    id: str
    model: str
    created: int  # unix seconds; 0: the dialect does not say

    def completed(self, other: "Begin") -> "Begin":
        """With the other's words for what is unsaid."""
        return Begin(self.id or other.id, self.model or other.model, self.created or other.created)


class Text(msgspec.Struct, frozen=True, gc=False):
    choice: int
    text: str


class Refusal(msgspec.Struct, frozen=True, gc=False):
    choice: int
    text: str


class Reasoning(msgspec.Struct, frozen=True, gc=False):
    """Text of a block of reasoning; a signature ends its block. redacted: a block of its own."""

    choice: int
    text: str = ""
    signature: str = ""
    redacted: str = ""  # opaque, to be given back as it is


class CallPart(msgspec.Struct, frozen=True):
    """A part of a tool call. The first part of a slot has its id and name."""

    choice: int
    slot: int  # the call's number within the choice
    id: str = ""
    name: str = ""
    arguments: str = ""  # the next piece of JSON
    extra: Document | None = None  # extra_content


class Logprobs(msgspec.Struct, frozen=True):
    choice: int
    content: list[Document]  # as chat answers have them; the next tokens
    refusal: bool = False  # of the refusal, not of the content


class Extra(msgspec.Struct, frozen=True):
    """Further keys of a choice's message: lists are appended to, others set."""

    choice: int
    fields: Document


class Finish(msgspec.Struct, frozen=True, gc=False):
    choice: int
    reason: Reason
    stop_sequence: str = ""  # which one it was, where the dialect says so


class Count(msgspec.Struct, frozen=True):
    """So far, or in all: the last one counts."""

    usage: Usage


class Broken(msgspec.Struct, frozen=True):
    """The stream is not what it should be, or says itself that it failed."""

    code: Code
    said: str = ""  # the vendor's words


Delta: TypeAlias = (
    Begin | Text | Refusal | Reasoning | CallPart | Logprobs | Extra | Finish | Count | Broken
)
BYTES_A_TOKEN = 4  # roughly, in the languages of the West


def tokens(delta: Delta) -> int:
    """How many the vendor will have charged for it, where nobody says: one at least."""
    match delta:
        case Text() | Refusal() | Reasoning():
            return max(1, len(delta.text) // BYTES_A_TOKEN)
        case CallPart():
            return max(1, len(delta.arguments) // BYTES_A_TOKEN)
        case _:
            return 0


CONTENT = (Text, Refusal, Reasoning, CallPart, Extra, Finish)  # what commits an attempt
