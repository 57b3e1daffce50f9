"""What may be remembered, and under which key. Pure.

An answer may be remembered where it would be the same each time. Each field of a request is
classified: it can change the answer and is part of the key, or cannot and is not; with a field that
nobody has classified, nothing is remembered.
"""

import hashlib
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import msgspec

from gateway.chat.document import Document, text_of
from gateway.chat.operation import Operation

VERSION: Final = b"3"  # of the key and of what is kept under it
DIGEST_BYTES: Final = 32
_HEX: Final = frozenset("0123456789abcdef")

# Fields of the lingua franca that can change an answer.
_TELLING: Final = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "suffix",
        "echo",
        "best_of",
        "input",
        "dimensions",
        "encoding_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "response_format",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "seed",
        "n",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "modalities",
        "audio",
        "prediction",
        "reasoning_effort",
        "thinking",
        "verbosity",
        "service_tier",
    }
)
# Fields that cannot: how it is sent, who asks, what the vendor keeps.
_SILENT: Final = frozenset(
    {
        "stream",
        "stream_options",
        "user",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
    }
)
# Fields with which an answer is another each time, or does something besides.
_LIVING: Final = frozenset({"web_search_options", "moderation", "store"})
CLASSIFIED: Final = _TELLING | _SILENT | _LIVING


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route lets be remembered."""

    enabled: bool
    seeded: bool  # its backends honour a seed: then any temperature will do
    shared: str = ""  # "" for each tenant by itself, else the name of what several share
    ttl_s: float = 3600.0
    max_entry_bytes: int = 1 << 20
    verify: float = 0.0  # the share of hits that is asked again
    usage: str = "original"  # what a hit says it took; or "zero"
    replay_tokens_per_s: float | None = None  # None: a streamed hit comes at once


def reason(operation: Operation, asked: Document, rule: Rule, forced: Collection[str] = ()) -> str:
    """Why an answer may not be remembered; "" if it may. asked: in the lingua franca; forced: the
    fields of it that are the config's own, whoever knows them.
    """
    if not rule.enabled:
        return "off"
    unknown = asked.keys() - CLASSIFIED
    if unknown and not unknown <= set(forced):
        return "unknown_field"
    if any(asked.get(name) not in (None, False) for name in _LIVING):
        return "living"
    if operation is Operation.EMBEDDINGS:
        return ""
    if asked.get("n") not in (None, 1) or asked.get("best_of") not in (None, 1):
        return "several_choices"
    if asked.get("temperature") == 0 and not isinstance(asked["temperature"], bool):
        return ""
    if rule.seeded and isinstance(asked.get("seed"), int):
        return ""
    return "not_deterministic"


_canonical: Final = msgspec.json.Encoder(order="sorted").encode


def key(scope: str, route: str, target: str, policy: str, operation: str, asked: Document) -> bytes:
    """32 bytes. scope: the tenant, or what is shared; target: the backend's model; policy: whatever
    else changes an answer; asked: in any language. Each part is told with its length, so that no
    two lists of parts are alike.
    """
    digest = hashlib.sha256(VERSION)
    for part in (scope, route, target, policy, operation):
        raw = part.encode()
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    digest.update(_canonical(telling(asked)))
    return digest.digest()


def telling(asked: Document) -> Document:
    """What of a request can change its answer. The model's name stands in the key already; null
    says what is said by leaving a field out.
    """
    return {
        name: _number(value)
        for name, value in asked.items()
        if value is not None and name not in _SILENT and name != "model"
    }


def _number(value: object) -> object:
    """1.0 says what 1 says."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if whole and isinstance(value, float) else value


# ---- where it is kept: what can be purged together begins alike


def place(scope: str, model: str, entry: str) -> str:
    """entry: the key, in hex."""
    return f"cache/{quote(scope, safe='')}/{quote(model, safe='')}/{entry}"


def owner_of(place: bytes) -> bytes:
    """Who shares the room with whom: the scope."""
    return unquote_to_bytes(place.split(b"/")[1]) if place.count(b"/") else b""


def of_place(place: bytes) -> str:
    """The key, in hex."""
    return place[-2 * DIGEST_BYTES :].decode()


def places(tenant: str | None, model: str | None, entry: str | None) -> str:
    """A glob of all places of a tenant, a model, an entry; None for any."""
    scope = "*" if tenant is None else quote(f"tenant {tenant}", safe="")
    name = "*" if model is None else quote(model, safe="")
    return f"cache/{scope}/{name}/{'*' if entry is None else entry}"


