"""One vendor that speaks every language that a backend may speak, each below a path of its own.

It says the same in all of them: TEXT; where tools are offered, a call of the weather in Bern; once
that has come back, WEATHER. A model called `limited` is refused with 429, in the language's words.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.vendors import bedrock_wire
from tests.vendors import openai_wire as openai
from tests.vendors.scripted import (
    LAST_CHUNK,
    Received,
    Script,
    Send,
    Vendor,
    chunk,
    response,
    stream_head,
)

PIECES: Final = ("Hello", " there", ".")
TEXT: Final = "".join(PIECES)
SUNNY: Final = "Sunny in Bern"  # what the tool says
WEATHER: Final = "The sun shines."
CALL_ID: Final = "call_7"
ARGUMENTS: Final = '{"city":"Bern"}'
CALLED: Final = {"name": "weather", "arguments": {"city": "Bern"}}
IN: Final = 9  # tokens of every question
OUT: Final = 5  # and of every answer
REFUSED: Final = "slow down"
Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said: pieces of text, or else the one call."""

    pieces: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def calls(self) -> bool:
        return not self.pieces


@dataclass(frozen=True, slots=True)
class Language:
    config: str  # of the backend, with {url}
    model: str  # a name that its dialect makes no difference for
    whole: Callable[[Answer], Doc]
    stream: Callable[[Answer], bytes]
    refusal: Doc
    stream_head: bytes = b"content-type: text/event-stream\r\n"


def vendor() -> Vendor:
    return Vendor(choose=script)


def script(request: Received) -> Script:
    language = LANGUAGES[request.path.split("/")[1]]
    if b'"limited"' in request.body or "/limited" in request.path:
        return [Send(response(429, _json(language.refusal)))]
    answer = _answer(request.body)
    if streams(request):
        stream = language.stream(answer)
        if b'"cut"' in request.body or "/cut" in request.path:
            stream = stream[: stream.index(PIECES[1].encode()) + 3]
        body = chunk(stream) + LAST_CHUNK
        return [Send(stream_head(headers=language.stream_head) + body)]
    return [Send(response(body=_json(language.whole(answer))))]


def streams(request: Received) -> bool:
    named = "stream" in request.path.casefold()
    return named or json.loads(request.body).get("stream") is True


def _answer(body: bytes) -> Answer:
    if SUNNY.encode() in body:
        return Answer((WEATHER,))
    return Answer() if b'"weather"' in body else Answer(PIECES)


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


# ---- OpenAI's

_USAGE: Final = openai.usage(IN, OUT)


def _chat(answer: Answer) -> Doc:
    if answer.calls:
        calls = [openai.tool_call(arguments=ARGUMENTS, id=CALL_ID)]
        body = openai.chat_body(calls=calls, finish="tool_calls", used=_USAGE)
    else:
        body = openai.chat_body(answer.text, used=_USAGE)
    document: Doc = json.loads(body)
    return document


def _chat_stream(answer: Answer) -> bytes:
    if not answer.calls:
        return b"".join(openai.chat_events(answer.pieces, used=_USAGE))
    call = {"index": 0, **openai.tool_call(arguments="", id=CALL_ID)}
    rest = [{"index": 0, "function": {"arguments": part}} for part in _halves()]
    deltas = [{"tool_calls": [one]} for one in [call, *rest]]
    bodies = [openai.chat_chunk(delta) for delta in [openai.ROLE, *deltas]]
    bodies += [openai.chat_chunk({}, finish="tool_calls"), openai.chat_chunk(used=_USAGE)]
    return b"".join(map(openai.event, bodies)) + openai.DONE


def _halves() -> tuple[str, str]:
    return ARGUMENTS[:6], ARGUMENTS[6:]


def _completion(answer: Answer) -> Doc:
    document: Doc = json.loads(openai.completion_body(answer.text, used=_USAGE))
    return document


def _completion_stream(answer: Answer) -> bytes:
    events = openai.completion_events(answer.pieces, done=False)
    last = {"id": "vendor-1", "object": "text_completion", "created": 1, "model": "gpt-vendor"}
    counted = openai.event(_json({**last, "choices": [], "usage": _USAGE}))
    return b"".join(events) + counted + openai.DONE


def _responses(answer: Answer, status: str = "completed") -> Doc:
    item: Doc
    if answer.calls:
        named = {"call_id": CALL_ID, "name": "weather", "arguments": ARGUMENTS}
        item = {"id": "fc_1", "type": "function_call", "status": "completed", **named}
    else:
        text = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        item = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant"}
        item["content"] = [text]
    usage = {
        "input_tokens": IN,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": OUT,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": IN + OUT,
    }
    done = status == "completed"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "gpt-vendor",
        "output": [item] if done else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if done else None,
    }


