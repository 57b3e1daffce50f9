"""What the simulated model says: always the same, of the length asked for, openly simulated."""

import math

import pytest

from gateway.simulated.model import End, Question, Speech, Tool, answers, prompt, vector


def asked(text: str = "hello", **changes: object) -> Question:
    return Question("m", (prompt(text),), **changes)  # type: ignore[arg-type]  # fields by name


def said(question: Question, tokens: int = 40, seed: int = 0) -> Speech:
    [speech] = answers(question, tokens, seed)
    return speech


def test_the_same_question_has_the_same_answer() -> None:
    assert said(asked()) == said(asked())


@pytest.mark.parametrize("other", [asked("hello!"), asked(seed=7)])
def test_another_prompt_or_seed_has_another_answer(other: Question) -> None:
    assert said(asked()) != said(other)


def test_the_house_s_seed_holds_where_the_caller_gives_none() -> None:
    assert said(asked(), seed=7) == said(asked(seed=7), seed=0) != said(asked(), seed=0)


def test_choices_differ() -> None:
    first, second = answers(asked(choices=2), 40, 0)
    assert first != second


def test_every_prompt_has_its_choices_in_order() -> None:
    both = Question("m", (prompt("a"), prompt("b")), choices=2)
    alone = [*answers(asked("a", choices=2), 40, 0), *answers(asked("b", choices=2), 40, 0)]
    assert answers(both, 40, 0) == alone


def test_it_says_that_it_is_simulated() -> None:
    assert said(asked()).text.startswith("This is a simulated answer.")


@pytest.mark.parametrize("tokens", [1, 6, *range(7, 40), 1000])
def test_an_answer_has_exactly_as_many_tokens_as_set(tokens: int) -> None:
    speech = said(asked(), tokens)
    assert (len(speech.tokens), speech.end) == (tokens, End.STOP)


@pytest.mark.parametrize("tokens", [6, *range(10, 60)])
def test_an_answer_ends_with_a_sentence(tokens: int) -> None:
    assert said(asked(), tokens).text.endswith(".")


def test_max_tokens_cuts_the_same_answer() -> None:
    speech = said(asked(max_tokens=9))
    assert speech.tokens == said(asked()).tokens[:9]
    assert speech.end is End.LENGTH


def test_a_max_tokens_that_is_not_reached_cuts_nothing() -> None:
    assert said(asked(max_tokens=40)) == said(asked())


def test_a_stop_sequence_ends_the_text_before_it() -> None:
    speech = said(asked(stop=("nowhere", "lated ans", "answer")))
    assert speech.text == "This is a simu"
    assert (speech.end, speech.sequence) == (End.SEQUENCE, "lated ans")
    assert len(speech.tokens) == 4


def test_a_stop_sequence_behind_the_limit_is_not_met() -> None:
    assert said(asked(stop=("answer",), max_tokens=3)).end is End.LENGTH


def test_a_tool_is_called_with_arguments_that_fit() -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Bern"]}}}
    speech = said(asked(tool=Tool("weather", schema), stop=("Bern",)))
    assert (speech.tool, speech.text, speech.end) == ("weather", '{"city":"Bern"}', End.STOP)


def test_a_tool_without_a_schema_is_called_without_arguments() -> None:
    assert said(asked(tool=Tool("now", None))).text == "{}"


def test_arguments_can_be_cut() -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Bern"]}}}
    speech = said(asked(tool=Tool("weather", schema), max_tokens=2))
    assert (speech.text, speech.end) == ('{"city":', End.LENGTH)


def test_a_schema_makes_the_text_json() -> None:
    assert said(asked(schema={"const": [1]})).text == "[1]"


@pytest.mark.parametrize(("text", "tokens"), [("", 1), ("abcd", 1), ("abcde", 2), ("ü" * 4, 2)])
def test_a_prompt_counts_a_token_for_four_bytes(text: str, tokens: int) -> None:
    assert prompt(text).tokens == tokens


def test_the_prompts_of_a_question_are_counted_together() -> None:
    assert Question("m", (prompt("abcde"), prompt("a"))).prompt_tokens == 3


@pytest.mark.parametrize("dimensions", [1, 3, 256])
def test_a_vector_has_length_one(dimensions: int) -> None:
    numbers = vector("text", 0, dimensions)
    assert len(numbers) == dimensions
    assert math.isclose(math.hypot(*numbers), 1.0, rel_tol=1e-6)


def test_a_vector_is_of_its_text_and_seed() -> None:
    assert vector("a", 0, 8) == vector("a", 0, 8)
    assert len({vector("a", 0, 8), vector("b", 0, 8), vector("a", 1, 8)}) == 3
