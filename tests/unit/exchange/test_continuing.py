"""What may be continued, what is remembered of a stream, and how the rest is asked for."""

import json

import pytest

from gateway.chat.operation import Operation
from gateway.dialects import openai
from gateway.exchange.ask import Ask
from gateway.exchange.continuing import MAX_KEPT, Kept, continuable
from gateway.runtime.languages import CLIENTS
from gateway.runtime.snapshot import Route
from tests.unit.config.reading import read
from tests.unit.exchange.serving import Client
from tests.unit.runtime.running import running
from tests.vendors.openai_wire import chat_chunk, event

CONFIG = """
backends: {a: {provider: openai_compatible, base_url: "http://a.test/v1"}}
models: {m: a/x}
"""


def route() -> Route:
    with running() as house:
        return house.runtime.swap(read(CONFIG)).routes["m"]


def ask(operation: Operation = Operation.CHAT, **fields: object) -> Ask:
    document: dict[str, object] = {"model": "m", "stream": True, **fields}
    if operation is Operation.CHAT:
        document.setdefault("messages", [{"role": "user", "content": "hi"}])
    head, raw = openai.read_request(operation, json.dumps(document).encode())
    return Ask(operation, CLIENTS[operation], head, raw, route(), b"")


def kept(*deltas: dict[str, object], times: int = 1, finish: str | None = None) -> Kept:
    outlet = Client().outlet()
    outlet.begin(200, b"")
    found = Kept(outlet, times)
    for delta in deltas:
        found.push(event(chat_chunk(delta)))
    if finish:
        found.push(event(chat_chunk({}, finish=finish)))
    return found


@pytest.mark.parametrize(
    ("asked", "may"),
    [
        (ask(), True),
        (ask(n=2), False),
        (ask(tools=[{"type": "function"}]), False),
        (ask(response_format={"type": "json_object"}), False),
        (ask(guided_regex="a+"), False),
        (ask(continue_final_message=True, add_generation_prompt=False), False),
        (ask(Operation.COMPLETION, prompt="x", echo=True), False),
        (ask(Operation.COMPLETION, prompt="x"), True),
        (ask(Operation.COMPLETION, prompt=["x"]), False),
        (ask(Operation.COMPLETION, prompt=[1, 2]), False),
    ],
)
def test_one_text_may_be_continued(asked: Ask, may: bool) -> None:
    assert continuable(asked) is may


def test_what_was_said_is_asked_to_be_gone_on_from() -> None:
    said = kept({"role": "assistant", "content": ""}, {"content": "All "}, {"content": "is"})
    assert said.breaks()
    fields = said.continued(ask())
    messages = json.loads(bytes(fields["messages"]))
    assert messages[-1] == {"role": "assistant", "content": "All is"}
    assert messages[0] == {"role": "user", "content": "hi"}
    assert bytes(fields["continue_final_message"]) == b"true"


def test_a_prompt_is_made_longer() -> None:
    said = kept({"content": "x"})
    said.push(b'data: {"choices":[{"index":0,"text":" two"}]}\n\n')
    assert said.breaks()
    fields = said.continued(ask(Operation.COMPLETION, prompt="one"))
    assert json.loads(bytes(fields["prompt"])) == "onex two"


def test_a_second_break_adds_to_the_first() -> None:
    said = kept({"content": "All "}, times=2)
    assert said.breaks()
    said.push(event(chat_chunk({"content": "is "})))
    assert said.breaks()
    messages = json.loads(bytes(said.continued(ask())["messages"]))
    assert messages[-1]["content"] == "All is "
    assert not said.breaks()


@pytest.mark.parametrize(
    "delta",
    [
        {"tool_calls": [{"index": 0}]},
        {"reasoning_content": "hm"},
        {"audio": {"id": "x"}},
        {"refusal": "No."},
    ],
)
def test_more_than_text_is_not_continued(delta: dict[str, object]) -> None:
    assert not kept({"content": "x"}, delta).breaks()


def test_what_has_said_why_it_ended_is_not_continued() -> None:
    assert not kept({"content": "x"}, finish="length").breaks()


def test_an_answer_that_grew_too_long_is_not_continued() -> None:
    said = kept({"content": "x" * (MAX_KEPT + 1)})
    assert not said.breaks()
