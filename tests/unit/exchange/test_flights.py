"""A flight: who pays, what happens when one leaves, what is found out of it."""

import asyncio
import json

import pytest

from gateway.chat.usage import Usage
from gateway.errors import GatewayError
from gateway.exchange import flights as module
from gateway.exchange.flights import Flight, Flights
from tests.unit.exchange.flying import EVENTS, GOOD, flown, landed, seated
from tests.unit.exchange.serving import serving
from tests.vendors.looped import looped


@looped
async def test_a_backend_s_fingerprint_is_found_in_its_own_words_only() -> None:
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        assert flight.fingerprint == ""
        flight.push(b'data: {"choices":[],"system_fingerprint": "fp_a-1"}\n\n')
        assert flight.fingerprint == "fp_a-1"
        whole = flown(on)
        whole.whole(200, b"", json.dumps({"text": '"system_fingerprint":"x"'}).encode())
        assert whole.fingerprint == ""


@looped
async def test_one_record_pays_and_when_its_client_leaves_the_next_one_does() -> None:
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        (_, first), (_, second) = (seated(on, flight, stream=True) for _ in range(2))
        riding = [asyncio.ensure_future(seat.ride(5)) for seat in (first, second)]
        await asyncio.sleep(0)
        assert (len(first.record.attempts), len(second.record.attempts)) == (1, 0)
        riding[0].cancel()
        await asyncio.wait(riding[:1])
        assert (len(first.record.attempts), len(second.record.attempts)) == (0, 1)
        flight.push(EVENTS[1])
        landed(flight)
        await riding[1]
        assert second.record.usage == Usage(3, 2)


@looped
async def test_a_flight_that_all_leave_before_it_began_is_ended_all_the_same() -> None:
    async with serving(GOOD) as on:
        flight = flown(on, stream=True)
        cleared = asyncio.Event()

        async def road(_: Flight) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                cleared.set()

        flight.depart(road, on.house.runtime.sink.log)
        _, seat = seated(on, flight, stream=True)
        flight.board(seat)
        await asyncio.wait_for(flight.leave(seat), 5)
        assert cleared.is_set()


@looped
async def test_nobody_boards_a_flight_that_all_have_left() -> None:
    async with serving(GOOD) as on:
        flight, flights = flown(on), Flights()
        flights.by_key[b"key"] = flight

        async def road(_: Flight) -> None:
            await asyncio.sleep(60)

        flight.depart(road, on.house.runtime.sink.log)
        _, seat = seated(on, flight)
        flight.board(seat)
        assert flights.find(b"key") is flight
        leaving = asyncio.ensure_future(flight.leave(seat))
        await asyncio.sleep(0)
        assert flights.find(b"key") is None
        await leaving


@looped
async def test_an_answer_that_is_too_large_is_not_listened_to_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_FLIGHT", 8)
    async with serving(GOOD) as on:
        flight = flown(on)

        async def road(outlet: Flight) -> None:
            outlet.push(bytes(9))
            try:
                await asyncio.sleep(60)
            finally:
                outlet.record.usage = Usage(1, 1)

        flight.depart(road, on.house.runtime.sink.log)
        _, seat = seated(on, flight)
        with pytest.raises(GatewayError, match="too large"):
            await asyncio.wait_for(seat.ride(60), 5)
        assert seat.record.usage == Usage(1, 1)