def _responses_stream(answer: Answer) -> bytes:
    whole, begun = _responses(answer), _responses(answer, "in_progress")
    (item,) = whole["output"]
    at: Doc = {"item_id": item["id"], "output_index": 0}
    events: list[tuple[str, Doc]] = [("response.created", {"response": begun})]
    if answer.calls:
        kind = "response.function_call_arguments"
        opened = {**item, "arguments": "", "status": "in_progress"}
        parts = [(f"{kind}.delta", {**at, "delta": half}) for half in _halves()]
        parts.append((f"{kind}.done", {**at, "name": "weather", "arguments": ARGUMENTS}))
    else:
        at["content_index"] = 0
        opened = {**item, "content": [], "status": "in_progress"}
        (text,) = item["content"]
        empty = {**text, "text": ""}
        parts = [("response.content_part.added", {**at, "part": empty})]
        parts += [
            ("response.output_text.delta", {**at, "delta": piece, "logprobs": []})
            for piece in answer.pieces
        ]
        said = {**at, "text": answer.text, "logprobs": []}
        parts.append(("response.output_text.done", said))
        parts.append(("response.content_part.done", {**at, "part": text}))
    place = {"output_index": 0}
    events.append(("response.output_item.added", {**place, "item": opened}))
    events += [*parts, ("response.output_item.done", {**place, "item": item})]
    events.append(("response.completed", {"response": whole}))
    return b"".join(
        openai.event(_json({"type": kind, "sequence_number": n, **fields}), name=kind.encode())
        for n, (kind, fields) in enumerate(events)
    )


_OPENAI_REFUSAL: Final = {
    "error": {
        "message": REFUSED,
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
}


# ---- Anthropic's


def _anthropic(answer: Answer) -> Doc:
    block: Doc = {"type": "text", "text": answer.text}
    if answer.calls:
        named = {"id": CALL_ID, "name": "weather", "input": json.loads(ARGUMENTS)}
        block = {"type": "tool_use", **named}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-vendor",
        "content": [block],
        "stop_reason": "tool_use" if answer.calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": IN, "output_tokens": OUT},
    }


def _anthropic_stream(answer: Answer) -> bytes:
    whole = _anthropic(answer)
    (block,) = whole["content"]
    begun = {**whole, "content": [], "stop_reason": None}
    begun["usage"] = {"input_tokens": IN, "output_tokens": 1}
    deltas: list[Doc] = [{"type": "text_delta", "text": piece} for piece in answer.pieces]
    opened = {**block, "text": ""}
    if answer.calls:
        deltas = [{"type": "input_json_delta", "partial_json": half} for half in _halves()]
        opened = {**block, "input": {}}
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events: list[Doc] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": opened},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": OUT}},
        {"type": "message_stop"},
    ]
    return b"".join(openai.event(_json(one), name=one["type"].encode()) for one in events)


# ---- Google's


def _gemini(answer: Answer) -> Doc:
    part: Doc = {"text": answer.text}
    if answer.calls:
        named = {"id": CALL_ID, "name": "weather", "args": json.loads(ARGUMENTS)}
        part = {"functionCall": named}
    return _gemini_event(part, last=True)


