"""Chat and text completions: the model's answers in OpenAI's words, whole and streamed.

Pure. The two languages differ in what a choice looks like and in nothing else.
Source: OpenAI's API reference, /v1/chat/completions and /v1/completions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.simulated.model import End, Question, Speech
from gateway.simulated.play import HOLE, Play, Stamp, Whole, around, beats, encoded, event, together

FINGERPRINT: Final = "fp_simulated"
DONE: Final = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Language:
    prefix: str  # of an answer's id
    whole: str  # the object's name
    chunk: str
    said: Callable[[str, Speech, str], dict[str, object]]  # a choice: echo, speech, id of its call
    start: Callable[[str, Speech, str], dict[str, object]]
    token: Callable[[Speech], dict[str, object]]
    over: dict[str, object]


def whole(
    language: Language, question: Question, speeches: Sequence[Speech], stamp: Stamp
) -> Whole:
    choices = [
        _choice(index, language.said(_echo(question, index), speech, _call(stamp, index)), speech)
        for index, speech in enumerate(speeches)
    ]
    answer = _frame(language.whole, language, question, stamp)
    answer |= {"choices": choices, "usage": usage(question, speeches)}
    return Whole(encoded(answer), _length(speeches))


def play(language: Language, question: Question, speeches: Sequence[Speech], stamp: Stamp) -> Play:
    asked = question.stream_usage

    def chunk(choices: list[object], used: object = None) -> bytes:
        frame = _frame(language.chunk, language, question, stamp) | {"choices": choices}
        return event(frame | {"usage": used} if asked else frame)

    opening, lanes, closing = [], [], []
    for index, speech in enumerate(speeches):
        start = language.start(_echo(question, index), speech, _call(stamp, index))
        opening.append(chunk([_choice(index, start)]))
        frame = chunk([_choice(index, language.token(speech))])
        lanes.append(beats(speech.tokens, *around(frame)))
        closing.append(chunk([_choice(index, language.over, speech)]))
    if asked:
        closing.append(chunk([], usage(question, speeches)))
    return Play(b"".join(opening), together(lanes), _length(speeches), b"".join([*closing, DONE]))


def usage(question: Question, speeches: Sequence[Speech]) -> dict[str, object]:
    given, taken = sum(len(speech.tokens) for speech in speeches), question.prompt_tokens
    return {
        "prompt_tokens": taken,
        "completion_tokens": given,
        "total_tokens": taken + given,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _length(speeches: Sequence[Speech]) -> int:
    return max((len(speech.tokens) for speech in speeches), default=0)


def _frame(name: str, language: Language, question: Question, stamp: Stamp) -> dict[str, object]:
    return {
        "id": f"{language.prefix}-{stamp.id}",
        "object": name,
        "created": stamp.created,
        "model": question.model,
        "system_fingerprint": FINGERPRINT,
    }


def _choice(index: int, said: dict[str, object], ended: Speech | None = None) -> dict[str, object]:
    reason = None if ended is None else _reason(ended)
    return {"index": index, **said, "logprobs": None, "finish_reason": reason}


def _reason(speech: Speech) -> str:
    if speech.end is End.LENGTH:
        return "length"
    return "stop" if speech.tool is None else "tool_calls"


def _echo(question: Question, index: int) -> str:
    return question.prompts[index // question.choices].text if question.echo else ""


def _call(stamp: Stamp, index: int) -> str:
    return f"call_{stamp.id}_{index}"


# ---- chat


def _message(echo: str, speech: Speech, call: str) -> dict[str, object]:
    if speech.tool is None:
        return {"message": {"role": "assistant", "content": speech.text, "refusal": None}}
    function = {"name": speech.tool, "arguments": speech.text}
    calls = [{"id": call, "type": "function", "function": function}]
    return {"message": {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}}


def _role(echo: str, speech: Speech, call: str) -> dict[str, object]:
    if speech.tool is None:
        return {"delta": {"role": "assistant", "content": "", "refusal": None}}
    function = {"name": speech.tool, "arguments": ""}
    first = {"index": 0, "id": call, "type": "function", "function": function}
    return {"delta": {"role": "assistant", "content": None, "tool_calls": [first]}}


def _delta(speech: Speech) -> dict[str, object]:
    if speech.tool is None:
        return {"delta": {"content": HOLE}}
    return {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": HOLE}}]}}


CHAT: Final = Language(
    prefix="chatcmpl",
    whole="chat.completion",
    chunk="chat.completion.chunk",
    said=_message,
    start=_role,
    token=_delta,
    over={"delta": {}},
)

# ---- text

COMPLETION: Final = Language(
    prefix="cmpl",
    whole="text_completion",
    chunk="text_completion",
    said=lambda echo, speech, call: {"text": echo + speech.text},
    start=lambda echo, speech, call: {"text": echo},
    token=lambda speech: {"text": HOLE},
    over={"text": ""},
)
