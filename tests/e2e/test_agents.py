"""Agents at work: three tools in a row, the thinking kept, across two vendors' languages.

anthropic-python in front of a backend of OpenAI's language that reasons, openai-python in front of
Anthropic's, whose thoughts are signed; whole and streamed. What the backend is sent in each turn
must have every earlier thought in it, byte for byte, and every call with its result.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import anthropic
import openai
import pytest

from tests.harness import KEY, Gateway
from tests.vendors import openai_wire
from tests.vendors.scripted import Received, Script, Send, Vendor, response, streamed

# What a careless hand would change: space at the ends, escapes, letters beyond ASCII and the BMP.
THOUGHTS: Final = (
    "  First:\n\n\tlook at Bern. ",
    'Then "Oslo" \\n, as \u2028 it stands — ä 👩\u200d🚀 \u0000.',
    "</thinking> {\"type\": 'x'}  \n",
)
SIGNATURES: Final = ("EqQBCkYIBxgC+/==", "Erg\u002fCkYI==", "Eo8C" + "QUJD" * 500)
REDACTED: Final = "EmwKAhgBEgy3va3pzix/LafPsn4="  # a block before the second thought
CITIES: Final = ("Bern", "Oslo", "Rome")
SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
QUESTION: Final = "Where is it warmest?"
VERDICT: Final = "Rome it is."
Doc = dict[str, Any]


def weather(city: str) -> str:
    return f"{CITIES.index(city) * 10} degrees in {city}"


@dataclass(frozen=True, slots=True)
class House:
    gateway: Gateway
    openai: Vendor  # which reasons
    anthropic: Vendor  # which signs what it thinks


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with Vendor(choose=_reasoner) as first, Vendor(choose=_signer) as second:
        config = f"""
keys: [{{name: tester, tenant: testers, key: "{KEY}"}}]
backends:
  reasoner: {{provider: openai_compatible, base_url: "{first.url}/v1"}}
  signer: {{provider: anthropic, base_url: "{second.url}", credential: sk-ant}}
models: {{reasoner: reasoner/deep, signer: signer/claude-opus-4-6}}
"""
        with Gateway(config) as gateway:
            yield House(gateway, first, second)


# ---- the vendors: a thought and a call for each city, then the verdict


def _reasoner(request: Received) -> Script:
    asked = json.loads(request.body)
    turn = sum(message["role"] == "tool" for message in asked["messages"])
    if turn == len(CITIES):
        fields: Doc = {"text": VERDICT}
    else:
        given = json.dumps({"city": CITIES[turn]})
        call = openai_wire.tool_call(arguments=given, id=f"call_{turn}")
        fields = {"calls": [call], "reasoning": THOUGHTS[turn], "finish": "tool_calls"}
    if not asked.get("stream"):
        return [Send(response(body=openai_wire.chat_body(**fields)))]
    message = json.loads(openai_wire.chat_body(**fields))["choices"][0]["message"]
    deltas: list[Doc] = [
        *({"reasoning_content": piece} for piece in message.get("reasoning_content", "")),
        *({"content": piece} for piece in message["content"] or ""),
        *({"tool_calls": [{"index": 0, **call}]} for call in message.get("tool_calls", ())),
    ]
    finish = fields.get("finish", "stop")
    bodies = [openai_wire.chat_chunk(delta) for delta in [openai_wire.ROLE, *deltas]]
    bodies.append(openai_wire.chat_chunk({}, finish=finish))
    return [Send(streamed(*map(openai_wire.event, bodies), openai_wire.DONE))]


def _thought(turn: int) -> list[Doc]:
    said = {"type": "thinking", "thinking": THOUGHTS[turn], "signature": SIGNATURES[turn]}
    return [{"type": "redacted_thinking", "data": REDACTED}, said] if turn == 1 else [said]


def _used(turn: int) -> Doc:
    called = {"id": f"toolu_{turn}", "name": "weather", "input": {"city": CITIES[turn]}}
    return {"type": "tool_use", **called}


def _signer(request: Received) -> Script:
    asked = json.loads(request.body)
    turn = len(asked["messages"]) // 2
    over = turn == len(CITIES)
    blocks = [{"type": "text", "text": VERDICT}] if over else [*_thought(turn), _used(turn)]
    message: Doc = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": blocks,
        "stop_reason": "end_turn" if over else "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 5},
    }
    if not asked.get("stream"):
        return [Send(response(body=json.dumps(message).encode()))]
    events: list[Doc] = [{"type": "message_start", "message": {**message, "content": []}}]
    for index, block in enumerate(blocks):
        events += _block(index, block)
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": 5}})
    events.append({"type": "message_stop"})
    wire = (
        openai_wire.event(json.dumps(one).encode(), name=one["type"].encode()) for one in events
    )
    return [Send(streamed(*wire))]


def _block(index: int, block: Doc) -> list[Doc]:
    """The events of one: text and thoughts letter by letter."""
    opened, deltas = block, []
    match block["type"]:
        case "text":
            opened = {**block, "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in block["text"]]
        case "thinking":
            opened = {"type": "thinking", "thinking": "", "signature": ""}
            kind = "thinking_delta"
            deltas = [{"type": kind, "thinking": piece} for piece in block["thinking"]]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "tool_use":
            opened = {**block, "input": {}}
            given = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in given]
    at = {"index": index}
    return [
        {"type": "content_block_start", **at, "content_block": opened},
        *({"type": "content_block_delta", **at, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", **at},
    ]


# ---- anthropic's client, OpenAI's language behind it


def _anthropic_turn(
    client: anthropic.Anthropic, messages: list[Any], *, stream: bool
) -> anthropic.types.Message:
    fields: Doc = {
        "model": "reasoner",
        "max_tokens": 4000,
        "messages": messages,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tools": [{"name": "weather", "input_schema": SCHEMA}],
    }
    if stream:
        with client.messages.stream(**fields) as events:
            return events.get_final_message()
    answer: anthropic.types.Message = client.messages.create(**fields)
    return answer


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_anthropics_agent_keeps_what_another_vendor_thought(house: House, stream: bool) -> None:
    house.openai.journal.clear()
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    with anthropic.Anthropic(base_url=house.gateway.url, api_key=KEY, max_retries=0) as client:
        answer = _anthropic_turn(client, messages, stream=stream)
        while answer.stop_reason == "tool_use":
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": block.id,
                    "content": weather(str(block.input["city"])),
                }
                for block in answer.content
                if isinstance(block, anthropic.types.ToolUseBlock)
            ]
            messages += [
                {"role": "assistant", "content": answer.content},
                {"role": "user", "content": results},
            ]
            answer = _anthropic_turn(client, messages, stream=stream)
    (verdict,) = answer.content
    assert isinstance(verdict, anthropic.types.TextBlock)
    assert verdict.text == VERDICT
    assert len(house.openai.journal) == len(CITIES) + 1
    for turn, seen in enumerate(house.openai.journal):
        asked = json.loads(seen.body)
        assert asked.get("stream", False) is stream
        assert asked["reasoning_effort"] == "low"
        first, *rest = asked["messages"]
        assert first["content"] == QUESTION
        for at in range(turn):
            said, result = rest[2 * at], rest[2 * at + 1]
            assert said["reasoning_content"] == THOUGHTS[at]
            (call,) = said["tool_calls"]
            assert (call["id"], call["function"]["name"]) == (f"call_{at}", "weather")
            assert json.loads(call["function"]["arguments"]) == {"city": CITIES[at]}
            assert (result["role"], result["tool_call_id"]) == ("tool", f"call_{at}")
            assert result["content"] == weather(CITIES[at])
        assert len(rest) == 2 * turn


# ---- OpenAI's client, anthropic's language behind it


def _openai_turn(client: openai.OpenAI, messages: list[Any], *, stream: bool) -> Doc:
    """The assistant's message, as it is to be sent back."""
    function = {"name": "weather", "parameters": SCHEMA}
    fields: Doc = {
        "model": "signer",
        "messages": messages,
        "reasoning_effort": "high",
        "tools": [{"type": "function", "function": function}],
    }
    if not stream:
        message = client.chat.completions.create(**fields).choices[0].message
        return dict(message.to_dict())
    whole: Doc = {"role": "assistant", "content": None}
    for chunk in client.chat.completions.create(stream=True, **fields):
        for choice in chunk.choices:
            _grow(whole, choice.delta.to_dict())
    return whole


