"""Who asks, and what the head of a request says besides: read once, before the body."""

import math
from dataclasses import dataclass
from typing import Final

from gateway.errors import Code, GatewayError
from gateway.policy import access
from gateway.runtime.snapshot import Route, Snapshot
from gateway.wire.http import RequestHead, printable

_LABEL: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
MAX_LABEL: Final = 128
MAX_NAME_SHOWN: Final = 128  # characters of a model's name in a message
_PASSED: Final = frozenset({b"traceparent", b"tracestate", b"openai-beta"})


@dataclass(frozen=True, slots=True)
class Caller:
    snapshot: Snapshot  # in force when the request came; it stays the exchange's to the end
    key: access.VirtualKey
    label: str | None  # the client's own id for the request, for the log
    timeout_s: float  # what the client is willing to wait; inf if it does not say
    passed: bytes  # header lines of the client's that go along to the backend

    def route(self, model: str) -> Route:
        """How a model is served, if this caller may use it. Raises GatewayError."""
        route = self.snapshot.route(model)
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
    authorization = api_key = label = None
    timeout_s = math.inf
    passed = b""
    for name, value in head.headers:
        if name == b"authorization":
            authorization = value
        elif name == b"x-api-key":
            if api_key is not None:
                raise access.unauthenticated()
            api_key = value
        elif name == b"x-request-id":
            label = _label(value)
        elif name == b"x-request-timeout":
            timeout_s = _timeout(value)
        elif name in _PASSED and printable(value):
            passed += b"%b: %b\r\n" % (name, value)
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise GatewayError(
                Code.BODY_ENCODING,
                "request bodies are taken as they are, without content-encoding",
                headers=b"accept-encoding: identity\r\n",
            )
    key = access.identify(access.presented(authorization, api_key), snapshot.keys)
    return Caller(snapshot, key, label, timeout_s, passed)


def _label(value: bytes) -> str | None:
    """The client's id, if it is one that may stand in a log."""
    return value.decode() if len(value) <= MAX_LABEL and _LABEL.issuperset(value) else None


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
