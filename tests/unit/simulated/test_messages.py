"""Messages in the eyes of Anthropic's own types, and their events in the order of the API."""

import json

import pytest
from anthropic.types import Message, RawMessageStreamEvent, TextBlock, ToolUseBlock
from pydantic import TypeAdapter

from gateway.simulated import messages
from gateway.simulated.model import Question, Speech, Tool, answers, prompt
from gateway.simulated.play import Stamp

EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
STAMP = Stamp("1", 1_700_000_000)
SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Bern"]}}}


def asked(**changes: object) -> Question:
    fields: dict[str, object] = {"model": "m", "prompts": (prompt("user: hello"),)}
    return Question(**fields | changes)  # type: ignore[arg-type]  # fields by name


def spoken(question: Question) -> Speech:
    [speech] = answers(question, 8, 0)
    return speech


def whole(question: Question) -> Message:
    told = messages.whole(question, spoken(question), STAMP)
    return Message.model_validate_json(told.body, strict=True)


def events(question: Question) -> list[dict[str, object]]:
    play = messages.play(question, spoken(question), STAMP)
    told = b"".join([play.opening, *play.beats, play.closing])
    pairs = [event.split(b"\ndata: ") for event in told.removesuffix(b"\n\n").split(b"\n\n")]
    bodies = [json.loads(body) for _, body in pairs]
    assert [name.decode() for name, _ in pairs] == [f"event: {body['type']}" for body in bodies]
    return bodies


@pytest.mark.parametrize(
    ("question", "reason", "sequence"),
    [
        (asked(), "end_turn", None),
        (asked(max_tokens=3), "max_tokens", None),
        (asked(stop=("simulated",)), "stop_sequence", "simulated"),
        (asked(tool=Tool("weather", SCHEMA)), "tool_use", None),
    ],
)
def test_why_a_message_ended_is_told_whole_and_streamed(
    question: Question, reason: str, sequence: str | None
) -> None:
    message = whole(question)
    assert (message.stop_reason, message.stop_sequence) == (reason, sequence)
    delta = events(question)[-2]["delta"]
    assert delta == {"stop_reason": reason, "stop_sequence": sequence}


def test_a_message_has_its_text_and_usage() -> None:
    message = whole(asked())
    assert message.content == [TextBlock(type="text", text=spoken(asked()).text)]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 8)


def test_a_tool_is_used() -> None:
    [block] = whole(asked(tool=Tool("weather", SCHEMA))).content
    assert isinstance(block, ToolUseBlock)
    assert (block.name, block.input) == ("weather", {"city": "Bern"})


def test_the_input_of_a_cut_call_is_empty() -> None:
    [block] = whole(asked(tool=Tool("weather", SCHEMA), max_tokens=2)).content
    assert isinstance(block, ToolUseBlock)
    assert block.input == {}


@pytest.mark.parametrize("question", [asked(), asked(tool=Tool("weather", SCHEMA))])
def test_every_event_is_of_anthropic_s_type_and_in_its_place(question: Question) -> None:
    told = events(question)
    for event in told:
        if event["type"] != "ping":  # in the API's text, not in the client's types
            EVENT.validate_python(event)
    assert list(dict.fromkeys(event["type"] for event in told)) == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize(
    ("question", "field"),
    [(asked(), "text"), (asked(tool=Tool("weather", SCHEMA)), "partial_json")],
)
def test_the_deltas_are_what_the_whole_message_says(question: Question, field: str) -> None:
    deltas = [event["delta"] for event in events(question) if "index" in event and "delta" in event]
    text = "".join(delta[field] for delta in deltas if isinstance(delta, dict))
    assert text == spoken(question).text


def test_the_end_of_a_stream_counts_its_tokens() -> None:
    assert events(asked())[-2]["usage"] == {"output_tokens": 8}
