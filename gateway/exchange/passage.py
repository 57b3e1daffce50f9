"""Requests that need no understanding: images, audio, files and the like, relayed to the backend of
the model that they name. Bodies stream through; what must wait until the name is known waits on
disk. A body that we hold may be sent again when a backend fails; an upload cannot.
"""

import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

import msgspec

from gateway.chat import usage
from gateway.chat.operation import Operation
from gateway.dialects.base import untranslatable
from gateway.dialects.openai import read_fields
from gateway.errors import Code, GatewayError
from gateway.exchange import answer
from gateway.exchange.attempts import answer_from_first
from gateway.exchange.caller import Caller
from gateway.exchange.course import Choice, Course
from gateway.exchange.metering import OPAQUE, Meter, Size
from gateway.exchange.race import Race
from gateway.exchange.taps import ByteTap, Outlet
from gateway.policy.failures import Failure
from gateway.runtime.snapshot import Target
from gateway.telemetry.record import Attempt, Outcome, Record
from gateway.upstream.pool import WireRequest
from gateway.upstream.reply import Reply
from gateway.wire import json
from gateway.wire.http import RequestHead, printable
from gateway.wire.multipart import ModelField, MultipartError, boundary

IN_MEMORY: Final = 256 * 1024  # bytes of a form held before its model's name, until disk is used
# What no backend reads a model's name out of.
_OPAQUE: Final = (b"application/octet-stream", b"audio/", b"image/", b"video/")
PIECE: Final = 64 * 1024


class Incoming(Protocol):
    """A body that is still coming."""

    def chunks(self) -> AsyncGenerator[bytes, None]: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes below the operation's path: checked, quoted, ready to append."""

    method: bytes
    rest: bytes  # "/generations", "/file-abc/content" or nothing
    query: bytes  # with its "?", or nothing
    model: str | None  # the model named beside the body, by query or header


def place(head: RequestHead, prefix: bytes) -> Place:
    """Raises GatewayError on a path that could lead elsewhere."""
    segments = [unquote_to_bytes(part) for part in head.path[len(prefix) :].split(b"/")]
    if any(part in (b".", b"..") or b"/" in part or b"\\" in part for part in segments):
        raise GatewayError(Code.NOT_FOUND, "there is no such path")
    rest = "/".join(quote(part, safe="") for part in segments).encode()
    pairs = parse_qsl(head.query.decode("ascii", "replace"), keep_blank_values=True)
    named = [value for key, value in pairs if key == "model"]
    header = head.header(b"x-gateway-model")
    if header is not None:
        named.append(header.decode("ascii", "replace"))
    if len(set(named)) > 1:
        raise GatewayError(Code.INVALID_VALUE, "two models are named", param="model")
    kept = urlencode([pair for pair in pairs if pair[0] != "model"]).encode()
    return Place(head.method, rest, b"?" + kept if kept else b"", named[0] if named else None)


MAX_IMAGES: Final = 1000  # of one request, that are believed
_Made = Callable[[Target], WireRequest]  # the request, made for a target


