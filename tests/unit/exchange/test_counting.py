"""A count that nobody but the gateway can make says so."""

import json

import msgspec

from gateway.chat.operation import Operation
from gateway.exchange import counting
from gateway.telemetry.record import Outcome, Record
from tests.unit.exchange.serving import serving
from tests.vendors.looped import looped
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Send, response


@looped
async def test_an_estimate_is_told_as_one() -> None:
    async with serving([Send(response(200, chat_body()))]) as on:
        assert counting.only(on.route())
        said = [{"role": "user", "content": "x" * 360}]
        fields = {"messages": msgspec.Raw(json.dumps(said).encode())}
        record = Record(Operation.COUNT_TOKENS)
        counting.estimate(fields, record, on.outlet)
        assert 100 <= json.loads(on.client.body)["input_tokens"] <= 120
        assert on.client.headers["x-gateway-estimated"] == "true"
        assert record.outcome is Outcome.COMPLETE
