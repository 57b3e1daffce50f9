"""What is asked of one target: the request's bytes, built anew for each attempt.

Where the target speaks the client's language the document goes out as it came, but for the model's
name and what the route says. Elsewhere it is read into the lingua franca once, and written for each
target in its own language.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.chat.document import Document
from gateway.chat.operation import Operation
from gateway.dialects.base import ClientDialect, Head, Losses, UpstreamDialect
from gateway.dialects.translation import Translation
from gateway.exchange.settings import overlaid, settled
from gateway.runtime.snapshot import Route, Target
from gateway.runtime.ways import Plain
from gateway.upstream.pool import WireRequest
from gateway.wire import json

_INCLUDE_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')
_TRUE: Final = msgspec.Raw(b"true")
# Whose streams say their usage on request.
_OPENAI: Final = frozenset({Operation.CHAT, Operation.COMPLETION})
_options: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_document: Final = msgspec.json.Decoder(Document).decode


class Ask:
    """An understood request, the same for every attempt. Nothing of it ever changes."""

    __slots__ = ("_read", "client", "fields", "head", "operation", "passed", "route", "stream")

    def __init__(
        self,
        operation: Operation,
        client: ClientDialect,
        head: Head,
        fields: json.Fields,
        route: Route,
        passed: bytes,
    ) -> None:
        self.operation = operation
        self.client = client
        self.head = head
        self.fields = fields
        self.route = route
        self.stream = head.stream is True
        self.passed = passed  # header lines of the client's that go along
        self._read: Document | None = None

    def on(self, route: Route, fields: json.Fields | None = None) -> "Ask":
        """The same of another route, or with other fields."""
        fields = self.fields if fields is None else fields
        return Ask(self.operation, self.client, self.head, fields, route, self.passed)

    def read(self, losses: Losses) -> Document:
        """The request in the lingua franca. Raises GatewayError for what it cannot say."""
        if self._read is None:
            asked = self.client.read_request(_document(json.write(self.fields)), losses)
            if losses.dropped:
                return asked  # they are told of each attempt
            self._read = asked
        return self._read


def wire_request(ask: Ask, target: Target, losses: Losses) -> WireRequest:
    """Raises GatewayError where the target's language has no word for something."""
    way = target.ways[ask.operation]
    fields: Mapping[str, object]
    if isinstance(way, Plain):
        passed, fields = ask.passed, _as_it_came(ask, target, way.upstream, losses)
    else:
        passed, fields = _traces(ask.passed), _translated(ask, target, way.translation, losses)
    provider = target.backend.provider
    if target.renames or provider.refuses:
        fields = _adapted(fields, target, losses)
    body = json.write(fields)
    head, path = (way.stream_head, way.stream_path) if ask.stream else (way.head, way.path)
    prove = target.backend.prove
    proof = b"" if prove is None else prove(path, body)
    return WireRequest(b"%b%b%bcontent-length: %d\r\n\r\n" % (head, proof, passed, len(body)), body)


def losses(ask: Ask) -> Losses:
    """What may be left out of a request: what the config gave, or all if the route says so."""
    route = ask.route
    if not (route.defaults or route.force):
        return Losses(drop=route.drops)
    given = [name for name in route.defaults if name not in ask.fields]
    return Losses({*given, *route.force}, drop=route.drops)


# ---- the client's own language


def _as_it_came(ask: Ask, target: Target, upstream: UpstreamDialect, losses: Losses) -> json.Fields:
    route = ask.route
    fields = ask.fields
    if route.defaults or route.force:
        fields = settled(ask.operation, fields, route.defaults, route.force, losses)
    fields = upstream.addressed(fields, target.model_json)
    wanted = target.backend.provider.usage_on_request and not ask.head.wants_usage
    if ask.stream and wanted and ask.operation in _OPENAI:
        fields["stream_options"] = _with_usage(ask.fields.get("stream_options"))
    return fields


def _with_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    """We count what a stream took, whether or not the client wants to know."""
    if options is None or bytes(options) == b"null":
        return _INCLUDE_USAGE
    return msgspec.Raw(json.write({**_options(options), "include_usage": _TRUE}))


# ---- another language


def _traces(passed: bytes) -> bytes:
    """What means the same to every vendor."""
    return b"".join(line for line in passed.splitlines(keepends=True) if line.startswith(b"trace"))


def previews(passed: bytes) -> bytes:
    """What of it chooses how a vendor answers: its previews."""
    return b"".join(line for line in passed.splitlines(True) if not line.startswith(b"trace"))


def _translated(
    ask: Ask, target: Target, translation: Translation, losses: Losses
) -> Mapping[str, object]:
    route = ask.route
    asked = overlaid(ask.read(losses), plain(route.defaults), plain(route.force))
    asked["model"] = target.model
    if ask.stream:
        asked["stream"] = True
    return translation.request(asked, losses)


def plain(fields: json.Fields) -> Document:
    return _document(json.write(fields)) if fields else {}


# ---- a vendor's own ways within its language


def _adapted(fields: Mapping[str, object], target: Target, losses: Losses) -> Mapping[str, object]:
    """Fields renamed that the vendor calls otherwise; those that it does not take are refused."""
    provider, renames = target.backend.provider, target.renames
    renamed = [name for name in renames if name in fields]
    refused = provider.refuses & fields.keys()
    if not renamed and not refused:
        return fields
    changed = dict(fields)
    for name in renamed:
        changed.setdefault(renames[name], changed.pop(name))
    for name in refused:
        losses.cannot(name, f"{provider.name} does not take it")
        del changed[name]
    return changed
