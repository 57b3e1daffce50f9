"""The URL table: which request takes which road. Knows who asks before any body is read."""

import time
from collections.abc import Coroutine

from gateway.chat.operation import Operation
from gateway.dialects.base import ClientDialect
from gateway.errors import Code, GatewayError
from gateway.exchange import answer
from gateway.exchange.caller import Caller, identify
from gateway.exchange.pipeline import Gateway
from gateway.runtime.languages import client_of
from gateway.runtime.state import Runtime
from gateway.server import models
from gateway.server.body import Body
from gateway.server.heads import Admitted
from gateway.server.outlet import Outlet
from gateway.server.paths import Row, named, row_of
from gateway.telemetry.record import Outcome, Record
from gateway.wire.http import RequestHead


class ClientDoor:
    """Stands behind every client connection."""

    def __init__(self, runtime: Runtime, gateway: Gateway) -> None:
        self._runtime = runtime
        self._gateway = gateway

    def admit(self, head: RequestHead) -> Admitted:
        """Raises GatewayError."""
        row = row_of(head.path)
        if row is None:
            raise GatewayError(Code.NOT_FOUND, "there is no such path; see GET /v1/models")
        if head.method not in row.methods:
            allowed = b", ".join(row.methods)
            raise GatewayError(
                Code.METHOD_NOT_ALLOWED,
                f"only {allowed.decode()} is answered here",
                headers=b"allow: %b\r\n" % allowed,
            )
        if row.operation is None:
            return _Health(self._runtime, head.path)
        if self._runtime.strain.reason:
            raise self._shed(self._runtime.strain.reason)
        caller = identify(head, self._runtime.snapshot)
        if row.operation is Operation.MODELS:
            return _Models(self._runtime, caller, head)
        caller.permit(row.operation)
        return _Exchange(self._runtime, self._gateway, caller, row.operation, head, row)

    def _shed(self, reason: str) -> GatewayError:
        """Before anything of the body is read: what is under way is served well instead."""
        self._runtime.sink.metrics.number("gateway_shed_total", reason).value += 1
        return GatewayError(
            Code.OVERLOADED, "the gateway has enough to do; try again soon", retry_after_s=1
        )

    def refuse(self, head: RequestHead | None, error: GatewayError, outlet: Outlet) -> None:
        record = Record(None if head is None else _operation(head.path))
        record.failed(error.code, error.status)
        if error.__cause__ is not None:
            self._runtime.sink.log.surprise("refused", error.__cause__, id=record.id)
        body = _client(record.operation, head).error_body(error)
        outlet.whole(error.status, answer.error_head(error, record), body)
        record.ended_at = time.monotonic()
        self._runtime.sink.told(record)


def _client(operation: Operation | None, head: RequestHead | None) -> ClientDialect:
    """Whose words an error is told in."""
    if operation is Operation.MODELS and head is not None:
        return models.form(head).client
    return client_of(operation)


def _operation(path: bytes) -> Operation | None:
    row = row_of(path)
    return None if row is None else row.operation


class _Exchange:
    """A request for a model."""

    __slots__ = (
        "_caller",
        "_gateway",
        "_head",
        "_operation",
        "_relayed",
        "_row",
        "_runtime",
        "buffered",
        "max_body_bytes",
    )

    def __init__(
        self,
        runtime: Runtime,
        gateway: Gateway,
        caller: Caller,
        operation: Operation,
        head: RequestHead,
        row: Row,
    ) -> None:
        self._runtime = runtime
        self._gateway = gateway
        self._caller = caller
        self._operation = operation
        self._head = head
        self._row = row
        self._relayed = row.relayed
        server = caller.snapshot.config.server
        kind = b"" if not row.relayed else head.header(b"content-type") or b""
        # Documents are read whole; anything else, an upload, streams through.
        self.buffered = not kind or kind.lower().startswith(b"application/json") or head.length == 0
        self.max_body_bytes = server.max_body_bytes if self.buffered else server.max_upload_bytes
        caps = caller.key.caps
        if caps is not None and caps.body_bytes is not None:
            self.max_body_bytes = min(self.max_body_bytes, caps.body_bytes)

    @property
    def current(self) -> bool:
        """Nothing of it but the body is of one request, and what is in force is the same."""
        runtime = self._runtime
        return (
            self._caller.snapshot is runtime.snapshot
            and self._caller.key.lasting
            and not runtime.strain.reason
            and not self._relayed
        )

    def answer(self, body: bytes | Body, outlet: Outlet) -> Coroutine[object, object, None] | None:
        gateway, caller, operation = self._gateway, self._caller, self._operation
        if isinstance(body, bytes) and not self._relayed:
            if self._row.named is not None:
                body = named(body, self._row.named)
            if gateway.recalled(caller, operation, body, outlet):
                return None
            return gateway.exchange(caller, operation, body, outlet)
        return gateway.relay(caller, operation, self._head, self._row.prefix, body, outlet)


class _Small:
    """A request without a body worth the name."""

    buffered = True
    max_body_bytes = 64 * 1024
    current = False


class _Models(_Small):
    def __init__(self, runtime: Runtime, caller: Caller, head: RequestHead) -> None:
        self._runtime = runtime
        self._caller = caller
        self._head = head

    async def answer(self, body: bytes | Body, outlet: Outlet) -> None:
        record = Record(Operation.MODELS)
        record.tenant, record.key = self._caller.key.tenant, self._caller.key.name
        record.client_id, record.config = self._caller.label, self._caller.snapshot.hash
        try:
            document = models.document(self._caller, self._head)
            record.status, record.outcome = 200, Outcome.COMPLETE
            outlet.whole(200, answer.JSON + b"x-request-id: %b\r\n" % record.id.encode(), document)
        except GatewayError as error:
            record.failed(error.code, error.status)
            body = models.form(self._head).client.error_body(error)
            outlet.whole(error.status, answer.error_head(error, record), body)
        record.ended_at = time.monotonic()
        self._runtime.sink.told(record)


class _Health(_Small):
    """/healthz: the process answers. /readyz: it wants traffic."""

    def __init__(self, runtime: Runtime, path: bytes) -> None:
        self._runtime = runtime
        self._path = path

    async def answer(self, body: bytes | Body, outlet: Outlet) -> None:
        status, document = health(self._runtime, self._path.decode())
        outlet.whole(status, answer.JSON, document)


def health(runtime: Runtime, path: str) -> tuple[int, bytes]:
    if path == "/readyz" and runtime.draining:
        return 503, b'{"status":"draining"}'
    return 200, b'{"status":"ready"}' if path == "/readyz" else b'{"status":"ok"}'
