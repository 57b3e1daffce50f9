"""Several prompts in one request, or one that is to be repeated, where a target takes one prompt at
a time: each becomes a part, tried on its own, and the answers become one.

All share the deadline, the record's attempts and what was claimed; one that fails fails them all.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from gateway.chat import usage
from gateway.chat.document import Document
from gateway.chat.operation import Operation
from gateway.dialects.openai_completion_parts import Parts
from gateway.errors import GatewayError
from gateway.exchange.answer import promised
from gateway.exchange.ask import Ask, losses, plain
from gateway.exchange.attempts import answer_from_first
from gateway.exchange.course import Course
from gateway.exchange.joined import Joined
from gateway.exchange.metering import Meter
from gateway.exchange.taps import Outlet
from gateway.exchange.understood import Understood
from gateway.runtime.snapshot import Route
from gateway.runtime.ways import Across
from gateway.telemetry.record import Outcome, Record
from gateway.wire import json

AT_ONCE: Final = 8  # parts under way


class _Asked(msgspec.Struct):
    prompt: object = None
    echo: object = None


_asked: Final = msgspec.json.Decoder(_Asked).decode


def needed(fields: json.Fields, route: Route) -> bool:
    """Whether a completion has to be taken apart for one of its targets."""
    targets = route.offering[Operation.COMPLETION]
    if not any(isinstance(one.ways.get(Operation.COMPLETION), Across) for one in targets):
        return False
    known = {name: fields[name] for name in ("prompt", "echo") if name in fields}
    asked = _asked(json.write(known))
    prompt = asked.prompt
    several = isinstance(prompt, list) and len(prompt) > 1 and isinstance(prompt[0], str)
    return several or asked.echo is True


async def answer_in_parts(
    ask: Ask,
    outlet: Outlet,
    record: Record,
    meter: Meter | None,
    course: Callable[[], Course],
    deadline_at: float,
) -> None:
    """Finishes the outlet. Raises GatewayError. course: a new one for each part."""
    document = _document_of(ask)
    parts = Parts(document, losses(ask))
    if ask.stream:
        outlet.beat, outlet.promised = ask.client.heartbeat, promised(record)
    if meter is not None:
        meter.divide(len(parts))
    joined = Joined(ask, parts, document, outlet)
    records = [_record_of(record) for _ in parts.documents]
    room = asyncio.Semaphore(AT_ONCE)

    async def answered(part: int) -> None:
        async with room:
            one = _ask_of(ask, parts.documents[part])
            errand = Understood(one, joined.outlets[part], records[part])
            errand.meter = meter
            try:
                await answer_from_first(errand, course(), deadline_at)
            except GatewayError as error:
                joined.error = joined.error or error
            if joined.error is not None:
                raise joined.error

    try:
        async with asyncio.TaskGroup() as group:
            for part in range(len(parts)):
                group.create_task(answered(part))
    except ExceptionGroup as failed:
        raise joined.error or failed from None
    finally:
        _sum(record, records)
    record.status, record.outcome = 200, Outcome.COMPLETE
    joined.end()


def _document_of(ask: Ask) -> Document:
    """The request; how many choices it has may be the route's word."""
    said = {**ask.route.defaults, **ask.fields, **ask.route.force}
    count = {"n": said["n"]} if "n" in said else {}
    return plain({**ask.fields, **count})


def _ask_of(ask: Ask, document: Document) -> Ask:
    """One part's: its stream says what it took, whether or not the client wants to know."""
    if ask.stream:
        document = {**document, "stream_options": {"include_usage": True}}
    head, fields = ask.client.read_head(json.write(document))
    return Ask(ask.operation, ask.client, head, fields, ask.route, ask.passed)


def _record_of(record: Record) -> Record:
    """A part's: of the same exchange, and with the same attempts."""
    return Record(
        record.operation,
        record.tenant,
        record.key,
        record.client_id,
        record.config,
        id=record.id,
        started_at=record.started_at,
        model=record.model,
        stream=record.stream,
        attempts=record.attempts,
        limits=record.limits,
    )


def _sum(record: Record, records: list[Record]) -> None:
    """What all took; nothing where one does not say."""
    used = [one.usage for one in records if one.usage is not None]
    if used and len(used) == len(records):
        record.usage = usage.summed(used)
    record.waited_s += max(one.waited_s for one in records)
    record.dropped = sorted({name for one in records for name in one.dropped})
