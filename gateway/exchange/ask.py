"""What is asked of one target: the request's bytes, built anew for each attempt."""

from typing import Final

import msgspec

from gateway.chat.operation import Operation
from gateway.dialects.openai import Head
from gateway.runtime.snapshot import Route, Target
from gateway.upstream.pool import WireRequest
from gateway.wire import json

_INCLUDE_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')
_TRUE: Final = msgspec.Raw(b"true")
_options: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Ask(msgspec.Struct, frozen=True, gc=False):
    """An understood request, the same for every attempt."""

    operation: Operation
    head: Head
    fields: json.Fields  # never changed: the next attempt starts clean
    route: Route
    passed: bytes  # header lines of the client's that go along

    @property
    def stream(self) -> bool:
        return self.head.stream is True


def wire_request(ask: Ask, target: Target) -> WireRequest:
    route = ask.route
    fields = {**route.defaults, **ask.fields, **route.force, "model": target.model_json}
    if ask.stream and target.backend.provider.usage_on_request and not ask.head.wants_usage:
        fields["stream_options"] = _with_usage(ask.fields.get("stream_options"))
    body = json.write(fields)
    head = target.backend.heads[ask.operation]
    return WireRequest(b"%b%bcontent-length: %d\r\n\r\n" % (head, ask.passed, len(body)), body)


def _with_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    """We count what a stream took, whether or not the client wants to know."""
    if options is None or bytes(options) == b"null":
        return _INCLUDE_USAGE
    return msgspec.Raw(json.write({**_options(options), "include_usage": _TRUE}))
