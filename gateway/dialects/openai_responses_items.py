"""The items of a response, and the response around them: read into a chat's answer, made of one.

Reasoning comes sealed (`encrypted_content`) and must go back as it came, with its id. In the lingua
franca that is a thinking block whose signature is both, `rs_….…`; signatures of other vendors are
sealed content to a client of Responses, and marked as such.
Source: platform.openai.com/docs/api-reference/responses/object, 2026-11.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.chat.deltas import (
    CallPart,
    Delta,
    Extra,
    Logprobs,
    Reason,
    Reasoning,
    Refusal,
    Text,
)
from gateway.chat.document import Document
from gateway.chat.usage import Usage, sane
from gateway.wire import json

# ---- reasoning

_OURS: Final = re.compile(r"(rs_[^.]*)\.(.*)", re.DOTALL)
_SIGNED: Final = "signature:"
_REDACTED: Final = "redacted_thinking:"
PARAGRAPH: Final = "\n\n"  # between the parts of a summary


def signature(id: str, sealed: str) -> str:
    return f"{id}.{sealed}"


def unsigned(block: Document) -> Document | None:
    """A thinking block as the item it was; None where its signature is another vendor's."""
    ours = _OURS.fullmatch(str(block.get("signature") or ""))
    if ours is None:
        return None
    text = block.get("thinking")
    summary = [{"type": "summary_text", "text": text}] if text else []
    id, sealed = ours.groups()
    return {"type": "reasoning", "id": id, "summary": summary, "encrypted_content": sealed}


def block(item: Document) -> tuple[str, Document | None]:
    """A client's reasoning item: its text, and the thinking block if it is signed."""
    text = PARAGRAPH.join(
        str(part.get("text") or "")
        for part in item.get("summary") or item.get("content") or ()
        if isinstance(part, dict)
    )
    sealed = item.get("encrypted_content")
    if not isinstance(sealed, str) or not sealed:
        return text, None
    if sealed.startswith(_REDACTED):
        data = sealed.removeprefix(_REDACTED)
        return "", {"type": "redacted_thinking", "data": data}
    if sealed.startswith(_SIGNED):
        signed = sealed.removeprefix(_SIGNED)
    else:  # OpenAI's own, from a turn that was passed through
        signed = signature(str(item.get("id") or ""), sealed)
    return text, {"type": "thinking", "thinking": text, "signature": signed}


# ---- items out


def reasoning_item(id: str, text: str, sealed: str = "", redacted: str = "") -> Document:
    item: Document = {
        "id": id,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}] if text else [],
    }
    if sealed or redacted:
        item["encrypted_content"] = _SIGNED + sealed if sealed else _REDACTED + redacted
    return item


def text_part(
    text: str, annotations: list[Document] | None = None, logprobs: list[Document] | None = None
) -> Document:
    return {
        "type": "output_text",
        "text": text,
        "annotations": annotations or [],
        "logprobs": logprobs or [],
    }


def refusal_part(refusal: str) -> Document:
    return {"type": "refusal", "refusal": refusal}


def message_item(id: str, parts: list[Document], status: str = "completed") -> Document:
    return {
        "id": id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": parts,
    }


def call_item(
    id: str,
    call_id: str,
    name: str,
    arguments: str,
    status: str = "completed",
    extra: Document | None = None,
) -> Document:
    """extra: the lingua franca's `extra_content`, to be given back as it is."""
    item = {
        "id": id,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }
    return {**item, "extra_content": extra} if extra else item


def flat(annotation: Document) -> Document:
    """As Responses have annotations: {"type": t, t: {...}} has one level less here."""
    kind = annotation.get("type")
    inner = annotation.get(kind) if isinstance(kind, str) else None
    return {"type": kind, **inner} if isinstance(inner, dict) else annotation


def nested(annotation: Document) -> Document:
    """And as chats have them."""
    kind = annotation.get("type")
    if not isinstance(kind, str) or kind in annotation:
        return annotation
    inner = {key: value for key, value in annotation.items() if key != "type"}
    return {"type": kind, kind: inner}


def item_id(kind: str, answer: str, index: int) -> str:
    return f"{kind}_{answer.removeprefix('resp_')}_{index}"


def items(answer: Document) -> list[Document]:
    """The items of a chat's answer: of its first choice, for there is no other here."""
    id, choices = str(answer.get("id") or ""), answer.get("choices") or [{}]
    message: Document = choices[0].get("message") or {}
    out: list[Document] = []
    for text, signed, redacted in _thoughts(message):
        out.append(reasoning_item(item_id("rs", id, len(out)), text, signed, redacted))
    parts = _parts(message, (choices[0].get("logprobs") or {}).get("content"))
    status = "completed" if status_of(choices[0].get("finish_reason")) is None else "incomplete"
    if parts:
        out.append(message_item(item_id("msg", id, len(out)), parts, status))
    for call in message.get("tool_calls") or ():
        function = call["function"]
        out.append(
            call_item(
                item_id("fc", id, len(out)),
                call["id"],
                function["name"],
                function["arguments"],
                status,
                call.get("extra_content"),
            )
        )
    return out


