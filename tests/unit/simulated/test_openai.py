"""Chat and text completions in the strict eyes of OpenAI's own types."""

import json
from collections.abc import Sequence

import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.simulated import openai
from gateway.simulated.model import Question, Speech, Tool, answers, prompt
from gateway.simulated.play import Play, Stamp

STAMP = Stamp("1", 1_700_000_000)
TOOL = Tool("weather", {"type": "object", "properties": {"city": {"enum": ["Bern"]}}})


def asked(**changes: object) -> Question:
    fields: dict[str, object] = {"model": "m", "prompts": (prompt("user: hello"),)}
    return Question(**fields | changes)  # type: ignore[arg-type]  # fields by name


def spoken(question: Question, tokens: int = 12) -> list[Speech]:
    return answers(question, tokens, 0)


def chat(question: Question) -> ChatCompletion:
    told = openai.whole(openai.CHAT, question, spoken(question), STAMP)
    return ChatCompletion.model_validate_json(told.body, strict=True)


def text(question: Question) -> Completion:
    told = openai.whole(openai.COMPLETION, question, spoken(question), STAMP)
    return Completion.model_validate_json(told.body, strict=True)


def play(language: openai.Language, question: Question) -> Play:
    return openai.play(language, question, spoken(question), STAMP)


def data(play: Play) -> list[bytes]:
    """The JSON of each event; the stream must end in [DONE]."""
    events = b"".join([play.opening, *play.beats, play.closing]).split(b"\n\n")
    *bodies, done, rest = [event.removeprefix(b"data: ") for event in events]
    assert (done, rest) == (b"[DONE]", b"")
    return bodies


def chunks(question: Question) -> list[ChatCompletionChunk]:
    bodies = data(play(openai.CHAT, question))
    return [ChatCompletionChunk.model_validate_json(body, strict=True) for body in bodies]


def folded(chunks: Sequence[ChatCompletionChunk], index: int) -> str:
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(choice.delta.content or "" for choice in choices)


def test_a_chat_is_of_openai_s_type() -> None:
    answer = chat(asked())
    assert answer.choices[0].message.content == spoken(asked())[0].text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].logprobs is None


def test_tokens_are_counted_over_all_choices() -> None:
    usage = chat(asked(choices=3)).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 36, 39)


def test_how_long_an_answer_takes_is_its_longest_choice() -> None:
    question = asked(choices=3)
    assert openai.whole(openai.CHAT, question, spoken(question), STAMP).tokens == 12
    assert play(openai.CHAT, question).length == 12


def test_a_cut_chat_says_so() -> None:
    assert chat(asked(max_tokens=3)).choices[0].finish_reason == "length"


def test_a_stop_sequence_is_an_ordinary_end() -> None:
    assert chat(asked(stop=("simulated",))).choices[0].finish_reason == "stop"


def test_a_tool_is_called() -> None:
    choice = chat(asked(tool=TOOL)).choices[0]
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Bern"}')
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)


@pytest.mark.parametrize("choices", [1, 2])
def test_a_streamed_chat_says_what_the_whole_one_says(choices: int) -> None:
    question = asked(choices=choices)
    told = chunks(question)
    for index, speech in enumerate(spoken(question)):
        assert folded(told, index) == speech.text


def test_a_streamed_chat_has_role_then_tokens_then_its_end() -> None:
    told = [chunk.choices[0] for chunk in chunks(asked())]
    assert (told[0].delta.role, told[0].delta.content) == ("assistant", "")
    assert [choice.delta.content for choice in told[1:-1]] == list(spoken(asked())[0].tokens)
    assert [choice.finish_reason for choice in told] == [None] * 13 + ["stop"]


def test_all_chunks_of_a_stream_have_one_id() -> None:
    assert {chunk.id for chunk in chunks(asked())} == {"chatcmpl-1"}


def test_usage_comes_last_and_only_when_asked_for() -> None:
    *others, last = chunks(asked(stream_usage=True))
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 12
    assert [chunk.usage for chunk in others] == [None] * len(others)
    assert all(b"usage" not in body for body in data(play(openai.CHAT, asked())))


def test_a_streamed_tool_call_comes_name_first_then_arguments() -> None:
    told = chunks(asked(tool=TOOL))
    calls = [call for chunk in told for call in chunk.choices[0].delta.tool_calls or []]
    assert [call.function.name for call in calls if call.function and call.function.name] == [
        "weather"
    ]
    assert "".join(call.function.arguments or "" for call in calls if call.function) == (
        '{"city":"Bern"}'
    )
    assert told[-1].choices[0].finish_reason == "tool_calls"


def test_a_completion_is_of_openai_s_type() -> None:
    answer = text(asked())
    assert answer.choices[0].text == spoken(asked())[0].text
    assert answer.object == "text_completion"


def test_choices_of_several_prompts_are_numbered_through_and_echoed() -> None:
    question = asked(prompts=(prompt("A: "), prompt("B: ")), choices=2, echo=True)
    choices = text(question).choices
    assert [choice.index for choice in choices] == [0, 1, 2, 3]
    assert [choice.text[:7] for choice in choices] == ["A: This"] * 2 + ["B: This"] * 2


def test_an_echo_costs_no_tokens() -> None:
    assert text(asked(echo=True)).usage == text(asked()).usage


def test_a_streamed_completion_says_what_the_whole_one_says() -> None:
    question = asked(echo=True, max_tokens=5)
    bodies = data(play(openai.COMPLETION, question))
    told = [json.loads(body)["choices"][0] for body in bodies]
    assert "".join(choice["text"] for choice in told) == text(question).choices[0].text
    assert told[-1]["finish_reason"] == "length"


def test_the_last_chunk_of_a_completion_is_of_openai_s_type() -> None:
    Completion.model_validate_json(data(play(openai.COMPLETION, asked()))[-1], strict=True)


def test_no_prompts_have_an_empty_answer() -> None:
    assert text(asked(prompts=())).choices == []
    assert play(openai.COMPLETION, asked(prompts=())).length == 0
