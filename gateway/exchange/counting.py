"""How many tokens a request has, where no backend of the model can count: a rule of thumb."""

from gateway.chat.operation import Operation
from gateway.dialects import anthropic_client
from gateway.exchange import answer
from gateway.exchange.ask import plain
from gateway.exchange.taps import Outlet
from gateway.runtime.snapshot import Route
from gateway.telemetry.record import Outcome, Record
from gateway.wire import json

ESTIMATED = b"x-gateway-estimated: true\r\n"


def only(route: Route) -> bool:
    """Whether the gateway itself has to say it."""
    return not route.offering[Operation.COUNT_TOKENS]


def estimate(fields: json.Fields, record: Record, outlet: Outlet) -> None:
    """Answers as Anthropic does, and says that nobody has counted."""
    record.status, record.outcome = 200, Outcome.COMPLETE
    body = anthropic_client.count_body(anthropic_client.estimate(plain(fields)))
    outlet.whole(200, answer.JSON + answer.own(record, b"") + ESTIMATED, body)