class Passage:
    """The road of what is not understood."""

    def __init__(
        self,
        caller: Caller,
        operation: Operation,
        head: RequestHead,
        prefix: bytes,
        outlet: Outlet,
        record: Record,
        meter: Meter,
        draw: Callable[[], float],
    ) -> None:
        self._meter = meter
        self._caller = caller
        self._operation = operation
        self._head = head
        self._place = place(head, prefix)
        self._content_type = head.header(b"content-type") or b""
        self._draw = draw
        self.outlet = outlet
        self.record = record

    async def run(self, body: bytes | Incoming) -> None:
        """Finishes the outlet. Raises GatewayError."""
        if not isinstance(body, bytes):
            await self._upload(body)
        elif body and _is_json(self._content_type):
            fields = read_fields(body)
            self._caller.cap(fields)

            def changed(target: Target) -> WireRequest:
                _check_taken(fields, target)
                body = json.write({**fields, "model": target.model_json})
                return self._request(target, body, b"content-length: %d\r\n" % len(body))

            await self._send(_named(fields), changed, images=_number(fields))
        else:
            if body:
                self._check_opaque()
            length = b"content-length: %d\r\n" % len(body) if body else b""
            await self._send(self._place.model, lambda target: self._request(target, body, length))

    async def _send(
        self, model: str | None, request: _Made, *, repeatable: bool = True, images: int = 1
    ) -> None:
        """images: asked for, if it is images that are."""
        if not model:
            raise GatewayError(
                Code.MISSING_VALUE,
                "name a model: in the body, as ?model=NAME, or as the header x-gateway-model",
                param="model",
            )
        caller, record = self._caller, self.record
        route = caller.route(model)
        record.model = route.model
        deadline_at = record.started_at + min(route.deadline_s, caller.timeout_s)
        images = images if self._operation is Operation.IMAGES else 0
        await self._meter.claim(route, Size(0, 0, images=images) if images else OPAQUE, deadline_at)
        course = Course(route, self._operation, model, caller, self._draw)
        errand = _Relayed(request, self.outlet, record, repeatable, images)
        errand.meter = self._meter
        await answer_from_first(errand, course, deadline_at)

    def _request(
        self, target: Target, body: bytes | AsyncGenerator[bytes, None], framing: bytes
    ) -> WireRequest:
        backend, at = target.backend, self._place
        path = backend.paths[self._operation]
        proof = b"" if backend.prove is None else backend.prove(path, b"")
        kind = self._content_type
        head = b"%b %b%b%b HTTP/1.1\r\n%b%b%b%b%b\r\n" % (
            at.method,
            path,
            at.rest,
            at.query,
            backend.common,
            proof,
            b"content-type: %b\r\n" % kind if framing and kind and printable(kind) else b"",
            self._caller.passed,
            framing,
        )
        return WireRequest(head, body, chunked=framing.startswith(b"transfer"))

    # ---- uploads

    async def _upload(self, body: Incoming) -> None:
        limit, length = self._boundary(), self._head.length
        if limit is None or self._operation is Operation.FILES:
            if limit is None:
                self._check_opaque()
            await self._send(
                self._place.model,
                lambda target: self._streamed(target, body.chunks(), length),
                repeatable=False,
            )
            return
        with closing(_Form(body, ModelField(limit))) as form:
            model = await form.model()

            def renamed(target: Target) -> WireRequest:
                name = target.model.encode()
                size = None if length is None else length + len(name) - len(model)
                return self._streamed(target, form.renamed(name), size)

            await self._send(model.decode("utf-8", "replace"), renamed, repeatable=False)

    def _check_opaque(self) -> None:
        """A body that we cannot read must not name a model either: whose would it be?"""
        if not self._content_type.lower().startswith(_OPAQUE):
            raise GatewayError(
                Code.INVALID_BODY,
                "the content-type must be application/json, multipart/form-data, or binary",
                param="content-type",
            )

    def _boundary(self) -> bytes | None:
        try:
            return boundary(self._content_type)
        except MultipartError as error:
            raise GatewayError(Code.INVALID_BODY, str(error), param="content-type") from None

    def _streamed(
        self, target: Target, parts: AsyncGenerator[bytes, None], length: int | None
    ) -> WireRequest:
        chunked = b"transfer-encoding: chunked\r\n"
        framing = chunked if length is None else b"content-length: %d\r\n" % length
        return self._request(target, parts, framing)


