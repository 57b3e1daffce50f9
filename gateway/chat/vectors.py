"""Answers to a request for embeddings, in OpenAI's form, from a vendor's plain lists of numbers."""

from array import array
from base64 import b64encode
from collections.abc import Sequence
from sys import byteorder

from gateway.chat.document import Document


def texts(document: Document) -> list[str] | None:
    """The texts of a request; None where it has tokens, which only their own model can read."""
    given = document["input"]
    wanted = [given] if isinstance(given, str) else given
    return wanted if all(isinstance(text, str) for text in wanted) else None


def answer(
    request: Document, vectors: Sequence[Sequence[float]], tokens: int | None = None
) -> Document:
    """vectors: in the order of the request's inputs. tokens: None where the vendor says none."""
    encoded = request.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": at, "embedding": _base64(one) if encoded else list(one)}
        for at, one in enumerate(vectors)
    ]
    said: Document = {"object": "list", "data": data, "model": request.get("model")}
    if tokens is not None:
        said["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return said


def _base64(vector: Sequence[float]) -> str:
    """As OpenAI has it: 32-bit floats, the low byte first."""
    packed = array("f", vector)
    if byteorder == "big":
        packed.byteswap()
    return b64encode(packed.tobytes()).decode()
