"""Try targets until one commits: the only loop over targets.

An attempt commits when its first content is in hand; before that a failure costs the client
nothing but time. Afterwards no other target may answer, and a failure is told in the stream.
"""

import asyncio
import time
from dataclasses import replace
from math import isfinite
from typing import Final, Protocol

from gateway.errors import Code, GatewayError
from gateway.exchange.course import Choice, Course
from gateway.exchange.metering import Meter
from gateway.exchange.race import Race, patience_s
from gateway.exchange.taps import Outlet
from gateway.policy.failures import RULES, Failure, Mark, retry_after, verdict
from gateway.policy.holds import rest_s
from gateway.runtime.snapshot import Backend, Target
from gateway.telemetry.record import Attempt, Record
from gateway.upstream.credentials import Credential, NoCredential
from gateway.upstream.pool import WireRequest
from gateway.upstream.reply import Reply, UpstreamDown

MAX_ERROR_BODY: Final = 64 * 1024  # bytes read of what a backend says went wrong
ERROR_BODY_S: Final = 5.0
_FAULTS: Final = (Mark.CONNECT, Mark.TRIPS)


class Errand(Protocol):
    """What is to be done at a target: asked, and answered to the client."""

    race: Race | None  # where several targets are asked at once
    meter: Meter | None  # of the limits of backends; None: nobody counts

    @property
    def repeatable(self) -> bool: ...  # False for a body that can be sent only once
    @property
    def outlet(self) -> Outlet: ...
    @property
    def record(self) -> Record: ...

    def fits(self, target: Target) -> bool:
        """Whether it may be tried next; once something has been said, not all can go on from it."""

    def request(self, choice: Choice) -> WireRequest: ...

    async def receive(self, choice: Choice, reply: Reply, attempt: Attempt) -> Failure | None:
        """Answers the client from a 2xx. A failure while another target may still answer; what goes
        wrong behind that is told to the client, and is in attempt.failure.
        """


async def answer_from_first(errand: Errand, course: Course, deadline_at: float) -> None:
    """Answers from the first target that can. Raises GatewayError, with no end sent."""
    choice = course.first(time.monotonic())
    route = choice.route
    hedged = route.hedging.enabled and errand.repeatable and route.retrying.attempts > 1
    while True:
        if hedged:
            choice, failure = await _race(errand, course, choice, deadline_at)
        else:
            failure = await _attempt(errand, choice, _begun(errand, choice), deadline_at)
        if failure is None:
            return
        hedged = False
        now = time.monotonic()
        step = course.after(choice, failure, now, deadline_at - now, errand.fits)
        if step is None or not errand.repeatable:
            raise verdict(course.failures)
        if step.wait_s:
            await asyncio.sleep(step.wait_s)
            if not step.choice.target.health.repeatable(time.monotonic()):
                raise verdict(course.failures)  # its circuit has opened meanwhile
        choice = step.choice


async def _race(
    errand: Errand, course: Course, choice: Choice, deadline_at: float
) -> tuple[Choice, Failure | None]:
    """The first target, and a second one if the first is silent for unusually long."""
    budget = choice.target.health.hedges
    choices: dict[int, Choice] = {}
    budget.ratio = choice.route.hedging.budget_ratio
    budget.requested(time.monotonic())
    race = errand.race = Race(errand.record)

    def start(choice: Choice) -> None:
        attempt = _begun(errand, choice)
        choices[id(attempt)] = choice
        race.start(attempt, lambda: _attempt(errand, choice, attempt, deadline_at))

    try:
        start(choice)
        ended = await race.ended(patience_s(choice))
        if ended is None and race.winner is None:
            now = time.monotonic()
            second = course.beside(choice, now) if budget.take(now) else None
            if second is not None:
                start(second)
        while True:
            ended = ended or await race.ended(None)
            if ended is None:
                return choice, None
            attempt, failure = ended
            if failure is None or not race.open:
                return choices[id(attempt)], failure
            course.note(choices[id(attempt)], failure)
            ended = None
    finally:
        await race.end()
        errand.race = None


def _begun(errand: Errand, choice: Choice) -> Attempt:
    target = choice.target
    backend = target.backend
    attempt = Attempt(backend.name, backend.provider.name, target.model, price=target.price)
    errand.record.attempts.append(attempt)
    return attempt