def _gemini_event(part: Doc, *, last: bool) -> Doc:
    candidate: Doc = {"content": {"parts": [part], "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = "STOP"
    counts = {"promptTokenCount": IN, "candidatesTokenCount": OUT, "totalTokenCount": IN + OUT}
    return {
        "candidates": [candidate],
        "usageMetadata": counts,
        "modelVersion": "gemini-vendor",
        "responseId": "r1",
    }


def _gemini_stream(answer: Answer) -> bytes:
    events = [_gemini(answer)]
    if not answer.calls:
        parts = [{"text": piece} for piece in answer.pieces]
        events = [_gemini_event(part, last=part is parts[-1]) for part in parts]
    return b"".join(b"data: %b\r\n\r\n" % _json(one) for one in events)


# ---- Amazon's


def _bedrock(answer: Answer) -> Doc:
    block: Doc = {"text": answer.text}
    if answer.calls:
        named = {"toolUseId": CALL_ID, "name": "weather", "input": json.loads(ARGUMENTS)}
        block = {"toolUse": named}
    return {
        "output": {"message": {"role": "assistant", "content": [block]}},
        "stopReason": "tool_use" if answer.calls else "end_turn",
        "usage": {"inputTokens": IN, "outputTokens": OUT, "totalTokens": IN + OUT},
        "metrics": {"latencyMs": 1},
    }


def _bedrock_stream(answer: Answer) -> bytes:
    whole, at = _bedrock(answer), {"contentBlockIndex": 0}
    deltas: list[Doc] = [{"text": piece} for piece in answer.pieces]
    events: list[tuple[str, Doc]] = [("messageStart", {"role": "assistant"})]
    if answer.calls:
        named = {"toolUseId": CALL_ID, "name": "weather"}
        events.append(("contentBlockStart", {**at, "start": {"toolUse": named}}))
        deltas = [{"toolUse": {"input": half}} for half in _halves()]
    events += [("contentBlockDelta", {**at, "delta": delta}) for delta in deltas]
    events.append(("contentBlockStop", at))
    events.append(("messageStop", {"stopReason": whole["stopReason"]}))
    events.append(("metadata", {"usage": whole["usage"], "metrics": whole["metrics"]}))
    return bedrock_wire.stream(events)


# ---- Cohere's


def _cohere(answer: Answer) -> Doc:
    message: Doc = {"role": "assistant"}
    if answer.calls:
        message["tool_calls"] = [openai.tool_call(arguments=ARGUMENTS, id=CALL_ID)]
    else:
        message["content"] = [{"type": "text", "text": answer.text}]
    return {"id": "c1", "message": message, **_cohere_end(answer)}


def _cohere_end(answer: Answer) -> Doc:
    counts = {"input_tokens": IN, "output_tokens": OUT}
    reason = "TOOL_CALL" if answer.calls else "COMPLETE"
    return {"finish_reason": reason, "usage": {"billed_units": counts, "tokens": counts}}


def _cohere_stream(answer: Answer) -> bytes:
    def said(kind: str, message: Doc) -> Doc:
        return {"type": kind, "index": 0, "delta": {"message": message}}

    events: list[Doc] = [
        {"id": "c1", "type": "message-start", "delta": {"message": {"role": "assistant"}}}
    ]
    if answer.calls:
        call = openai.tool_call(arguments="", id=CALL_ID)
        events.append(said("tool-call-start", {"tool_calls": call}))
        events += [
            said("tool-call-delta", {"tool_calls": {"function": {"arguments": half}}})
            for half in _halves()
        ]
        events.append({"type": "tool-call-end", "index": 0})
    else:
        events.append(said("content-start", {"content": {"type": "text", "text": ""}}))
        events += [said("content-delta", {"content": {"text": piece}}) for piece in answer.pieces]
        events.append({"type": "content-end", "index": 0})
    events.append({"type": "message-end", "delta": _cohere_end(answer)})
    told = b"".join(openai.event(_json(one), name=str(one["type"]).encode()) for one in events)
    return told + openai.DONE


# ---- Ollama's


def _ollama(answer: Answer) -> Doc:
    message: Doc = {"role": "assistant", "content": answer.text}
    if answer.calls:
        message["tool_calls"] = [{"id": CALL_ID, "function": CALLED}]
    return _ollama_line(message, done=True)


def _ollama_line(message: Doc, *, done: bool = False) -> Doc:
    line = {"model": "llama-vendor", "created_at": "2026-11-25T05:00:00.1Z", "message": message}
    if not done:
        return {**line, "done": False}
    counts = {"prompt_eval_count": IN, "eval_count": OUT}
    return {**line, "done": True, "done_reason": "stop", **counts}


def _ollama_stream(answer: Answer) -> bytes:
    said: list[Doc] = [{"role": "assistant", "content": piece} for piece in answer.pieces]
    if answer.calls:
        said = [_ollama(answer)["message"]]
    lines = [_ollama_line(message) for message in said]
    lines.append(_ollama_line({"role": "assistant", "content": ""}, done=True))
    return b"".join(_json(line) + b"\n" for line in lines)


# ---- all of them

_OPENAI: Final = 'provider: openai, base_url: "{url}/v1", credential: sk-vendor, operations: '
LANGUAGES: Final[Mapping[str, Language]] = {
    "chat": Language(f"{_OPENAI}[chat]", "gpt-vendor", _chat, _chat_stream, _OPENAI_REFUSAL),
    "completion": Language(
        f"{_OPENAI}[completion]",
        "babbage-vendor",
        _completion,
        _completion_stream,
        _OPENAI_REFUSAL,
    ),
    "responses": Language(
        f"{_OPENAI}[responses]", "gpt-vendor", _responses, _responses_stream, _OPENAI_REFUSAL
    ),
    "anthropic": Language(
        'provider: anthropic, base_url: "{url}", credential: sk-ant-vendor',
        "claude-opus-4-6",
        _anthropic,
        _anthropic_stream,
        {"type": "error", "error": {"type": "rate_limit_error", "message": REFUSED}},
    ),
    "gemini": Language(
        'provider: gemini, base_url: "{url}/v1beta", credential: AIza-vendor',
        "gemini-2.5-flash",
        _gemini,
        _gemini_stream,
        {"error": {"code": 429, "message": REFUSED, "status": "RESOURCE_EXHAUSTED"}},
    ),
    "bedrock": Language(
        'provider: bedrock, base_url: "{url}", region: eu-west-1, credential: "AKIA:secret"',
        "anthropic.claude-opus-4-6-v1",
        _bedrock,
        _bedrock_stream,
        {"message": REFUSED},
        bedrock_wire.STREAM_HEAD,
    ),
    "cohere": Language(
        'provider: cohere, base_url: "{url}", credential: co-vendor',
        "command-a",
        _cohere,
        _cohere_stream,
        {"id": "c1", "message": REFUSED},
    ),
    "ollama": Language(
        'provider: ollama, base_url: "{url}", operations: [chat]',
        "qwen3",
        _ollama,
        _ollama_stream,
        {"error": REFUSED},
        b"content-type: application/x-ndjson\r\n",
    ),
}


def backends(url: str) -> str:
    """Lines of a config: a backend for each language, at a vendor's URL."""
    lines = (
        f"  {name}: {{{language.config.format(url=f'{url}/{name}')}}}"
        for name, language in LANGUAGES.items()
    )
    return "backends:\n" + "\n".join(lines) + "\n"
