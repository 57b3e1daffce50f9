"""The simulated vendor's words, read by OpenAI's dialects: whole and streamed are one answer."""

import json
from collections.abc import Callable

import pytest

from gateway.chat.document import Document
from gateway.chat.fold import fold
from gateway.dialects import openai_chat, openai_completion, openai_responses
from gateway.dialects.base import Losses, UpstreamDialect
from gateway.simulated import openai, request, responses
from gateway.simulated.model import Question, Speech, answers
from gateway.simulated.play import Play, Stamp, Whole

STAMP = Stamp("1", 1_700_000_000)
CITY = {"type": "object", "properties": {"city": {"enum": ["Bern"]}}, "required": ["city"]}
ASKED: Document = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": CITY}}
CALLS: Document = {**ASKED, "tools": [FUNCTION], "tool_choice": "required"}
Told = tuple[Whole, Play]


def _chat(question: Question, said: list[Speech]) -> Told:
    whole = openai.whole(openai.CHAT, question, said, STAMP)
    return whole, openai.play(openai.CHAT, question, said, STAMP)


def _completion(question: Question, said: list[Speech]) -> Told:
    whole = openai.whole(openai.COMPLETION, question, said, STAMP)
    return whole, openai.play(openai.COMPLETION, question, said, STAMP)


def _responses(question: Question, said: list[Speech]) -> Told:
    whole = responses.whole(question, said[0], STAMP)
    return whole, responses.play(question, said[0], STAMP)


VENDORS: dict[
    UpstreamDialect,
    tuple[Callable[[bytes], Question], Callable[[Question, list[Speech]], Told]],
] = {
    openai_chat.UPSTREAM: (request.chat, _chat),
    openai_completion.UPSTREAM: (request.completion, _completion),
    openai_responses.UPSTREAM: (request.responses, _responses),
}


@pytest.mark.parametrize("upstream", VENDORS, ids=lambda upstream: str(upstream.name))
@pytest.mark.parametrize(
    "asked",
    [ASKED, {**ASKED, "max_tokens": 3}, {**ASKED, "n": 2}, CALLS],
    ids=["text", "cut", "choices", "calls"],
)
@pytest.mark.parametrize("size", [1, 50, 1 << 20])
def test_whole_and_streamed_are_one_answer(
    upstream: UpstreamDialect, asked: Document, size: int
) -> None:
    if upstream.name == "openai_responses" and asked.get("n"):
        pytest.skip("there is one choice")
    if upstream.name == "openai_completion" and asked is CALLS:
        pytest.skip("there are no calls")
    ask, tell = VENDORS[upstream]
    body = json.dumps(upstream.write_request({**asked, "stream": True}, Losses())).encode()
    question = ask(body)
    whole, play = tell(question, answers(question, 8, 0))
    answer = upstream.read_response(json.loads(whole.body))
    stream = b"".join([play.opening, *play.beats, play.closing])
    reader = upstream.reader()
    deltas = []
    for at in range(0, len(stream), size):
        deltas += reader.feed(stream[at : at + size])
    assert reader.done
    streamed = fold([*deltas, *reader.close()])
    assert streamed == answer
    assert answer["usage"]["total_tokens"] > 0
    assert bool(answer["choices"][0]["message"].get("tool_calls")) is (asked is CALLS)
