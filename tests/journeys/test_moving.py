"""A model moved from one vendor's language to another's by one line of YAML: the same script of
openai-python's before and after, text, stream and tools.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.harness import KEY, Gateway, until
from tests.journeys.speakers import Asked, Chat, Heard
from tests.vendors.languages import LANGUAGES, TEXT, WEATHER, backends, vendor
from tests.vendors.scripted import Vendor

MODEL: Final = "assistant"
ELSEWHERE: Final = [name for name in LANGUAGES if name not in ("chat", "completion")]


@dataclass(frozen=True, slots=True)
class House:
    gateway: Gateway
    vendor: Vendor
    config: str
    before: "Day"  # as it was where the vendor spoke OpenAI's chat


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with vendor() as up:
        config = f"""
keys: [{{name: tester, tenant: testers, key: "{KEY}", models: ["*"]}}]
{backends(up.url)}
models:
{_line("chat")}"""
        with Gateway(config) as gateway:
            yield House(gateway, up, config, _day(Chat(gateway)))


def _line(language: str) -> str:
    """The one that is edited."""
    return f"  {MODEL}: {language}/{LANGUAGES[language].model}\n"


def _move(house: House, language: str) -> None:
    """Edits the line, and waits until it is in force."""
    config = house.config.replace(_line("chat"), _line(language))
    before, after = house.config.splitlines(), config.splitlines()
    assert sum(one != other for one, other in zip(before, after, strict=True)) <= 1
    applied = len(house.gateway.lines("config_applied"))
    house.gateway.rewrite(config)
    until(
        lambda: len(house.gateway.lines("config_applied")) > applied,
        5,
        "the line is not in force",
    )


@dataclass(frozen=True, slots=True)
class Day:
    """What an application has heard by its end."""

    texts: list[str]
    calls: list[tuple[str, object]]
    ends: list[str]


def _day(chat: Chat, *, tools: bool = True) -> Day:
    """The script: the same whatever answers."""
    answers: list[Heard] = []
    for ask in (chat.whole, chat.streamed):
        answers.append(ask(Asked(MODEL)))
        if tools:
            answers.append(ask(Asked(MODEL, tools=True)))
            answers.append(ask(Asked(MODEL, tools=True, answered=answers[-1])))
    return Day(
        [answer.text for answer in answers],
        [(call.name, call.arguments) for answer in answers for call in answer.calls],
        [answer.end for answer in answers],
    )


def test_the_day_has_texts_and_tools_whole_and_streamed(house: House) -> None:
    called = ("weather", {"city": "Bern"})
    assert house.before.texts == [TEXT, "", WEATHER] * 2
    assert house.before.calls == [called] * 2
    assert house.before.ends == ["stop", "tool_calls", "stop"] * 2


@pytest.mark.parametrize("language", ELSEWHERE)
def test_the_same_script_has_the_same_day_elsewhere(house: House, language: str) -> None:
    _move(house, language)
    asked = len(house.vendor.journal)
    assert _day(Chat(house.gateway)) == house.before
    paths = {request.path.split("/")[1] for request in house.vendor.journal[asked:]}
    assert paths == {language}


def test_where_texts_are_only_completed_tools_are_refused_by_name(house: House) -> None:
    _move(house, "completion")
    chat = Chat(house.gateway)
    assert _day(chat, tools=False).texts == [TEXT, TEXT]
    for ask in (chat.whole, chat.streamed):
        told = chat.refused(ask, Asked(MODEL, tools=True))
        assert (told.code, told.param) == ("untranslatable", "tools")