def _grow(whole: Doc, delta: Doc) -> None:
    """As openai-python's own accumulator does: texts and lists are appended to."""
    for call in delta.pop("tool_calls", ()):
        calls = whole.setdefault("tool_calls", [])
        if call.pop("index") == len(calls):
            calls.append(call)
        else:
            calls[-1]["function"]["arguments"] += call["function"]["arguments"]
    for key in ("content", "reasoning_content"):
        if delta.get(key):
            whole[key] = (whole.get(key) or "") + delta[key]
    if "thinking_blocks" in delta:
        whole.setdefault("thinking_blocks", []).extend(delta["thinking_blocks"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_openais_agent_keeps_what_anthropic_thought_and_signed(house: House, stream: bool) -> None:
    house.anthropic.journal.clear()
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    url = house.gateway.base_url
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        said = _openai_turn(client, messages, stream=stream)
        while said.get("tool_calls"):
            messages.append(said)
            for call in said["tool_calls"]:
                city = json.loads(call["function"]["arguments"])["city"]
                result = {"role": "tool", "tool_call_id": call["id"], "content": weather(city)}
                messages.append(result)
            said = _openai_turn(client, messages, stream=stream)
    assert said["content"] == VERDICT
    assert len(house.anthropic.journal) == len(CITIES) + 1
    for turn, seen in enumerate(house.anthropic.journal):
        asked = json.loads(seen.body)
        assert asked.get("stream", False) is stream
        assert asked["output_config"] == {"effort": "high"}
        first, *rest = asked["messages"]
        assert first["content"] in (QUESTION, [{"type": "text", "text": QUESTION}])
        for at in range(turn):
            thought, result = rest[2 * at], rest[2 * at + 1]
            assert thought == {"role": "assistant", "content": [*_thought(at), _used(at)]}
            (block,) = result["content"]
            assert (block["type"], block["tool_use_id"]) == ("tool_result", f"toolu_{at}")
            assert block["content"] in (
                weather(CITIES[at]),
                [{"type": "text", "text": weather(CITIES[at])}],
            )
        assert len(rest) == 2 * turn
