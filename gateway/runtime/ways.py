"""How an operation is asked of a target: in which language, under which head, proved how.

All of it is made when a config is compiled, but for what has to be new for each request: a
signature, a token that changes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from gateway.chat.operation import Operation
from gateway.dialects.base import UpstreamDialect
from gateway.dialects.translation import Translation
from gateway.providers.base import Authorize, Door, EmbeddingsDoor, Provider, Signable
from gateway.runtime.languages import CLIENTS, AnyDoor, door_for, translation
from gateway.upstream.credentials import Credential, shown
from gateway.wire.http import lines

_MODEL: Final = "{model}"
Prove = Callable[[bytes, bytes], bytes]  # path with query, body -> header lines


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    language: str  # the backend's
    stream_type: bytes  # how the content type of a stream begins
    head: bytes = field(repr=False)  # from "POST /path" on, with the credential
    stream_head: bytes = field(repr=False)  # the same, for a stream
    path: bytes
    stream_path: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Plain(_Way):
    """The client speaks the backend's language: bytes go through."""

    upstream: UpstreamDialect


@dataclass(frozen=True, slots=True, eq=False)
class Across(_Way):
    """From one language to another."""

    translation: Translation


Way = Plain | Across


def ways(
    provider: Provider,
    doors: Mapping[Operation, AnyDoor],
    base_path: bytes,
    common: bytes,
    model: str,
) -> Mapping[Operation, Way]:
    """By what a client asks for. model: the backend's name for it."""
    found: dict[Operation, Way] = {}
    for operation in CLIENTS:
        door = door_for(operation, doors)
        if door is not None:
            path = base_path + _filled(door.path, model)
            stream_path = base_path + _filled(door.stream_path or door.path, model)
            heads = _head(path, common), _head(stream_path, common), path, stream_path
            across = translation(operation, door)
            if across is not None:
                found[operation] = Across(door.dialect.name, across.stream_type, *heads, across)
            elif isinstance(door, Door):
                found[operation] = Plain(
                    door.dialect.name, door.dialect.stream_type, *heads, door.dialect
                )
    return found


def per_model(doors: Mapping[Operation, Door | EmbeddingsDoor]) -> bool:
    """Whether the ways differ with the model's name."""
    return any(_MODEL in door.path for door in doors.values())


def _head(path: bytes, common: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\n%bcontent-type: application/json\r\n" % (path, common)


def _filled(path: str, model: str) -> bytes:
    return path.replace(_MODEL, quote(model, safe="")).encode()


def showing(credential: Credential, authorize: Authorize) -> Prove:
    """What shows a credential that does not last. It raises NoCredential."""

    def prove(path: bytes, body: bytes) -> bytes:
        return lines(authorize(shown(credential)))

    return prove


def signing(provider: Provider, secret: str, host: bytes, region: str) -> Prove | None:
    """What proves each request anew; None where the head does."""
    sign = provider.sign
    if sign is None:
        return None

    def prove(path: bytes, body: bytes) -> bytes:
        request = Signable(b"POST", host, path, body, region)
        return lines(sign(request, secret, datetime.now(UTC)))

    return prove
