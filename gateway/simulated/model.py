"""What the simulated model says: plain English that owns up to being simulated.

Pure: the same prompt, seed and limits give the same tokens. Knows no wire language.
A token is a word with the space before it, or a full stop.
"""

import hashlib
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from gateway.simulated import example

BYTES_PER_TOKEN: Final = 4  # of a prompt: the usual rule of thumb for English


class End(StrEnum):
    """Why a speech ended."""

    STOP = "stop"  # all was said
    LENGTH = "length"  # max_tokens cut it
    SEQUENCE = "sequence"  # one of the caller's stop sequences came up


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: object  # JSON Schema of the arguments, as the caller gave it


@dataclass(frozen=True, slots=True)
class Prompt:
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Question:
    """What a caller asks, whatever wire language it came in."""

    model: str
    prompts: tuple[Prompt, ...]  # several only in completions
    seed: int | None = None
    choices: int = 1  # for each prompt
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tool: Tool | None = None  # the one that must be called
    schema: object = None  # what a text must be JSON for; None: prose
    echo: bool = False  # completions: the prompt stands before the answer
    stream: bool = False
    stream_usage: bool = False

    @property
    def prompt_tokens(self) -> int:
        return sum(prompt.tokens for prompt in self.prompts)


@dataclass(frozen=True, slots=True)
class Speech:
    """One choice of an answer."""

    tokens: tuple[str, ...]  # of the text, or of the tool's arguments
    end: End
    sequence: str | None = None  # the stop sequence that ended it
    tool: str | None = None  # the tool that is called; None: it is a text

    @property
    def text(self) -> str:
        return "".join(self.tokens)


def prompt(text: str) -> Prompt:
    size = len(text.encode("utf-8", "surrogatepass"))
    return Prompt(text, max(1, -(-size // BYTES_PER_TOKEN)))


def answers(question: Question, tokens: int, seed: int) -> list[Speech]:
    """Every choice for every prompt, in the order of their indexes.

    tokens is how long an answer is that nothing cuts; seed holds where the caller gave none.
    """
    chosen = seed if question.seed is None else question.seed
    return [
        _speech(question, tokens, _draws(f"{chosen}:{choice}:{asked.text}"))
        for asked in question.prompts
        for choice in range(question.choices)
    ]


def vector(text: str, seed: int, dimensions: int) -> tuple[float, ...]:
    """A unit vector of 32-bit floats, the same for the same text and seed."""
    source = f"{seed}:{text}".encode("utf-8", "surrogatepass")
    raw = struct.unpack(f"<{dimensions}i", hashlib.shake_256(source).digest(4 * dimensions))
    length = math.sqrt(sum(number * number for number in raw)) or 1.0
    return struct.unpack(
        f"<{dimensions}f", struct.pack(f"<{dimensions}f", *[n / length for n in raw])
    )


def _speech(question: Question, tokens: int, draws: Iterator[int]) -> Speech:
    if question.tool is not None:
        written = _json(question.tool.schema or {"type": "object"}, draws)
        return _limited(written, question.max_tokens, question.tool.name)
    if question.schema is not None:
        written = _json(question.schema, draws)
        return _stopped(_limited(written, question.max_tokens), question.stop)
    said = _limited(_prose(tokens, draws), question.max_tokens)
    return _stopped(said, question.stop)


def _limited(said: list[str], max_tokens: int | None, tool: str | None = None) -> Speech:
    if max_tokens is not None and len(said) > max_tokens:
        return Speech(tuple(said[:max_tokens]), End.LENGTH, tool=tool)
    return Speech(tuple(said), End.STOP, tool=tool)


def _stopped(speech: Speech, stop: tuple[str, ...]) -> Speech:
    """The speech up to the first stop sequence, which is not part of it."""
    text = speech.text
    found = [(at, sequence) for sequence in stop if sequence and (at := text.find(sequence)) >= 0]
    if not found:
        return speech
    at, sequence = min(found)
    kept = []
    for token in speech.tokens:
        if at <= 0:
            break
        kept.append(token[:at])
        at -= len(token)
    return Speech(tuple(kept), End.SEQUENCE, sequence)


# ---- words

_INTRODUCTION: Final = ("This", " is", " a", " simulated", " answer", ".")
_WORDS: Final = {
    "D": ("the", "a", "one", "every", "this", "that", "some", "another"),
    "A": ("old", "quiet", "small", "patient", "bright", "gentle", "warm", "distant"),
    "N": ("river", "lantern", "garden", "harbour", "clock", "sparrow", "meadow", "window"),
    "V": ("waits", "rests", "sings", "turns", "wanders", "glows", "sleeps", "drifts"),
    "R": ("softly", "slowly", "again", "gladly", "today", "nearby", "freely", "calmly"),
    "P": ("past", "near", "behind", "beyond", "under", "above", "beside", "towards"),
    "C": ("and", "but", "then", "yet", "and", "but", "then", "yet"),
}
# A row is the sentence of that many tokens; letters are keys of _WORDS.
_SENTENCES: Final = {
    4: "DNV.",
    5: "DANV.",
    6: "DANVR.",
    7: "DNVPDN.",
    8: "DANVPDN.",
    9: "DANVPDAN.",
    10: "DANVRPDAN.",
    11: "DANVPDNCVR.",
}
_SHORTEST: Final = min(_SENTENCES)
_LONGEST: Final = max(_SENTENCES)


def _prose(tokens: int, draws: Iterator[int]) -> list[str]:
    """Exactly as many tokens as asked for; whole sentences wherever that can be."""
    said = list(_INTRODUCTION[:tokens])
    while (room := tokens - len(said)) > 0:
        said += _sentence(_length(room, next(draws)), draws)[:room]
    return said


def _length(room: int, drawn: int) -> int:
    """Of the next sentence, so that what remains can be filled with sentences too."""
    if room <= _LONGEST:
        return max(room, _SHORTEST)
    length = 6 + drawn % (_LONGEST - 5)
    return length if room - length >= _SHORTEST else _SHORTEST + room % 4


def _sentence(length: int, draws: Iterator[int]) -> list[str]:
    words = [
        "." if kind == "." else " " + _WORDS[kind][next(draws) & 7] for kind in _SENTENCES[length]
    ]
    words[0] = " " + words[0][1:].capitalize()
    return words


def _json(schema: object, draws: Iterator[int]) -> list[str]:
    """A document that fits schema roughly, in tokens of up to four characters."""
    text = msgspec.json.encode(example.fitting(schema, draws)).decode()
    return [text[at : at + BYTES_PER_TOKEN] for at in range(0, len(text), BYTES_PER_TOKEN)]


def _draws(source: str) -> Iterator[int]:
    """Numbers from 0 to 255 for ever, the same for the same source."""
    block = source.encode("utf-8", "surrogatepass")
    while True:
        block = hashlib.blake2b(block).digest()
        yield from block
