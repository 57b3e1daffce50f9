"""Calls in a row: what is late ends the connection, and who has left keeps its place."""

import asyncio

import pytest

from gateway.stores.base import StoreError
from gateway.stores.row import BUDGET_S, Row
from tests.vendors.looped import looped


class Echo(Row[bytes]):
    def ask(self) -> "asyncio.Future[bytes]":
        return self._sent(b"?")

    def tell(self, answer: bytes | StoreError) -> None:
        self._answered(answer)


@looped
async def test_an_answer_goes_to_the_one_whose_turn_it_is() -> None:
    row = Echo()
    first, second, third = row.ask(), row.ask(), row.ask()
    second.cancel()
    row.tell(b"1")
    row.tell(b"2")
    row.tell(StoreError("oom"))
    assert await first == b"1"
    with pytest.raises(StoreError, match="oom"):
        await third
    row.tell(b"nobody asked")
    assert row.closed


@looped
async def test_what_is_late_ends_it_for_all() -> None:
    row = Echo()
    calls = [row.ask(), row.ask()]
    await asyncio.sleep(BUDGET_S * 3)
    for call in [*calls, row.ask()]:
        with pytest.raises(StoreError):
            await call
    assert row.closed