class _Relayed:
    """One request that is not understood, at whatever target it is tried."""

    def __init__(
        self, request: _Made, outlet: Outlet, record: Record, repeatable: bool, images: int
    ) -> None:
        self._request = request
        self._images = images
        self.outlet = outlet
        self.record = record
        self.race: Race | None = None
        self.meter: Meter | None = None
        self.repeatable = repeatable

    def fits(self, target: Target) -> bool:
        return True

    def request(self, choice: Choice) -> WireRequest:
        return self._request(choice.target)

    async def receive(self, choice: Choice, reply: Reply, attempt: Attempt) -> Failure | None:
        target, record, outlet = choice.target, self.record, self.outlet
        attempt.images = self._images
        attempt.first_at = now = time.monotonic()
        if self.race is not None:
            self.race.won(attempt)
        target.health.succeeded(now)
        own = answer.own(record, target.model_header, now - attempt.started_at)
        record.status = reply.status
        length = reply.header(b"content-length")
        known = int(length) if length is not None and length.isdigit() else None
        outlet.begin(reply.status, answer.relayed(reply.headers, record) + own, known)
        outlet.draw_from(reply)
        tap = ByteTap(outlet, reply, target.timeouts.idle_s)
        reply.renew(target.timeouts.idle_s, Code.IDLE_TIMEOUT)
        reply.push_to(tap)
        ending = await tap.ending
        if _says(reply.header(b"content-type")):
            record.usage = attempt.usage = usage.last(tap.tail, images=self._images > 0)
        if ending is None:
            record.outcome = Outcome.COMPLETE
            return None
        if ending is Code.UPSTREAM_RESET:
            ending = Code.STREAM_INTERRUPTED
        attempt.failure = ending
        record.failed(ending, record.status)
        outlet.cut()  # nobody may take what came for the whole
        return None


def _number(fields: json.Fields) -> int:
    """How many a request asks for; one where it does not say so soundly."""
    try:
        return min(max(1, msgspec.json.decode(fields.get("n", b"1"), type=int)), MAX_IMAGES)
    except msgspec.DecodeError:
        return 1


def _says(content_type: bytes | None) -> bool:
    """Whether an answer may say what it took."""
    kind = (content_type or b"").partition(b";")[0].strip().lower()
    return kind in (b"application/json", b"text/event-stream")


def _is_json(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() == b"application/json"


def _check_taken(fields: json.Fields, target: Target) -> None:
    """Raises GatewayError for what the target's vendor does not take."""
    provider = target.backend.provider
    for name in sorted(provider.refuses & fields.keys()):
        raise untranslatable(name, f"{provider.name} does not take it")


def _named(fields: json.Fields) -> str | None:
    try:
        return msgspec.json.decode(fields.get("model", msgspec.Raw(b"null")), type=str | None)
    except msgspec.ValidationError:
        raise GatewayError(Code.INVALID_VALUE, "model must be a string", param="model") from None


class _Form:
    """A form on its way: held until its model is known, then passed on under another name."""

    def __init__(self, body: Incoming, field: ModelField) -> None:
        self._chunks = body.chunks()
        self._field = field
        self._held = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - close()

    def close(self) -> None:
        self._held.close()

    async def model(self) -> bytes:
        """The field's value, as soon as it has come. Raises GatewayError."""
        async for data in self._chunks:
            self._look(data)
            self._held.write(data)
            if self._field.value is not None:
                return self._field.value
        raise GatewayError(Code.MISSING_VALUE, "the form has no field model", param="model")

    async def renamed(self, name: bytes) -> AsyncGenerator[bytes, None]:
        """The whole form, the model's name replaced. Raises GatewayError."""
        start, end = self._field.span
        held, size = self._held, self._held.tell()
        for first, last, then in ((0, start, name), (end, size, b"")):
            held.seek(first)
            while (left := last - held.tell()) > 0:
                yield held.read(min(PIECE, left))
            if then:
                yield then
        held.truncate(0)
        async for data in self._chunks:
            self._look(data)
            yield data
        try:
            self._field.close()
        except MultipartError as error:
            raise GatewayError(Code.INVALID_BODY, str(error)) from None

    def _look(self, data: bytes) -> None:
        try:
            self._field.feed(data)
        except MultipartError as error:
            raise GatewayError(Code.INVALID_BODY, str(error), param="model") from None
