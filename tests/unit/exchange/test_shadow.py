"""Copies go out by the dice, within their room, and leave nothing behind."""

import asyncio

import pytest

from gateway.exchange.shadow import Shadows
from tests.unit.exchange.serving import Serving, serving, until
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Reset, Script, Send, Stall, response

CONFIG = """
backends:
  bad: {{provider: openai_compatible, base_url: "{bad}/v1"}}
  good: {{provider: openai_compatible, base_url: "{good}/v1"}}
models:
  m:
    targets: [{{use: good/x}}]
    shadow: {{use: bad/copy, ratio: 0.5, max_in_flight: 2}}
    timeouts: {{first_content_s: 0.3}}
"""


def cast(on: Serving, shadows: Shadows, times: int = 1) -> None:
    ask = on.ask("m")
    assert ask.route.shadow is not None
    for _ in range(times):
        shadows.cast(ask, ask.route.shadow)


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ([Send(response(200, chat_body()))], "complete"),
        ([Send(response(500))], "failed"),
        ([Reset()], "failed"),
        ([Stall()], "failed"),
    ],
)
@looped
async def test_how_a_copy_ended_is_counted(script: Script, outcome: str) -> None:
    async with serving(script, config=CONFIG) as on:
        cast(on, Shadows(on.house.metrics, lambda: 0.49))
        await until(lambda: on.house.number("gateway_shadows_total", "m", outcome))
        assert on.bad.journal[0].body.count(b"copy") == 1


@looped
async def test_the_dice_decide() -> None:
    async with serving([Send(response(200, chat_body()))], config=CONFIG) as on:
        cast(on, Shadows(on.house.metrics, lambda: 0.5))
        await asyncio.sleep(0.05)
        assert on.bad.journal == []


@looped
async def test_no_more_copies_are_under_way_than_may_be() -> None:
    async with serving([Stall()], config=CONFIG) as on:
        cast(on, Shadows(on.house.metrics, lambda: 0.0), times=5)
        assert on.house.number("gateway_shadows_total", "m", "skipped") == 3
        await until(lambda: on.house.number("gateway_shadows_total", "m", "failed") == 2)
        assert on.route("m").shadow is not None
        assert on.route("m").shadow.target.health.shadows == 0  # type: ignore[union-attr]
