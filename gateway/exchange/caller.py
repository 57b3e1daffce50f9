"""Who asks, and what the head of a request says besides: read once, before the body."""

import math
import time
from typing import Final

import msgspec

from gateway.chat.operation import Operation
from gateway.errors import Code, GatewayError
from gateway.policy import access, caps
from gateway.runtime.snapshot import Route, Snapshot
from gateway.wire import json
from gateway.wire.http import RequestHead, printable

_LABEL: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
MAX_LABEL: Final = 128
MAX_NAME_SHOWN: Final = 128  # characters of a model's name in a message
_PASSED: Final = (b"traceparent", b"tracestate", b"openai-beta", b"anthropic-beta")
_SDK_TIMEOUTS: Final = (b"x-stainless-read-timeout", b"x-stainless-timeout")
# Most requests have none of what is read beside the key.
_READ: Final = frozenset({b"content-encoding", b"x-request-id", b"x-request-timeout", *_PASSED})


class Caller(msgspec.Struct, frozen=True, gc=False):
    snapshot: Snapshot  # in force when the request came; it stays the exchange's to the end
    key: access.VirtualKey
    label: str | None  # the client's own id for the request, for the log
    timeout_s: float  # what the client is willing to wait; inf if it does not say
    passed: bytes  # header lines of the client's that go along to the backend
    head: RequestHead

    def patience_s(self, *, stream: bool) -> float:
        """What the client is willing to wait. An SDK that says how long it waits for the next byte
        says so of a whole answer; of a stream, which has bytes all along, it says nothing.
        """
        if stream:
            return self.timeout_s
        headers = self.head.headers
        said = headers.get(_SDK_TIMEOUTS[0]) or headers.get(_SDK_TIMEOUTS[1])
        return self.timeout_s if said is None else min(self.timeout_s, _sdk_timeout(said))

    def permit(self, operation: Operation) -> None:
        """Before the body is read. Raises GatewayError."""
        key, length = self.key, self.head.length
        if not key.may_do(operation):
            raise GatewayError(Code.OPERATION_NOT_ALLOWED, "this key may not use that endpoint")
        if key.caps is not None and length is not None:
            caps.check_size(key.caps, length)

    def cap(self, fields: json.Fields) -> None:
        """Raises GatewayError for a request that asks for more than the key may."""
        if self.key.caps is not None:
            caps.check(self.key.caps, fields)

    def session(self, route: Route) -> bytes | None:
        """The session's id, for routes that keep sessions together."""
        return self.head.headers.get(route.sticky.header)

    def route(self, model: str) -> Route:
        """How a model is served, if this caller may use it. Raises GatewayError."""
        snapshot = self.snapshot
        route = snapshot.routes.get(model) or snapshot.route(model)
        if route is None:
            shown = model if len(model) <= MAX_NAME_SHOWN else model[:MAX_NAME_SHOWN] + "…"
            raise GatewayError(
                Code.MODEL_NOT_FOUND, f"the model {shown!r} does not exist", param="model"
            )
        if not self.key.may_use(model):
            raise GatewayError(
                Code.MODEL_NOT_ALLOWED, "this key may not use that model", param="model"
            )
        return route


def identify(head: RequestHead, snapshot: Snapshot) -> Caller:
    """Raises GatewayError; nothing of the body has been read yet."""
    field, take = head.headers.get, head.headers.pop  # nobody needs the key any more
    authorization = take(b"authorization", None)
    digest = access.presented(
        authorization, take(b"x-api-key", None), take(b"x-goog-api-key", None)
    )
    key = _of_token(authorization, digest, snapshot) or access.identify(digest, snapshot.keys)
    if _READ.isdisjoint(head.headers):
        return Caller(snapshot, key, None, math.inf, b"", head)
    encoding = field(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise GatewayError(
            Code.BODY_ENCODING,
            "request bodies are taken as they are, without content-encoding",
            headers=b"accept-encoding: identity\r\n",
        )
    label, timeout = field(b"x-request-id"), field(b"x-request-timeout")
    passed = b""
    for name in _PASSED:
        value = field(name)
        if value is not None and printable(value):
            passed += b"%b: %b\r\n" % (name, value)
    return Caller(
        snapshot,
        key,
        None if label is None else _label(label),
        math.inf if timeout is None else _timeout(timeout),
        passed,
        head,
    )


def _of_token(
    authorization: bytes | None, digest: bytes | None, snapshot: Snapshot
) -> access.VirtualKey | None:
    """For a caller that presents an identity provider's token; None for all others."""
    if snapshot.tokens is None or authorization is None or digest is None:
        return None
    return snapshot.tokens.verified(authorization.partition(b" ")[2], digest, time.time())


def _label(value: bytes) -> str | None:
    """The client's id, if it is one that may stand in a log."""
    return value.decode() if len(value) <= MAX_LABEL and _LABEL.issuperset(value) else None


def _sdk_timeout(value: bytes) -> float:
    """Seconds; what an SDK writes when it has none is no fault of its user's."""
    try:
        timeout_s = float(value)
    except ValueError:
        return math.inf
    return timeout_s if timeout_s > 0 else math.inf


def _timeout(value: bytes) -> float:
    try:
        timeout_s = float(value)
    except ValueError:
        timeout_s = math.nan
    if not timeout_s > 0:
        raise GatewayError(
            Code.INVALID_VALUE,
            "x-request-timeout must be a positive number of seconds",
            param="x-request-timeout",
        )
    return timeout_s
