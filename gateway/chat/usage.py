"""Token counts, in one convention: input includes cached tokens, output includes reasoning.

A vendor that counts them apart is added up where its dialect is read.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.chat.document import Document

MAX_TOKENS: Final = 100_000_000  # what an upstream may claim in one answer and be believed


class Usage(msgspec.Struct, frozen=True, gc=False):
    input: int = 0  # all of it: cached, cache_write, input_audio and input_image included
    output: int = 0  # all of it: reasoning, output_audio and output_image included
    cached: int = 0  # of input, read from the vendor's prompt cache
    reasoning: int = 0  # of output
    cache_write: int = 0  # of input, written to the vendor's prompt cache
    input_audio: int = 0
    output_audio: int = 0
    input_image: int = 0
    output_image: int = 0


def written(usage: Usage) -> Document:
    """As OpenAI's chat answers have it. `cache_creation_tokens` is not OpenAI's: where it is."""
    inside: Document = {"cached_tokens": usage.cached}
    if usage.cache_write:
        inside["cache_creation_tokens"] = usage.cache_write
    if usage.input_audio:
        inside["audio_tokens"] = usage.input_audio
    if usage.input_image:
        inside["image_tokens"] = usage.input_image
    outside: Document = {"reasoning_tokens": usage.reasoning}
    if usage.output_audio:
        outside["audio_tokens"] = usage.output_audio
    if usage.output_image:
        outside["image_tokens"] = usage.output_image
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": inside,
        "completion_tokens_details": outside,
    }


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Written(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


_NONE: Final = _Details()
_read: Final = msgspec.json.Decoder(_Written | None).decode


def read(raw: bytes | msgspec.Raw) -> Usage | None:
    """The usage in OpenAI's form; None where the upstream said nothing that makes sense."""
    try:
        said = _read(raw)
    except msgspec.DecodeError:
        return None
    return None if said is None else _believed(said)


def summed(counts: Sequence[Usage]) -> Usage:
    columns = zip(*map(msgspec.structs.astuple, counts), strict=True)
    return Usage(*(sum(column) for column in columns))


def of(document: object) -> Usage | None:
    """The same, of a parsed document."""
    try:
        said = msgspec.convert(document, _Written | None)
    except msgspec.ValidationError:
        return None
    return None if said is None else _believed(said)


def _believed(said: _Written) -> Usage | None:
    inside, outside = said.prompt_tokens_details or _NONE, said.completion_tokens_details or _NONE
    return sane(
        Usage(
            said.prompt_tokens or 0,
            said.completion_tokens or 0,
            inside.cached_tokens or 0,
            outside.reasoning_tokens or 0,
            inside.cache_creation_tokens or 0,
            inside.audio_tokens or 0,
            outside.audio_tokens or 0,
            inside.image_tokens or 0,
            outside.image_tokens or 0,
        )
    )


def sane(usage: Usage) -> Usage | None:
    """None for counts that no answer can have."""
    good = (
        0 <= usage.input <= MAX_TOKENS
        and 0 <= usage.output <= MAX_TOKENS
        and 0 <= usage.cached <= MAX_TOKENS
        and 0 <= usage.reasoning <= MAX_TOKENS
        and 0 <= usage.cache_write <= MAX_TOKENS
        and 0 <= usage.input_audio <= MAX_TOKENS
        and 0 <= usage.output_audio <= MAX_TOKENS
        and 0 <= usage.input_image <= MAX_TOKENS
        and 0 <= usage.output_image <= MAX_TOKENS
    )
    return usage if good else None


# ---- at the end of an answer that nobody reads

LAST: Final = 4096  # bytes of it that are looked at
_LAST: Final = re.compile(rb'"usage"\s*:\s*(\{(?:[^{}]|\{[^{}]*\})*\})')


class _Relayed(msgspec.Struct, gc=False):
    """As OpenAI's images and transcriptions have it, and what others say of embeddings."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: _Details | None = None
    input_token_details: _Details | None = None
    output_tokens_details: _Details | None = None


_relayed: Final = msgspec.json.Decoder(_Relayed).decode


def last(tail: bytes, *, images: bool) -> Usage | None:
    """What the end of an answer says, if anything. images: its output is images, unless it says."""
    found = _LAST.findall(tail)
    try:
        said = _relayed(found[-1]) if found else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if said is None:
        return None
    inside = said.input_tokens_details or said.input_token_details or _NONE
    outside = said.output_tokens_details
    output = said.output_tokens or 0
    read = said.input_tokens if said.input_tokens is not None else said.prompt_tokens
    if read is None:
        read = max(0, (said.total_tokens or 0) - output)
    drawn = (output if images else 0) if outside is None else outside.image_tokens or 0
    usage = Usage(
        read,
        output,
        cached=inside.cached_tokens or 0,
        input_audio=inside.audio_tokens or 0,
        input_image=inside.image_tokens or 0,
        output_image=drawn,
    )
    return sane(usage) if read or output else None
