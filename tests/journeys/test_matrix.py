"""Every client's language in front of every backend's, with the real clients, through the port.

What a pair carries and what it refuses is in pairs.py. One vendor says the same in all languages,
so every client must hear the same of each.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pytest

from tests.harness import KEY, Gateway
from tests.journeys import pairs
from tests.journeys.pairs import BACKENDS, CLIENTS, Cell, Refused, Unsaid
from tests.journeys.speakers import PIXEL, RULE, SPEAKERS, Asked, Heard, Speaker
from tests.vendors.languages import (
    IN,
    LANGUAGES,
    OUT,
    SUNNY,
    TEXT,
    WEATHER,
    backends,
    streams,
    vendor,
)
from tests.vendors.scripted import Received, Vendor

LIMITED: Final[Mapping[str, str]] = {  # each client's word for too many requests
    "chat": "rate_limit_error",
    "completion": "rate_limit_error",
    "responses": "rate_limit_error",
    "anthropic": "rate_limit_error",
    "gemini": "RESOURCE_EXHAUSTED",
}


@dataclass(frozen=True, slots=True)
class House:
    gateway: Gateway
    vendor: Vendor
    speakers: Mapping[str, Speaker]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with vendor() as up, Gateway(_config(up.url)) as gateway:
        yield House(gateway, up, {name: make(gateway) for name, make in SPEAKERS.items()})


def _config(url: str) -> str:
    models = "".join(
        f"  {name}: {name}/{language.model}\n"
        f"  {name}-limited: {name}/limited\n"
        f"  {name}-cut: {name}/cut\n"
        for name, language in LANGUAGES.items()
    )
    return f"""
attempts: {{retry_budget_ratio: 0, retry_budget_per_s: 0, max_hold_s: 0}}
circuit: {{enabled: false}}
keys: [{{name: tester, tenant: testers, key: "{KEY}", models: ["*"]}}]
{backends(url)}
models:
{models}"""


@dataclass(frozen=True, slots=True)
class Pair:
    """One client's language in front of one backend's."""

    client: str
    backend: str
    speaker: Speaker
    vendor: Vendor

    @property
    def ways(self) -> tuple[Callable[[Asked], Heard], Callable[[Asked], Heard]]:
        return self.speaker.whole, self.speaker.streamed

    @property
    def last(self) -> Received:
        return self.vendor.journal[-1]

    def refuses(self, asked: Asked, param: str) -> None:
        """By name, before the vendor hears of it; asked whole or streamed."""
        before = len(self.vendor.journal)
        for ask in self.ways:
            told = self.speaker.refused(ask, asked)
            assert (told.status, told.code, told.param) == (400, "untranslatable", param)
        assert len(self.vendor.journal) == before


@pytest.fixture
def pair(house: House, client: str, backend: str) -> Pair:
    return Pair(client, backend, house.speakers[client], house.vendor)


def _each(case: str, cell: Callable[[str, str], Cell]) -> pytest.MarkDecorator:
    """Every pair whose client has a word for it. The id's last part names the case."""
    found = [
        pytest.param(client, backend, cell(client, backend), id=f"{client}-{backend}-{case}")
        for client in CLIENTS
        for backend in BACKENDS
        if not isinstance(cell(client, backend), Unsaid)
    ]
    return pytest.mark.parametrize(("client", "backend", "cell"), found)


def _carried(client: str, backend: str) -> Cell:
    return None


def _named(client: str, backend: str) -> Cell:
    refusal = pairs.REFUSALS.get((client, backend))
    return None if refusal is None else Refused(refusal[1])


# ---- what is said


@_each("text", _carried)
def test_text_is_carried_whole(pair: Pair, cell: Cell) -> None:
    _said(pair, pair.speaker.whole(Asked(pair.backend)))
    assert not streams(pair.last)


@_each("stream", _carried)
def test_text_is_carried_streamed(pair: Pair, cell: Cell) -> None:
    _said(pair, pair.speaker.streamed(Asked(pair.backend)))
    assert streams(pair.last)


def _said(pair: Pair, heard: Heard) -> None:
    assert (heard.text, heard.calls, heard.end) == (TEXT, [], pair.speaker.ends[0])
    _is_told(pair, heard)


