"""What each client of a flight reads, and when."""

import asyncio
import json

import pytest

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.dialects import openai_embeddings
from gateway.errors import Code, GatewayError
from gateway.exchange.ask import Ask, losses
from gateway.exchange.flights import Flight
from gateway.exchange.seats import Seat
from gateway.policy.caching import Entry
from gateway.telemetry.record import Outcome, Record
from tests.unit.exchange.flying import EVENTS, GOOD, flown, landed, seated
from tests.unit.exchange.serving import Client, serving
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body, embeddings_body, event


@looped
async def test_who_comes_late_reads_what_has_come_and_then_what_comes() -> None:
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        flight.begin(200, b"")
        flight.push(EVENTS[0])
        client, seat = seated(on, flight, stream=True)
        riding = asyncio.ensure_future(seat.ride(5))
        await asyncio.sleep(0)
        assert b"Hel" in client.body
        flight.push(EVENTS[1])
        flight.end(b"data: [DONE]\n\n")
        landed(flight)
        await riding
        assert client.body == b"".join(EVENTS) + b"data: [DONE]\n\n"
        assert client.headers["x-gateway-model"] == "bad/real-model"


@looped
async def test_a_stream_may_be_read_whole_and_a_whole_answer_as_a_stream() -> None:
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        client, seat = seated(on, flight)
        riding = asyncio.ensure_future(seat.ride(5))
        await asyncio.sleep(0)
        flight.begin(200, b"")
        flight.push(b"".join(EVENTS) + b"data: [DONE]\n\n")
        landed(flight)
        await riding
        told = json.loads(client.body)
        assert told["choices"][0]["message"]["content"] == "Hello"
        assert told["usage"]["total_tokens"] == 5

        whole = flown(on)
        whole.whole(200, b"", chat_body())
        landed(whole)
        client, seat = seated(on, whole, stream=True)
        await seat.ride(5)
        assert client.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
@looped
async def test_what_another_process_has_found_is_told_and_is_nobody_s_miss(stream: bool) -> None:
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        flight.record.attempts.clear()
        client, seat = seated(on, flight, stream=stream)
        seat.record.cache = "miss"
        riding = asyncio.ensure_future(seat.ride(5))
        await asyncio.sleep(0)
        flight.found = Entry(json.loads(chat_body("found")), 1.0, "a/b")
        landed(flight)
        await riding
        assert b'"content":"found"' in client.body
        assert client.body.endswith(b"data: [DONE]\n\n") is stream
        assert client.headers["x-gateway-cache"] == "shared"
        assert client.headers["x-gateway-model"] == "a/b"
        assert flight.used == Usage(7, 3)


@looped
async def test_embeddings_that_another_process_has_found_are_told_as_they_are() -> None:
    async with serving(GOOD) as on:
        head, fields = openai_embeddings.CLIENT.read_head(b'{"model":"m","input":"a"}')
        ask = Ask(Operation.EMBEDDINGS, openai_embeddings.CLIENT, head, fields, on.route(), b"")
        flight, client = Flight(ask, Record(ask.operation)), Client()
        seat = Seat(flight, ask, ask.read(losses(ask)), client.outlet(), Record(ask.operation))
        riding = asyncio.ensure_future(seat.ride(5))
        await asyncio.sleep(0)
        flight.found = Entry(json.loads(embeddings_body()), 1.0, "a/b")
        landed(flight)
        await riding
        assert json.loads(client.body) == flight.found.answer


@pytest.mark.parametrize("stream", [False, True])
@looped
async def test_what_could_not_be_told_to_the_backend_is_told_to_every_client(stream: bool) -> None:
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        client, seat = seated(on, flight, stream=stream)
        riding = asyncio.ensure_future(seat.ride(5))
        await asyncio.sleep(0)
        flight.record.dropped = ["seed"]
        flight.push(b"".join(EVENTS) + b"data: [DONE]\n\n")
        landed(flight)
        await riding
        assert client.headers["x-gateway-dropped"] == "seed"


@looped
async def test_a_failure_is_everybody_s_and_told_in_the_stream_that_has_begun() -> None:
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        (begun, seat), (late, other) = (seated(on, flight, stream=s) for s in (True, False))
        riding = [asyncio.ensure_future(one.ride(5)) for one in (seat, other)]
        await asyncio.sleep(0)
        flight.push(EVENTS[0])
        flight.error = GatewayError(Code.STREAM_INTERRUPTED, "cut")
        flight.arrive()
        await asyncio.wait(riding)
        assert b'"code":"stream_interrupted"' in begun.body
        assert b"[DONE]" not in begun.body
        assert isinstance(riding[1].exception(), GatewayError)
        assert late.body == b""
        assert not flight.complete


@looped
async def test_what_cannot_be_said_in_another_language_never_looks_whole() -> None:
    odd = event(b'{"choices":[{"index":0,"delta":{"content":5},"finish_reason":"stop"}]}')
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        ask, counted = on.ask("m", stream=True, stream_options={"include_usage": True}), Client()
        asked = ask.read(losses(ask))
        seat = Seat(flight, ask, asked, counted.outlet(), Record(ask.operation))
        riding = asyncio.ensure_future(seat.ride(5))
        await asyncio.sleep(0)
        for data in (EVENTS[0], odd, b"data: [DONE]\n\n"):
            flight.push(data)
        landed(flight)
        await riding
        assert b"Hel" in counted.body
        assert b'"code":"bad_upstream_response"' in counted.body
        assert b"[DONE]" not in counted.body
        assert seat.record.outcome is Outcome.ERROR


@looped
async def test_nobody_waits_past_his_own_deadline() -> None:
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        _, seat = seated(on, flight, stream=True)
        riding = asyncio.ensure_future(seat.ride(0.01))
        await asyncio.wait([riding])
        error = riding.exception()
        assert isinstance(error, GatewayError)
        assert error.code is Code.TOTAL_TIMEOUT
        assert flight.seats == []


@looped
async def test_a_client_that_does_not_read_is_not_written_to() -> None:
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        client, seat = seated(on, flight, stream=True)
        riding = asyncio.ensure_future(seat.ride(5))
        await asyncio.sleep(0)
        flight.push(EVENTS[0])
        seat.pause()
        flight.push(EVENTS[1])
        landed(flight)
        assert EVENTS[1] not in client.body
        seat.resume()
        await riding
        assert client.body == b"".join(EVENTS)
