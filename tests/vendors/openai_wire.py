"""Bytes as OpenAI's API sends them: answers, streams and errors, for the scripts of a vendor.

Only builders; what a vendor does with the bytes is in scripted.py.
Source: OpenAI's API reference, /v1/chat/completions, /v1/completions, /v1/embeddings.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

DONE: Final = b"data: [DONE]\n\n"
ROLE: Final = {"role": "assistant", "content": ""}


def usage(prompt: int = 7, completion: int = 3, cached: int = 0) -> dict[str, object]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


# ---- whole answers


def chat_body(
    text: str = "Hello there.",
    *,
    model: str = "gpt-vendor",
    finish: str = "stop",
    used: object = None,
    calls: Sequence[object] = (),
    reasoning: str = "",
) -> bytes:
    """used: the usage, if not usage(). calls: tool calls, in place of the text."""
    message: dict[str, object] = {"role": "assistant", "content": text, "refusal": None}
    if calls:
        message |= {"content": None, "tool_calls": list(calls)}
    if reasoning:
        message["reasoning_content"] = reasoning
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return _object("chat.completion", model, choices=[choice], usage=used or usage())


def completion_body(
    text: str = "Hello there.",
    *,
    model: str = "gpt-vendor",
    finish: str = "stop",
    used: object = None,
) -> bytes:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    return _object("text_completion", model, choices=[choice], usage=used or usage())


def embeddings_body(
    *vectors: Sequence[float] | str, model: str = "embed-vendor", tokens: int = 5
) -> bytes:
    """A vector is numbers, or a string that is base64 already."""
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors or ([0.6, 0.8],))
    ]
    used = {"prompt_tokens": tokens, "total_tokens": tokens}
    return _json({"object": "list", "data": data, "model": model, "usage": used})


def tool_call(
    name: str = "weather", arguments: str = '{"city":"Bern"}', id: str = "call_1"
) -> dict[str, object]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def error_body(
    message: str = "The vendor is unwell.",
    *,
    type: str = "server_error",
    code: str | None = None,
    param: str | None = None,
) -> bytes:
    return _json({"error": {"message": message, "type": type, "param": param, "code": code}})


# ---- streams


def chat_chunk(
    delta: object = None,
    *,
    finish: str | None = None,
    model: str = "gpt-vendor",
    used: object = None,
) -> bytes:
    """The JSON of one event; without a delta it has no choice, as the one with the usage."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    choices = [] if delta is None else [choice]
    return _object("chat.completion.chunk", model, choices=choices, usage=used)


def chat_events(
    tokens: Sequence[str] = ("Hello", " there", "."),
    *,
    model: str = "gpt-vendor",
    finish: str | None = "stop",
    used: object = None,
    done: bool = True,
) -> list[bytes]:
    """A stream, event by event: role, tokens, finish, usage where given, [DONE]."""
    deltas: list[object] = [ROLE, *({"content": token} for token in tokens)]
    bodies = [chat_chunk(delta, model=model) for delta in deltas]
    if finish is not None:
        bodies.append(chat_chunk({}, finish=finish, model=model))
    if used is not None:
        bodies.append(chat_chunk(model=model, used=used))
    return [event(body) for body in bodies] + ([DONE] if done else [])


def completion_events(
    tokens: Sequence[str] = ("Hello", " there", "."),
    *,
    model: str = "gpt-vendor",
    finish: str = "stop",
    done: bool = True,
) -> list[bytes]:
    said: list[tuple[str, str | None]] = [(token, None) for token in tokens]
    bodies = [
        _object(
            "text_completion",
            model,
            choices=[{"index": 0, "text": text, "logprobs": None, "finish_reason": ended}],
        )
        for text, ended in [*said, ("", finish)]
    ]
    return [event(body) for body in bodies] + ([DONE] if done else [])


def event(
    data: bytes,
    *,
    name: bytes = b"",
    id: bytes = b"",
    newline: bytes = b"\n",
    space: bytes = b" ",
    comment: bytes = b"",
) -> bytes:
    """One server-sent event, in any of the spellings that the standard lets pass."""
    lines = [b":" + comment] if comment else []
    lines += [b"id:" + space + id] if id else []
    lines += [b"event:" + space + name] if name else []
    lines += [b"data:" + space + line for line in data.split(b"\n")]
    return newline.join([*lines, b"", b""])


def respelled(
    events: Sequence[bytes],
    *,
    newline: bytes = b"\r\n",
    space: bytes = b"",
    comment: bytes = b"",
) -> list[bytes]:
    """The same events (of one data line each) spelled another way."""
    return [
        event(
            plain.strip().removeprefix(b"data:").strip(),
            newline=newline,
            space=space,
            comment=comment,
        )
        for plain in events
    ]


def pieces(data: bytes, *at: int) -> list[bytes]:
    """data split at these places."""
    edges = [0, *sorted(at), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def _object(kind: str, model: str, **fields: object) -> bytes:
    kept = {name: value for name, value in fields.items() if value is not None}
    head: dict[str, object] = {"id": "vendor-1", "object": kind, "created": 1, "model": model}
    return _json(head | kept)


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