def _is_told(pair: Pair, heard: Heard) -> None:
    """Tokens, and whose answer it is: the same in every event."""
    assert heard.tokens == (IN, OUT)
    for told in (heard.ids, heard.models):
        assert len(told) == 1
        assert told.isdisjoint({"", "None"})
    if pair.client in {"chat", "completion", "responses"}:
        assert len(heard.created) == 1
        assert min(heard.created) > 0


# ---- tools


@_each("tools", pairs.tools)
def test_a_tool_is_called_and_its_result_goes_back(pair: Pair, cell: Cell) -> None:
    asked = Asked(pair.backend, tools=True)
    if isinstance(cell, Refused):
        return pair.refuses(asked, cell.param)
    for ask in pair.ways:
        called = ask(asked)
        (call,) = called.calls
        assert (call.name, call.arguments) == ("weather", {"city": "Bern"})
        assert call.id not in {"", "None"}
        assert called.end == pair.speaker.ends[1]
        _is_told(pair, called)
        heard = ask(Asked(pair.backend, tools=True, answered=called))
        assert (heard.text, heard.calls) == (WEATHER, [])
        assert SUNNY in pair.last.body.decode()
        assert call.id in pair.last.body.decode()
    return None


@_each("image", pairs.image)
def test_an_image_is_carried_as_data(pair: Pair, cell: Cell) -> None:
    asked = Asked(pair.backend, image=True)
    if isinstance(cell, Refused):
        return pair.refuses(asked, cell.param)
    assert pair.speaker.whole(asked).text == TEXT
    # Google's client spells base64 as URLs do, and its backend hears it so.
    assert PIXEL in pair.last.body.decode().replace("-", "+").replace("_", "/")
    return None


# ---- how the answer is to be


@_each("system", pairs.system)
def test_a_rule_of_the_developers_is_carried(pair: Pair, cell: Cell) -> None:
    assert pair.speaker.whole(Asked(pair.backend, system=True)).text == TEXT
    assert RULE in pair.last.body.decode()


@_each("schema", pairs.schema)
def test_a_schema_for_the_answer_is_carried(pair: Pair, cell: Cell) -> None:
    asked = Asked(pair.backend, schema=True)
    if isinstance(cell, Refused):
        return pair.refuses(asked, cell.param)
    assert pair.speaker.whole(asked).text == TEXT
    # As JSON, or as text within JSON (Bedrock).
    said = pair.last.body.decode().replace("\\", "").replace(" ", "")
    assert '"required":["city"]' in said
    assert '"additionalProperties":false' in said
    return None


@_each("forced", pairs.forced)
def test_a_tool_that_must_be_called_is_named(pair: Pair, cell: Cell) -> None:
    asked = Asked(pair.backend, tools=True, forced=True)
    if isinstance(cell, Refused):
        return pair.refuses(asked, cell.param)
    assert [call.name for call in pair.speaker.whole(asked).calls] == ["weather"]
    assert pair.last.body.count(b'"weather"') == 2
    return None


# ---- what goes wrong


@_each("error", _carried)
def test_a_vendors_error_is_told_in_the_clients_form(pair: Pair, cell: Cell) -> None:
    for ask in pair.ways:
        told = pair.speaker.refused(ask, Asked(f"{pair.backend}-limited"))
        assert (told.status, told.code) == (429, "upstream_rate_limited")
        assert told.kind == LIMITED[pair.client]


@_each("cut", _carried)
def test_a_stream_that_is_cut_never_looks_whole(pair: Pair, cell: Cell) -> None:
    """It ends in an error of the client's own form, which its SDK knows as one."""
    assert pair.speaker.broken(Asked(f"{pair.backend}-cut")) == "stream_truncated"


@_each("refusal", _named)
def test_what_the_pair_cannot_carry_is_refused_by_name(pair: Pair, cell: Cell) -> None:
    """Where both speak the same there is no such thing: what nobody knows rides along."""
    if isinstance(cell, Refused):
        fields, param = pairs.REFUSALS[pair.client, pair.backend]
        return pair.refuses(Asked(pair.backend, more=fields), param)
    asked = Asked(pair.backend, more={"brand_new": {"a": 1}})
    assert pair.speaker.whole(asked).text == TEXT
    assert json.loads(pair.last.body)["brand_new"] == {"a": 1}
    return None
