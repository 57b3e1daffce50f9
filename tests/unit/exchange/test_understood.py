"""An understood answer: whole or as it comes, its target's health told, its failures honest."""

import json

from gateway.chat.operation import Operation
from gateway.errors import Code
from gateway.exchange.course import Choice
from gateway.exchange.understood import Understood
from gateway.telemetry.record import Attempt
from tests.unit.exchange.serving import Serving, serving
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Send, response

CONFIG = """
backends:
  bad: {{provider: openai_compatible, base_url: "{bad}/v1"}}
  good: {{provider: openai_compatible, base_url: "{good}/v1", continues_prefix: true}}
models:
  m: {{targets: [{{use: bad/x}}], force: {{seed: 7}}}}
  other: {{targets: [{{use: good/y}}], force: {{seed: 8}}, continuation: {{enabled: true}}}}
"""


def choice(on: Serving, model: str) -> Choice:
    route = on.route(model)
    return Choice(route.targets[0], route)


@looped
async def test_each_target_is_asked_by_the_route_it_was_found_on() -> None:
    async with serving([Send(response(200, chat_body()))], config=CONFIG) as on:
        errand = Understood(on.ask("m"), on.outlet, on.record)
        for model, name, seed in (("m", "x", 7), ("other", "y", 8)):
            body = errand.request(choice(on, model)).body
            assert isinstance(body, bytes)
            document = json.loads(body)
            assert (document["model"], document["seed"]) == (name, seed)


@looped
async def test_a_stream_is_promised_a_whole_answer_is_not() -> None:
    async with serving([Send(response(200, chat_body()))], config=CONFIG) as on:
        Understood(on.ask("m"), on.outlet, on.record)
        assert on.outlet.promised == b""
        Understood(on.ask("m", stream=True), on.outlet, on.record)
        assert b"text/event-stream" in on.outlet.promised
        assert on.record.id.encode() in on.outlet.promised


@looped
async def test_any_target_fits_until_something_has_been_said() -> None:
    async with serving([Send(response(200, chat_body()))], config=CONFIG) as on:
        errand = Understood(on.ask("other", stream=True), on.outlet, on.record)
        bad, good = choice(on, "m").target, choice(on, "other").target
        assert errand.fits(bad)
        assert errand.fits(good)
        kept = errand._kept
        assert kept is not None
        on.outlet.begin(200, b"")
        kept.push(b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n')
        assert kept.breaks()
        assert not errand.fits(bad)
        assert errand.fits(good)


@looped
async def test_what_is_2xx_and_no_200_is_no_answer() -> None:
    async with serving([Send(response(201, chat_body()))], config=CONFIG) as on:
        errand = Understood(on.ask("m"), on.outlet, on.record)
        target = choice(on, "m").target
        request = errand.request(choice(on, "m"))
        assert target.backend.pool.enter()
        reply = await target.backend.pool.send(request, target.timeouts, on.deadline())
        attempt = Attempt("bad", "p", "x")
        failure = await errand.receive(choice(on, "m"), reply, attempt)
        target.backend.pool.leave(reply)
        assert failure is not None
        assert failure.code is Code.BAD_RESPONSE
        assert on.ask("m").operation is Operation.CHAT