def _thoughts(message: Document) -> Iterator[tuple[str, str, str]]:
    """(text, signature, redacted) of each block, and of what was thought beside them."""
    told = ""
    for one in message.get("thinking_blocks") or ():
        text = one.get("thinking") or ""
        told += text
        yield text, one.get("signature") or "", one.get("data") or ""
    rest = (message.get("reasoning_content") or "").removeprefix(told)
    if rest:
        yield rest, "", ""


def _parts(message: Document, logprobs: list[Document] | None) -> list[Document]:
    parts = []
    if message.get("content"):
        annotations = [flat(one) for one in message.get("annotations") or ()]
        parts.append(text_part(message["content"], annotations, logprobs))
    if message.get("refusal"):
        parts.append(refusal_part(message["refusal"]))
    return parts


# ---- the response around them


def status_of(reason: object) -> str | None:
    """Why an answer is incomplete; None where it is whole."""
    if reason == "length":
        return "max_output_tokens"
    return "content_filter" if reason == "content_filter" else None


def response(
    request: Document, *, id: str, model: str, created: int, status: str, output: list[Document]
) -> Document:
    """request: the chat that was asked; what it said stands in the response again."""
    form = request.get("response_format") or {"type": "text"}
    schema = form.get("json_schema")
    text: Document = {"format": {"type": "json_schema", **schema} if schema else form}
    if request.get("verbosity"):
        text["verbosity"] = request["verbosity"]
    return {
        "id": id if id.startswith("resp_") else f"resp_{id}",
        "object": "response",
        "created_at": created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": request.get("max_completion_tokens"),
        "model": model,
        "output": output,
        "parallel_tool_calls": request.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "reasoning": {"effort": request.get("reasoning_effort"), "summary": None},
        "store": False,
        "temperature": request.get("temperature"),
        "text": text,
        "tool_choice": _flat_choice(request.get("tool_choice") or "auto"),
        "tools": [_flat_tool(tool) for tool in request.get("tools") or ()],
        "top_p": request.get("top_p"),
        "truncation": "disabled",
        "usage": None,
        "user": request.get("user"),
        "metadata": request.get("metadata") or {},
    }


def _flat_choice(choice: object) -> object:
    if not isinstance(choice, dict):
        return choice
    kind = choice["type"]
    inner = choice[kind]
    if kind == "allowed_tools":
        inner = {**inner, "tools": [_flat_choice(tool) for tool in inner["tools"]]}
    return {"type": kind, **inner}


def _flat_tool(tool: Document) -> Document:
    function = {"parameters": {}, "strict": False, **tool["function"]}
    return {"type": "function", **function}


def ended(shell: Document, reason: object, usage: Usage | None) -> Document:
    """The response when all is said."""
    incomplete = status_of(reason)
    return {
        **shell,
        "status": "completed" if incomplete is None else "incomplete",
        "incomplete_details": None if incomplete is None else {"reason": incomplete},
        "usage": None if usage is None else written(usage),
    }


# ---- usage


def written(usage: Usage) -> Document:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


_read: Final = msgspec.json.Decoder(_Usage | None).decode
_NONE: Final = _Details()


def usage_of(raw: bytes | msgspec.Raw) -> Usage | None:
    """None where nothing is said that makes sense."""
    try:
        said = _read(raw)
    except msgspec.DecodeError:
        return None
    if said is None:
        return None
    inside, outside = said.input_tokens_details or _NONE, said.output_tokens_details or _NONE
    return sane(
        Usage(
            said.input_tokens or 0,
            said.output_tokens or 0,
            inside.cached_tokens or 0,
            outside.reasoning_tokens or 0,
            inside.cache_write_tokens or 0,
        )
    )


def counted(document: Document) -> Usage | None:
    """The same, of a parsed response."""
    return usage_of(json.write(document.get("usage")))


# ---- items in


def ending(response: Document, *, called: bool) -> Reason:
    """Why a response ended, in a chat's words."""
    reason = (response.get("incomplete_details") or {}).get("reason")
    if reason == "content_filter":
        return "content_filter"
    if response.get("status") == "incomplete":
        return "length"
    return "tool_calls" if called else "stop"


def deltas(item: Document, slot: int) -> Iterator[Delta]:
    """A whole item; slot: of its call, if it is one. Items of other kinds say nothing to a chat."""
    match item.get("type"):
        case "reasoning":
            text, _ = block({**item, "encrypted_content": None})
            if text:
                yield Reasoning(0, text)
            if item.get("encrypted_content"):
                yield Reasoning(0, signature=signature(item["id"], item["encrypted_content"]))
        case "message":
            for part in item.get("content") or ():
                yield from _part_deltas(part)
        case "function_call":
            yield CallPart(0, slot, item["call_id"], item["name"], item.get("arguments") or "")


def _part_deltas(part: Document) -> Iterator[Delta]:
    if part.get("type") == "refusal":
        yield Refusal(0, part.get("refusal") or "")
        return
    if part.get("text"):
        yield Text(0, part["text"])
    if part.get("logprobs"):
        yield Logprobs(0, part["logprobs"])
    if part.get("annotations"):
        yield Extra(0, {"annotations": [nested(one) for one in part["annotations"]]})
