"""One connection: every answer is its own call's, whoever leaves, and none is waited for long."""

import asyncio
import time

import pytest

from gateway.stores.address import parsed
from gateway.stores.base import StoreError
from gateway.stores.line import Line, Refused
from gateway.stores.row import BUDGET_S
from tests.stores.relay import Relay
from tests.stores.valkey import Server, serving
from tests.vendors.looped import looped


async def line_to(server: Server | Relay, url: str = "") -> Line:
    return await Line.open("127.0.0.1", server.port, parsed(url or server.url), None)


@looped
async def test_calls_of_one_turn_leave_in_one_write_and_are_answered_in_order() -> None:
    with serving() as server:
        line = await line_to(server)
        answers = await asyncio.gather(*[line.call("ECHO", str(number)) for number in range(500)])
        assert answers == [b"%d" % number for number in range(500)]
        line.close()


@looped
async def test_ten_thousand_cancelled_calls_leave_every_answer_with_its_own() -> None:
    with serving() as server:
        line = await line_to(server)
        for round_ in range(100):
            calls = [line.call("ECHO", f"{round_}/{number}") for number in range(100)]
            for call in calls[::3]:
                call.cancel()
            if round_ % 2:
                await asyncio.sleep(0)
                for call in calls[1::3]:
                    call.cancel()
            for number, call in enumerate(calls):
                if not call.cancelled():
                    assert await call == f"{round_}/{number}".encode()
        line.close()


@looped
async def test_a_server_that_hangs_costs_no_call_more_than_the_budget() -> None:
    with serving() as server:
        line = await line_to(server)
        server.stop()
        began = time.monotonic()
        results = await asyncio.gather(
            *[line.call("PING") for _ in range(50)], return_exceptions=True
        )
        assert time.monotonic() - began < 0.5  # 55 ms on a machine with nothing else to do
        assert {one.kind for one in results if isinstance(one, StoreError)} == {"timeout"}
        assert line.closed
        server.go_on()


@looped
async def test_a_long_turn_of_our_own_is_no_fault_of_the_servers() -> None:
    """Its time begins when it is asked, not when we meant to."""
    with serving() as server, Relay(server.port) as relay:
        line = await line_to(relay)
        relay.slow(BUDGET_S / 3)
        call = line.call("PING")
        time.sleep(BUDGET_S * 1.5)  # noqa: ASYNC251 - the turn
        assert await call == b"PONG"
        line.close()


@looped
async def test_a_wrong_password_has_a_word_of_its_own() -> None:
    with serving("--requirepass", "right") as server:
        with pytest.raises(Refused) as refused:
            await line_to(server, f"redis://:wrong@127.0.0.1:{server.port}")
        assert refused.value.kind == "auth"
        with pytest.raises(Refused) as refused:
            await line_to(server)
        assert refused.value.kind == "auth"
        line = await line_to(server, f"redis://:right@127.0.0.1:{server.port}/3")
        assert await line.call("PING") == b"PONG"
        line.close()


@looped
async def test_nobody_there_is_told_at_once() -> None:
    with serving() as server:
        server.kill()
        with pytest.raises(StoreError) as error:
            await line_to(server)
        assert error.value.kind == "connect"
        server.start_again()
