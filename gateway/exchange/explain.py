"""Where a request would go and why, in words: the candidates, what decided, what would follow.

The decision is the road's own (`Course`), asked with the same draw; nothing is sent.
"""

from collections.abc import Iterator

from gateway.chat.operation import Operation
from gateway.dialects import openai
from gateway.exchange.caller import Caller
from gateway.exchange.course import Course
from gateway.policy import affinity
from gateway.runtime.languages import CLIENTS


def operation_of(body: bytes) -> Operation:
    """What a request asks for, by the fields that only one operation has. Raises GatewayError."""
    fields = openai.read_fields(body)
    if "messages" in fields:
        return Operation.CHAT
    return Operation.COMPLETION if "prompt" in fields else Operation.EMBEDDINGS


def explained(caller: Caller, body: bytes, draw: float, now: float) -> Iterator[str]:
    """Lines to read. Raises GatewayError, as the request would."""
    operation = operation_of(body)
    head, fields = CLIENTS[operation].read_head(body)
    route = caller.route(head.model)
    session = b""
    if route.strategy == "sticky":
        session = affinity.session(caller.session(route), fields)
    course = Course(route, operation, head.model, caller, lambda: draw, session)
    chosen = course.first(now).target
    retrying = route.retrying
    yield f"model      {head.model}"
    yield f"route      {route.model}: {route.strategy}, draw {draw:g}"
    yield f"operation  {operation.value}, {'streamed' if head.stream else 'whole'}"
    yield f"attempts   at most {retrying.attempts}, within {route.deadline_s:g} s"
    if session:
        yield f"session    {session.decode('latin-1')!r}"
    yield ""
    for number, place in enumerate(course.places(now), 1):
        target = place.candidate.target
        mark = "->" if target.identity == chosen.identity else "  "
        yield f"{mark} {number}. {target.name}  tier {target.tier}  {place.why}"
    for target in route.targets:
        if target not in route.offering[operation]:
            yield f"   {target.name}: does not offer {operation.value}"
    for cause, models in route.fallbacks.items():
        yield f"   when these fail ({cause.value}): {', '.join(models)}"
