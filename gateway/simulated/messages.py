"""Messages: the model's answers in Anthropic's words, whole and streamed.

Pure. One content block: a text, or the use of a tool.
Source: Anthropic's API reference, /v1/messages and streaming.
"""

import msgspec

from gateway.simulated.model import End, Question, Speech
from gateway.simulated.play import HOLE, Play, Stamp, Whole, around, beats, encoded, event


def whole(question: Question, speech: Speech, stamp: Stamp) -> Whole:
    message = _message(question, stamp) | _stop(speech)
    message["content"] = [_block(speech, stamp, speech.text)]
    message["usage"] = _usage(question, len(speech.tokens))
    return Whole(encoded(message), len(speech.tokens))


def play(question: Question, speech: Speech, stamp: Stamp) -> Play:
    start = {"type": "message_start", "message": _message(question, stamp)}
    block = {"index": 0, "content_block": _block(speech, stamp, "")}
    opening = [
        event(start, b"message_start"),
        event({"type": "content_block_start", **block}, b"content_block_start"),
        event({"type": "ping"}, b"ping"),
    ]
    delta = (
        {"type": "text_delta", "text": HOLE}
        if speech.tool is None
        else {"type": "input_json_delta", "partial_json": HOLE}
    )
    frame = {"type": "content_block_delta", "index": 0, "delta": delta}
    end = {"delta": _stop(speech), "usage": {"output_tokens": len(speech.tokens)}}
    closing = [
        event({"type": "content_block_stop", "index": 0}, b"content_block_stop"),
        event({"type": "message_delta", **end}, b"message_delta"),
        event({"type": "message_stop"}, b"message_stop"),
    ]
    said = beats(speech.tokens, *around(event(frame, b"content_block_delta")))
    return Play(b"".join(opening), said, len(speech.tokens), b"".join(closing))


def _message(question: Question, stamp: Stamp) -> dict[str, object]:
    return {
        "id": f"msg_{stamp.id}",
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(question, 1),
    }


def _usage(question: Question, given: int) -> dict[str, object]:
    return {
        "input_tokens": question.prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": given,
    }


def _stop(speech: Speech) -> dict[str, object]:
    return {"stop_reason": _reason(speech), "stop_sequence": speech.sequence}


def _reason(speech: Speech) -> str:
    match speech.end:
        case End.LENGTH:
            return "max_tokens"
        case End.SEQUENCE:
            return "stop_sequence"
        case End.STOP:
            return "end_turn" if speech.tool is None else "tool_use"


def _block(speech: Speech, stamp: Stamp, text: str) -> dict[str, object]:
    if speech.tool is None:
        return {"type": "text", "text": text}
    # Cut arguments are no JSON; Anthropic, too, gives an empty input then.
    complete = bool(text) and speech.end is not End.LENGTH
    given = msgspec.json.decode(text) if complete else {}
    return {"type": "tool_use", "id": f"toolu_{stamp.id}", "name": speech.tool, "input": given}
