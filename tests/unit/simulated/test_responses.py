"""Responses in the strict eyes of OpenAI's own types, and their events in the order of the API."""

import json

import pytest
from openai.types.responses import Response, ResponseFunctionToolCall, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.simulated import responses
from gateway.simulated.model import Question, Speech, Tool, answers, prompt
from gateway.simulated.play import Stamp

EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
STAMP = Stamp("1", 1_700_000_000)
PLAIN = Question("m", (prompt("user: hello"),))
CUT = Question("m", (prompt("user: hello"),), max_tokens=3)
TOOL = Question(
    "m",
    (prompt("user: hello"),),
    tool=Tool("weather", {"type": "object", "properties": {"city": {"enum": ["Bern"]}}}),
)


def spoken(question: Question) -> Speech:
    [speech] = answers(question, 8, 0)
    return speech


def whole(question: Question) -> Response:
    told = responses.whole(question, spoken(question), STAMP)
    assert told.tokens == len(spoken(question).tokens)
    return Response.model_validate_json(told.body)


def events(question: Question) -> list[dict[str, object]]:
    play = responses.play(question, spoken(question), STAMP)
    told = b"".join([play.opening, *play.beats, play.closing])
    pairs = [event.split(b"\ndata: ") for event in told.removesuffix(b"\n\n").split(b"\n\n")]
    assert play.length == len(spoken(question).tokens)
    bodies = [json.loads(body) for _, body in pairs]
    assert [name.decode() for name, _ in pairs] == [f"event: {body['type']}" for body in bodies]
    return bodies


def names(question: Question) -> list[object]:
    """Without the response. before them, deltas once."""
    told = [str(event["type"]).removeprefix("response.") for event in events(question)]
    return list(dict.fromkeys(told))


def test_a_response_has_its_text_and_usage() -> None:
    answer = whole(PLAIN)
    assert answer.output_text == spoken(PLAIN).text
    assert answer.status == "completed"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 8)
    assert answer.usage.total_tokens == 11


def test_a_cut_response_is_incomplete() -> None:
    answer = whole(CUT)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


def test_a_function_is_called() -> None:
    [item] = whole(TOOL).output
    assert isinstance(item, ResponseFunctionToolCall)
    assert (item.name, item.arguments) == ("weather", '{"city":"Bern"}')


@pytest.mark.parametrize("question", [PLAIN, CUT, TOOL])
def test_every_event_is_of_openai_s_type_and_numbered(question: Question) -> None:
    told = events(question)
    for event in told:
        EVENT.validate_python(event)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))


def test_the_events_of_a_text_stand_in_order() -> None:
    assert names(PLAIN) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_the_events_of_a_call_stand_in_order() -> None:
    assert names(TOOL) == [
        "created",
        "in_progress",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


def test_a_cut_stream_ends_incomplete() -> None:
    assert names(CUT)[-1] == "incomplete"


@pytest.mark.parametrize("question", [PLAIN, CUT, TOOL])
def test_the_deltas_are_the_text_and_the_end_is_the_whole_response(question: Question) -> None:
    told = events(question)
    assert "".join(str(event.get("delta", "")) for event in told) == spoken(question).text
    assert Response.model_validate(told[-1]["response"]) == whole(question)