async def _attempt(
    errand: Errand, choice: Choice, attempt: Attempt, deadline_at: float
) -> Failure | None:
    """One try at one target. None once an answer has been begun, however that ends."""
    health = choice.target.health
    probe = health.begun(attempt.started_at)
    try:
        failure = await _asked(errand, choice, attempt, deadline_at)
        if not attempt.ended_at:
            close(attempt, errand.record)
        _judge(choice, attempt, failure)
    except asyncio.CancelledError:
        attempt.failure = attempt.failure or ended_by(errand.outlet)
        raise
    finally:
        if not attempt.ended_at:
            close(attempt, errand.record)
        if attempt.lost:
            _learn(choice, attempt)
        health.ended(probe)
    return failure


async def _asked(
    errand: Errand, choice: Choice, attempt: Attempt, deadline_at: float
) -> Failure | None:
    """A place taken, the request sent, its answer passed on; and the place given back."""
    target = choice.target
    pool = target.backend.pool
    reply: Reply | None = None
    if errand.meter is not None:
        wait_s = await errand.meter.claim_at(target, attempt, deadline_at)
        if wait_s is not None:
            return Failure(Code.BACKEND_LIMIT, retry_after_s=wait_s if isfinite(wait_s) else None)
    try:
        if not pool.enter():
            await pool.queue(deadline_at)
        try:
            try:
                request = errand.request(choice)
            except NoCredential as missing:
                await _tried(missing.credential, deadline_at)
                request = errand.request(choice)
            attempt.asked_bytes = len(request.body) if isinstance(request.body, bytes) else 0
            reply = await pool.send(request, target.timeouts, deadline_at)
            attempt.status = reply.status
            if spent_s := rest_s(reply.headers, time.time()):
                target.health.hold(time.monotonic(), spent_s)
            if 200 <= reply.status < 300:
                return await errand.receive(choice, reply, attempt)
            return await _refusal(reply, target.backend)
        finally:
            pool.leave(reply)
    except UpstreamDown as down:
        return Failure(down.code)
    except GatewayError as error:
        if error.code is not Code.UNTRANSLATABLE:
            raise
        return Failure(error.code, said=error.message, param=error.param)


async def _tried(credential: Credential, deadline_at: float) -> None:
    """Until it is known whether there is one: the very first may still be on its way."""
    try:
        async with asyncio.timeout(deadline_at - time.monotonic()):
            await credential.tried.wait()
    except TimeoutError:
        raise NoCredential(credential) from None


def _judge(choice: Choice, attempt: Attempt, failure: Failure | None) -> None:
    """What the attempt's end says of its target's health."""
    health = choice.target.health
    if failure is not None:
        attempt.failure = failure.code
        health.failed(failure, attempt.ended_at)
        if RULES[failure.code].mark in _FAULTS:
            _learn(choice, attempt)
    elif attempt.failure in RULES:
        health.failed(Failure(attempt.failure), attempt.ended_at)


def _learn(choice: Choice, attempt: Attempt) -> None:
    """Who has failed, or was too slow, is expected to be so again."""
    if choice.route.learns:
        seconds = attempt.ended_at - attempt.started_at
        choice.target.health.pulse.failed(attempt.ended_at, seconds)


def ended_by(outlet: Outlet) -> Code:
    """Who breaks an exchange off that is cancelled: its client, or the gateway itself."""
    return Code.CLIENT_CLOSED if outlet.reason is None else outlet.reason.code


def close(attempt: Attempt, record: Record) -> None:
    """It has ended now."""
    attempt.ended_at = time.monotonic()
    if not attempt.lost:  # or what was waited for was the other one
        record.waited_s += attempt.ended_at - attempt.started_at


async def _refusal(reply: Reply, backend: Backend) -> Failure:
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
    if failure.code is Code.UPSTREAM_AUTH and backend.token is not None:
        backend.token.refused()
    return replace(failure, said=mask(said.message, backend), param=said.param)


def mask(said: str, backend: Backend) -> str:
    """A backend's words without what is ours to keep: credential, addresses."""
    for secret in backend.masks:
        said = said.replace(secret, "***")
    token = backend.token.current() if backend.token is not None else ""
    return said.replace(token, "***") if token else said
