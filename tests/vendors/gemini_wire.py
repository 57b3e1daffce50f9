"""A vendor that speaks Gemini, out of the golden files: the model's name is the case's.

`status-429` and the like are refused in Google's words.
"""

import json
import re
from pathlib import Path
from typing import Final

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

GOLDEN: Final = Path(__file__).parent.parent / "golden" / "gemini"
_PATH: Final = re.compile(
    r"/v1beta/models/([^/:]+):"
    r"(generateContent|streamGenerateContent\?alt=sse|batchEmbedContents|countTokens)"
)


def vendor() -> Vendor:
    return Vendor(choose=script)


def script(request: Received) -> Script:
    found = _PATH.fullmatch(request.path)
    if found is None:
        return [Send(refusal(404, "NOT_FOUND"))]
    name, action = found[1], found[2]
    if name.startswith("status-"):
        return [Send(refusal(int(name.removeprefix("status-")), "RESOURCE_EXHAUSTED"))]
    if action == "batchEmbedContents":
        asked = json.loads(request.body)["requests"]
        vectors = [{"values": [float(at), 0.5]} for at in range(len(asked))]
        return [Send(response(body=json.dumps({"embeddings": vectors}).encode()))]
    if action == "countTokens":
        return [Send(response(body=b'{"totalTokens": 31}'))]
    if action == "generateContent":
        return [Send(response(body=(GOLDEN / name / "response.json").read_bytes()))]
    stream = (GOLDEN / name / "stream.txt").read_bytes()
    events = [event + b"\r\n\r\n" for event in stream.split(b"\r\n\r\n") if event]
    return [Send(stream_head()), *(Send(chunk(event)) for event in events), Send(LAST_CHUNK)]


def refusal(status: int, word: str) -> bytes:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}
    error = {"code": status, "message": "the vendor's words", "status": word, "details": [retry]}
    return response(status, json.dumps({"error": error}).encode())