def is_entry(text: str) -> bool:
    return len(text) == 2 * DIGEST_BYTES and _HEX.issuperset(text)


# ---- what is kept


class Entry(msgspec.Struct, frozen=True):
    """A whole answer in the lingua franca, complete and unfiltered."""

    answer: Document
    made_at: float  # unix seconds
    target: str  # who gave it: backend/model
    fingerprint: str = ""  # what the backend says of its configuration, if it does


_entry: Final = msgspec.json.Decoder(Entry).decode
_packed: Final = msgspec.json.Encoder().encode


def pack(digest: bytes, entry: Entry) -> bytes:
    """Version, the key's own digest, a checksum, JSON."""
    written = _packed(entry)
    return VERSION + digest + _checksum(written) + written


def unpack(digest: bytes, raw: bytes) -> Entry | None:
    """None for whatever is not what pack made of this very key."""
    start = len(VERSION) + len(digest)
    written = raw[start + _CHECKSUM_BYTES :]
    if raw[: start + _CHECKSUM_BYTES] != VERSION + digest + _checksum(written):
        return None
    try:
        return _entry(written)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


_CHECKSUM_BYTES: Final = 4


def _checksum(written: bytes) -> bytes:
    """Against accidents: whoever may write to the store could write this, too."""
    return zlib.crc32(written).to_bytes(_CHECKSUM_BYTES, "big")


def keepable(answer: Document, most: int | None = None) -> bool:
    """Complete, nothing of it filtered, and no more tokens than were asked for: a server that does
    not know a limit by this name may by another. Embeddings have no choices to look at.
    """
    choices = answer.get("choices")
    if choices is None:
        return "data" in answer
    took = (answer.get("usage") or {}).get("completion_tokens")
    if most is not None and took is not None and took > most:
        return False
    reasons = {choice.get("finish_reason") for choice in choices}
    return bool(choices) and reasons <= {"stop", "length", "tool_calls"}


_FLEETING: Final = frozenset({"id", "created", "usage", "system_fingerprint"})


def compared(before: Document, after: Document) -> str:
    """How equal two answers to one question are: same, text (only the rest differs), different."""
    if _lasting(before) == _lasting(after):
        return "same"
    return "text" if _said(before) == _said(after) else "different"


def agreement(before: Document, after: Document) -> float:
    """How much of what was said is the same from the beginning, as a share of the longer one."""
    one, other = "\0".join(_said(before)), "\0".join(_said(after))
    same, most = 0, min(len(one), len(other))
    while same < most:
        middle = (same + most + 1) // 2
        if one[:middle] == other[:middle]:
            same = middle
        else:
            most = middle - 1
    return same / max(1, len(one), len(other))


def _lasting(answer: Document) -> Document:
    kept = {name: value for name, value in answer.items() if name not in _FLEETING}
    if "choices" in kept:
        kept["choices"] = [_unnumbered(choice) for choice in kept["choices"]]
    return kept


def _unnumbered(choice: Document) -> Document:
    """Without the ids of its calls, which are new each time."""
    message = choice.get("message") or {}
    calls = [{**call, "id": ""} for call in message.get("tool_calls") or ()]
    return {**choice, "message": {**message, "tool_calls": calls}}


def _said(answer: Document) -> list[str]:
    """The text of each choice, and what it calls."""
    said = []
    for choice in answer.get("choices") or ():
        message = choice.get("message") or {}
        said.append(text_of(message.get("content")))
        functions = [call.get("function") or {} for call in message.get("tool_calls") or ()]
        said += [f"{one.get('name')}({one.get('arguments')})" for one in functions]
    return said


# ---- what the client says


@dataclass(frozen=True, slots=True)
class Wish:
    """cache-control of a request (RFC 9111 5.2.1), as far as it means something here."""

    look: bool = True  # a remembered answer will do
    keep: bool = True  # the answer may be remembered
    max_age_s: float | None = None  # a remembered one may be so old


_ANY: Final = Wish()


def wish(header: bytes | None) -> Wish:
    """What cannot be read asks for nothing."""
    if header is None:
        return _ANY
    look = keep = True
    max_age_s: float | None = None
    for part in header.lower().split(b","):
        name, _, value = part.strip().partition(b"=")
        if name == b"no-cache":
            look = False
        elif name == b"no-store":
            look = keep = False
        elif name == b"max-age" and value.isdigit() and len(value) < 10:
            max_age_s = float(value)
    return Wish(look, keep, max_age_s)
