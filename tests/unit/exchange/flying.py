"""Flights for tests, and who sits in them."""

from gateway.chat.usage import Usage
from gateway.exchange.ask import losses
from gateway.exchange.flights import Flight
from gateway.exchange.seats import Seat
from gateway.telemetry.record import Attempt, Outcome, Record
from tests.unit.exchange.serving import Client, Serving
from tests.vendors.openai_wire import chat_body, chat_chunk, event
from tests.vendors.scripted import Send, response

GOOD = [Send(response(200, chat_body()))]
EVENTS = [
    event(chat_chunk({"content": "Hel"})),
    event(chat_chunk({"content": "lo"}, finish="stop")),
]


def seated(on: Serving, flight: Flight, **fields: bool) -> tuple[Client, Seat]:
    ask, client = on.ask("m", **fields), Client()
    return client, Seat(flight, ask, ask.read(losses(ask)), client.outlet(), Record(ask.operation))


def flown(on: Serving, **fields: bool) -> Flight:
    ask = on.ask("m", **fields)
    flight = Flight(ask, Record(ask.operation))
    flight.record.attempts.append(Attempt("bad", "openai_compatible", "real-model"))
    return flight


def landed(flight: Flight) -> None:
    flight.record.outcome, flight.record.usage = Outcome.COMPLETE, Usage(3, 2)
    flight.arrive()
