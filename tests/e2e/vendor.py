"""A scripted vendor that offers all of OpenAI's paths, as a client's whole day needs them.

The model's name says what becomes of a request: `status-429`, `stalls`, `halts`, `breaks`,
`cuts-sound`; any other is answered well. Chat repeats the last message, so that no answer can be
mistaken for another's.
"""

import base64
import json
import re
import struct
from collections.abc import Callable
from typing import Any, Final

from tests.vendors import openai_wire as wire
from tests.vendors.scripted import (
    LAST_CHUNK,
    Received,
    Reset,
    Script,
    Send,
    Stall,
    Vendor,
    Wait,
    chunk,
    response,
    stream_head,
    streamed,
)

SOUND: Final = bytes(range(256)) * 2048  # what speech sounds like here: no text, 512 KiB
FILE: Final = b'{"line": 1}\n{"line": 2}\n'
FLAGGED: Final = {"violence": True}
_FORM_MODEL: Final = re.compile(rb'name="model"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)\r\n')


def vendor() -> Vendor:
    return Vendor(choose=script)


def model(request: Received) -> str:
    """The name that a request bears, in whatever body; "" for none."""
    if not request.body:
        return ""
    if (request.header("content-type") or "").startswith("application/json"):
        return str(json.loads(request.body).get("model", ""))
    found = _FORM_MODEL.search(request.body)
    return found[1].decode() if found else ""


def asked_for(name: str, among: Vendor) -> list[Received]:
    """The journal's requests for one model."""
    return [request for request in among.journal if model(request) == name]


def script(request: Received) -> Script:
    name = model(request)
    fault = re.fullmatch(r"status-(\d+)", name)
    if fault:
        return [Send(_refusal(int(fault[1])))]
    if name in _FAULTS:
        return _FAULTS[name](request)
    answer = _ANSWERS.get((request.method, _kind(request.path)))
    return [Send(answer(request) if answer else response(404, wire.error_body("no such path")))]


def _kind(path: str) -> str:
    return re.sub(r"file-\w+", "ID", path.partition("?")[0])


# ---- faults


def _refusal(status: int) -> bytes:
    said = wire.error_body("the vendor's words", type="vendor_error", code="odd", param="messages")
    return response(status, said)


def _stalls(request: Received) -> Script:
    """Not even a head."""
    return [Stall()]


def _halts(request: Received) -> Script:
    """The beginning of a stream, then nothing for ever."""
    return [Send(stream_head() + b"".join(map(chunk, wire.chat_events()[:3]))), Stall()]


def _breaks(request: Received) -> Script:
    """The beginning of a stream, then a dead connection."""
    begun = stream_head() + b"".join(map(chunk, wire.chat_events()[:3]))
    return [Send(begun), Wait(0.1), Reset()]


def _cuts_sound(request: Received) -> Script:
    head = b"content-type: audio/mpeg\r\n"
    whole = response(200, SOUND, head)
    return [Send(whole[: len(whole) // 2]), Wait(0.1), Reset()]


_FAULTS: Final[dict[str, Callable[[Received], Script]]] = {
    "stalls": _stalls,
    "halts": _halts,
    "breaks": _breaks,
    "cuts-sound": _cuts_sound,
}


def once_refused(status: int, headers: bytes) -> Callable[[Received], Script]:
    """The first request is refused, with further header lines; all others are answered."""
    seen: list[Received] = []

    def choose(request: Received) -> Script:
        seen.append(request)
        if len(seen) > 1:
            return script(request)
        said = wire.error_body("not now", type="requests", code="rate_limit_exceeded")
        return [Send(response(status, said, b"content-type: application/json\r\n" + headers))]

    return choose


# ---- answers


def _chat(request: Received) -> bytes:
    asked: dict[str, Any] = json.loads(request.body)
    text = asked["messages"][-1]["content"]
    if not asked.get("stream"):
        return response(200, wire.chat_body(text, model=asked["model"]))
    used = wire.usage() if (asked.get("stream_options") or {}).get("include_usage") else None
    return streamed(*wire.chat_events(text.split(), model=asked["model"], used=used))


def _completion(request: Received) -> bytes:
    asked: dict[str, Any] = json.loads(request.body)
    if not asked.get("stream"):
        return response(200, wire.completion_body(asked["prompt"], model=asked["model"]))
    return streamed(*wire.completion_events(asked["prompt"].split(), model=asked["model"]))


def _embeddings(request: Received) -> bytes:
    asked: dict[str, Any] = json.loads(request.body)
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    vectors = [[0.5, float(len(text))] for text in texts]
    if asked.get("encoding_format") != "base64":
        return response(200, wire.embeddings_body(*vectors))
    packed = [base64.b64encode(struct.pack("<2f", *vector)).decode() for vector in vectors]
    return response(200, wire.embeddings_body(*packed))


def _moderation(request: Received) -> bytes:
    result = {"flagged": True, "categories": FLAGGED, "category_scores": {"violence": 0.9}}
    return _json({"id": "modr-1", "model": model(request), "results": [result]})


def _image(request: Received) -> bytes:
    return _json({"created": 1, "data": [{"b64_json": "aW1hZ2U="}]})


def _speech(request: Received) -> bytes:
    pieces = b"".join(chunk(SOUND[at : at + 65536]) for at in range(0, len(SOUND), 65536))
    return stream_head(200, b"content-type: audio/mpeg\r\n") + pieces + LAST_CHUNK


def _transcription(request: Received) -> bytes:
    return _json({"text": f"{len(request.body)} bytes heard"})


def _file(request: Received) -> bytes:
    return _json(
        {
            "id": "file-abc", "object": "file", "bytes": len(FILE), "created_at": 1,
            "filename": "lines.jsonl", "purpose": "batch", "status": "processed",
        }
    )  # fmt: skip


def _content(request: Received) -> bytes:
    return response(200, FILE, b"content-type: application/octet-stream\r\n")


def _deleted(request: Received) -> bytes:
    return _json({"id": "file-abc", "object": "file", "deleted": True})


def _json(document: object) -> bytes:
    return response(200, json.dumps(document).encode())


_ANSWERS: Final[dict[tuple[str, str], Callable[[Received], bytes]]] = {
    ("POST", "/v1/chat/completions"): _chat,
    ("POST", "/v1/completions"): _completion,
    ("POST", "/v1/embeddings"): _embeddings,
    ("POST", "/v1/moderations"): _moderation,
    ("POST", "/v1/images/generations"): _image,
    ("POST", "/v1/images/edits"): _image,
    ("POST", "/v1/audio/speech"): _speech,
    ("POST", "/v1/audio/transcriptions"): _transcription,
    ("POST", "/v1/files"): _file,
    ("GET", "/v1/files/ID"): _file,
    ("GET", "/v1/files/ID/content"): _content,
    ("DELETE", "/v1/files/ID"): _deleted,
}
