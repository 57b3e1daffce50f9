"""Responses: the model's answers in OpenAI's newer words, whole and streamed.

Pure. One output item: a message with one text, or a function call. Every event is numbered.
Source: OpenAI's API reference, /v1/responses and its streaming events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.simulated.model import End, Question, Speech
from gateway.simulated.play import HOLE, Play, Stamp, Whole, around, encoded, event

Event = tuple[str, dict[str, object]]  # its type, and what it holds beside type and number


def whole(question: Question, speech: Speech, stamp: Stamp) -> Whole:
    answer = _Answer(question, speech, stamp)
    return Whole(encoded(answer.complete()), len(speech.tokens))


def play(question: Question, speech: Speech, stamp: Stamp) -> Play:
    answer = _Answer(question, speech, stamp)
    opening, name, closing = answer.opening(), answer.delta_name(), answer.closing()
    frame = event({"type": name, **answer.delta(), "sequence_number": HOLE}, name.encode())
    first, length = len(opening), len(speech.tokens)
    return Play(
        opening=_events(opening, 0),
        beats=_beats(speech, frame, first),
        length=length,
        closing=_events(closing, first + length),
    )


def _events(events: Sequence[Event], first: int) -> bytes:
    return b"".join(
        event({"type": name, **held, "sequence_number": number}, name.encode())
        for number, (name, held) in enumerate(events, first)
    )


def _beats(speech: Speech, frame: bytes, first: int) -> Iterator[bytes]:
    """frame has two holes: the token and, behind it, the event's number."""
    rest, end = around(frame)
    before, between = around(rest)
    for number, token in enumerate(speech.tokens, first):
        yield b"%b%b%b%d%b" % (before, encoded(token), between, number, end)


@dataclass(frozen=True, slots=True)
class _Answer:
    question: Question
    speech: Speech
    stamp: Stamp

    # ---- the response

    def complete(self) -> dict[str, object]:
        given, taken = len(self.speech.tokens), self.question.prompt_tokens
        cut = self.speech.end is End.LENGTH
        return self._response([self._item(self._status(), self.speech.text)]) | {
            "status": self._status(),
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "usage": {
                "input_tokens": taken,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": given,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": taken + given,
            },
        }

    def _response(self, output: list[object]) -> dict[str, object]:
        return {
            "id": f"resp_{self.stamp.id}",
            "object": "response",
            "created_at": self.stamp.created,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": self.question.max_tokens,
            "metadata": {},
            "model": self.question.model,
            "output": output,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "store": False,
            "temperature": None,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto" if self.speech.tool is None else "required",
            "tools": [],
            "top_p": None,
            "truncation": "disabled",
            "usage": None,
        }

    def _status(self) -> str:
        return "incomplete" if self.speech.end is End.LENGTH else "completed"

    def _item(self, status: str, text: str | None) -> dict[str, object]:
        """text is None before the first word."""
        if self.speech.tool is None:
            content = [] if text is None else [_part(text)]
            return {
                "id": self._item_id(),
                "type": "message",
                "status": status,
                "role": "assistant",
                "content": content,
            }
        return {
            "id": self._item_id(),
            "type": "function_call",
            "status": status,
            "call_id": f"call_{self.stamp.id}",
            "name": self.speech.tool,
            "arguments": text or "",
        }

    def _item_id(self) -> str:
        return f"{'msg' if self.speech.tool is None else 'fc'}_{self.stamp.id}"

    # ---- its events

    def opening(self) -> list[Event]:
        begun: dict[str, object] = {"response": self._response([])}
        added = {"output_index": 0, "item": self._item("in_progress", None)}
        events: list[Event] = [
            ("response.created", begun),
            ("response.in_progress", begun),
            ("response.output_item.added", added),
        ]
        if self.speech.tool is None:
            events.append(("response.content_part.added", self._place() | {"part": _part("")}))
        return events

    def delta_name(self) -> str:
        kind = "output_text" if self.speech.tool is None else "function_call_arguments"
        return f"response.{kind}.delta"

    def delta(self) -> dict[str, object]:
        marks: dict[str, object] = {"logprobs": []} if self.speech.tool is None else {}
        return self._place() | marks | {"delta": HOLE}

    def closing(self) -> list[Event]:
        text, tool, place = self.speech.text, self.speech.tool, self._place()
        events: list[Event]
        if tool is None:
            events = [
                ("response.output_text.done", place | {"logprobs": [], "text": text}),
                ("response.content_part.done", place | {"part": _part(text)}),
            ]
        else:
            arguments = {"name": tool, "arguments": text}
            events = [("response.function_call_arguments.done", place | arguments)]
        item = self._item(self._status(), text)
        return [
            *events,
            ("response.output_item.done", {"output_index": 0, "item": item}),
            (f"response.{self._status()}", {"response": self.complete()}),
        ]

    def _place(self) -> dict[str, object]:
        place: dict[str, object] = {"item_id": self._item_id(), "output_index": 0}
        return place | {"content_index": 0} if self.speech.tool is None else place


def _part(text: str) -> dict[str, object]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
