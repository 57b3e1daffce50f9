"""Try targets until one commits: the only loop over targets.

An attempt commits when its first content is in hand; before that a failure costs the client
nothing but time. Afterwards no other target may answer, and a failure is told in the stream.
"""

import asyncio
import time
from dataclasses import replace
from typing import Final

from gateway.chat.operation import Operation
from gateway.dialects import openai
from gateway.dialects.openai_stream import Watch
from gateway.errors import Code, GatewayError
from gateway.exchange import answer
from gateway.exchange.ask import Ask, wire_request
from gateway.exchange.taps import EventTap, Outlet
from gateway.policy.failures import RULES, Failure, retry_after, verdict
from gateway.policy.routing import order
from gateway.runtime.snapshot import Backend, Route, Target, named
from gateway.telemetry.record import Attempt, Outcome, Record
from gateway.upstream.reply import Reply, UpstreamDown

MAX_ERROR_BODY: Final = 64 * 1024  # bytes read of what a backend says went wrong
ERROR_BODY_S: Final = 5.0
MAX_ANSWER: Final = 64 * 1024 * 1024  # bytes of a whole answer
MIN_LEFT_S: Final = 0.25  # no attempt begins with less time than this


def usable(route: Route, operation: Operation, asked: str, draw: float) -> list[Target]:
    """The targets that offer this operation, best first. Raises GatewayError if there are none."""
    targets = [target for target in route.targets if operation in target.backend.paths]
    if not targets:
        raise GatewayError(
            Code.OPERATION_NOT_SUPPORTED,
            f"no backend of model {route.model!r} offers {operation.value}",
            param="model",
        )
    ordered = order(targets, draw)[: route.attempts]
    return ordered if route.beginning is None else [named(t, route, asked) for t in ordered]


async def answer_from_first(
    ask: Ask, targets: list[Target], outlet: Outlet, record: Record, deadline_at: float
) -> None:
    """Answers from the first target that can. Raises GatewayError, with nothing sent."""
    failures: list[Failure] = []
    for target in targets:
        failure = await _attempt(ask, target, outlet, record, deadline_at)
        if failure is None:
            return
        failures.append(failure)
        if not RULES[failure.code].elsewhere or deadline_at - time.monotonic() < MIN_LEFT_S:
            break
    raise verdict(failures)


async def _attempt(
    ask: Ask, target: Target, outlet: Outlet, record: Record, deadline_at: float
) -> Failure | None:
    """One try at one target. None once an answer has been begun, however that ends."""
    attempt = Attempt(target.backend.name, target.backend.provider.name, target.model)
    record.attempts.append(attempt)
    pool = target.backend.pool
    reply: Reply | None = None
    failure: Failure | None
    try:
        if not pool.enter():
            await pool.queue()
        try:
            request = wire_request(ask, target)
            reply = await pool.send(request, target.timeouts, deadline_at)
            attempt.status = reply.status
            if reply.status != 200:
                failure = await refusal(reply, target.backend)
            elif ask.stream:
                failure = await _stream(ask, target, reply, outlet, record, attempt)
            else:
                failure = await _whole(ask, target, reply, outlet, record, attempt)
        finally:
            pool.leave(reply)
    except UpstreamDown as down:
        failure = Failure(down.code)
    except asyncio.CancelledError:
        attempt.failure = attempt.failure or ended_by(outlet)
        raise
    finally:
        close(attempt, record)
    if failure is not None:
        attempt.failure = failure.code
    return failure


def ended_by(outlet: Outlet) -> Code:
    """Who breaks an exchange off that is cancelled: its client, or the gateway itself."""
    return Code.CLIENT_CLOSED if outlet.reason is None else outlet.reason.code


def close(attempt: Attempt, record: Record) -> None:
    if not attempt.ended_at:
        attempt.ended_at = time.monotonic()
        record.waited_s += attempt.ended_at - attempt.started_at


async def _whole(
    ask: Ask, target: Target, reply: Reply, outlet: Outlet, record: Record, attempt: Attempt
) -> Failure | None:
    # One event, however many bytes it takes: its parts renew nothing.
    reply.renew(target.timeouts.first_content_s, Code.FIRST_TOKEN_TIMEOUT)
    body = await reply.read(MAX_ANSWER)
    attempt.first_at = time.monotonic()
    close(attempt, record)
    try:
        record.usage = openai.read_answer(ask.operation, body)
    except openai.BadAnswer:
        return Failure(Code.BAD_RESPONSE, reply.status)
    record.status, record.outcome = 200, Outcome.COMPLETE
    own = answer.own(record, target.model_header)
    outlet.whole(200, answer.JSON + answer.carried(reply.headers) + own, body)
    return None


async def _stream(
    ask: Ask, target: Target, reply: Reply, outlet: Outlet, record: Record, attempt: Attempt
) -> Failure | None:
    if not (reply.header(b"content-type") or b"").lower().startswith(b"text/event-stream"):
        return Failure(Code.BAD_RESPONSE, reply.status)

    def commit() -> None:
        record.status = 200
        own = answer.own(record, target.model_header, time.monotonic() - attempt.started_at)
        outlet.begin(200, answer.EVENTS + answer.carried(reply.headers) + own)
        outlet.events = True
        outlet.draw_from(reply)

    watch = Watch(withhold_usage=not ask.head.wants_usage, choices=ask.head.choices)
    tap = EventTap(outlet, reply, watch, attempt, target.timeouts.idle_s, commit)
    reply.push_to(tap)
    try:
        ending = await tap.ending
    finally:
        record.usage = watch.usage
    if ending is None:
        record.outcome = Outcome.COMPLETE
        return None
    failure = Failure(ending, reply.status)
    if not tap.committed:
        return failure
    attempt.failure = ending
    interrupt(outlet, failure, record)
    return None


def interrupt(outlet: Outlet, failure: Failure, record: Record) -> None:
    """A failure after the commit: told in the stream, which then never looks whole."""
    error = verdict([failure])
    record.failed(error.code, record.status)
    outlet.end(answer.error_event(error), keep=False)


async def refusal(reply: Reply, backend: Backend) -> Failure:
    """What a backend meant that did not answer 200. Raises UpstreamDown."""
    reply.renew(ERROR_BODY_S, Code.UPSTREAM_ERROR)
    reply.deadline_at = min(reply.deadline_at, time.monotonic() + ERROR_BODY_S)
    body = b""
    if reply.status >= 400:
        try:
            body = await reply.read(MAX_ERROR_BODY)
        except UpstreamDown:
            body = b""  # too long, cut or endless: its status has said enough
    said = backend.provider.read_error(body)
    wait_s = retry_after(reply.header(b"retry-after"), reply.header(b"retry-after-ms"), time.time())
    failure = backend.provider.classify(reply.status, said, wait_s)
    return replace(failure, said=mask(said.message, backend), param=said.param)


def mask(said: str, backend: Backend) -> str:
    """A backend's words without what is ours to keep: credential, addresses."""
    for secret in backend.masks:
        said = said.replace(secret, "***")
    return said
