"""What may be remembered, under which key, and what a client may say about it."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params

from gateway.chat.document import Document
from gateway.chat.operation import Operation
from gateway.policy.caching import (
    CLASSIFIED,
    Rule,
    Wish,
    is_entry,
    key,
    of_place,
    owner_of,
    place,
    places,
    reason,
    wish,
)

ON = Rule(enabled=True, seeded=False, shared="")
ASKED: Document = {
    "model": "m",
    "messages": [{"role": "user", "content": "hi"}],
    "temperature": 0,
}


def why(rule: Rule = ON, /, **more: object) -> str:
    return reason(Operation.CHAT, {**ASKED, **more}, rule)


def test_an_answer_at_temperature_zero_may_be_remembered() -> None:
    assert why() == ""
    assert why(temperature=0.0, n=1, store=False, web_search_options=None) == ""


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"temperature": 0.1}, "not_deterministic"),
        ({"temperature": None}, "not_deterministic"),
        ({"temperature": False}, "not_deterministic"),
        ({"temperature": 1, "seed": 7}, "not_deterministic"),
        ({"n": 2}, "several_choices"),
        ({"best_of": 3}, "several_choices"),
        ({"store": True}, "living"),
        ({"web_search_options": {}}, "living"),
        ({"brand_new": 1}, "unknown_field"),
    ],
)
def test_what_may_not_be_remembered_has_a_reason(more: dict[str, object], told: str) -> None:
    assert why(**more) == told


def test_a_seed_counts_where_the_route_says_so() -> None:
    seeded = Rule(enabled=True, seeded=True, shared="")
    assert why(seeded, temperature=1, seed=7) == ""
    assert why(seeded, temperature=1) == "not_deterministic"


def test_embeddings_are_always_the_same() -> None:
    assert reason(Operation.EMBEDDINGS, {"model": "m", "input": "x"}, ON) == ""


def test_a_field_that_the_config_forces_is_the_config_s_to_know() -> None:
    asked = {**ASKED, "brand_new": 1}
    assert reason(Operation.CHAT, asked, ON, ["brand_new"]) == ""
    assert reason(Operation.CHAT, {**asked, "other": 1}, ON, ["brand_new"]) == "unknown_field"
    assert reason(Operation.CHAT, {**asked, "store": True}, ON, ["brand_new", "store"]) == "living"


def test_off_is_off() -> None:
    assert why(Rule(enabled=False, seeded=True, shared="")) == "off"


@pytest.mark.parametrize(
    "params",
    [
        chat_create_params.CompletionCreateParamsBase,
        completion_create_params.CompletionCreateParamsBase,
        embedding_create_params.EmbeddingCreateParams,
    ],
)
def test_every_field_of_the_vendor_s_sdk_is_classified(params: type) -> None:
    """Fails when an SDK learns a new field: classify it, then this test is content again."""
    assert params.__annotations__.keys() - CLASSIFIED == set()


# ---- the key


def of(asked: Document, *parts: str) -> bytes:
    scope, route, target, policy = (*parts, "a", "b", "c", "d")[:4]
    return key(scope, route, target, policy, "chat", asked)


def test_spelling_does_not_matter_and_how_it_is_sent_neither() -> None:
    same = {
        "temperature": 0.0,
        "messages": [{"content": "hi", "role": "user"}],
        "model": "m",
        "stream": True,
        "user": "u",
        "metadata": {"a": "b"},
        "seed": None,
    }
    assert of(same) == of(ASKED)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(sorted(CLASSIFIED - {"stream", "user", "metadata", "stream_options"}))


@given(NAMES, VALUES, VALUES)
def test_another_value_is_another_key(name: str, one: object, other: object) -> None:
    first, second = of({**ASKED, name: one}), of({**ASKED, name: other})
    silent = of({**ASKED, name: "x"}) == of({**ASKED, name: "y"})
    alike = repr(one) == repr(other) or silent
    assert (first == second) or not alike
    if not silent and type(one) is type(other) and one != other:
        assert first != second


@given(st.lists(st.text(max_size=3), min_size=4, max_size=4), st.data())
def test_no_two_lists_of_parts_are_alike(parts: list[str], data: st.DataObject) -> None:
    others = data.draw(st.lists(st.text(max_size=3), min_size=4, max_size=4))
    assert (of(ASKED, *parts) == of(ASKED, *others)) == (parts == others)


def test_parts_cannot_lean_into_one_another() -> None:
    assert of(ASKED, "ab", "c") != of(ASKED, "a", "bc")


def test_a_huge_number_is_as_good_as_any() -> None:
    assert of({**ASKED, "seed": 1e308}) != of({**ASKED, "seed": 1e307})


# ---- places


@given(st.text(max_size=9), st.text(max_size=9))
def test_a_place_is_found_by_its_parts_and_by_no_others(tenant: str, model: str) -> None:
    entry = "0a" * 32
    at = place(f"tenant {tenant}", model, entry)
    assert of_place(at.encode()) == entry
    assert owner_of(at.encode()) == f"tenant {tenant}".encode()
    assert is_entry(entry)
    assert at == places(tenant, model, entry)
    assert at.count("/") == 3
    assert "*" not in at
    assert fnmatchcase(at, places(None, model, None))
    assert not fnmatchcase(at, places(tenant + "x", None, None))


# ---- cache-control


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        (None, Wish()),
        (b"", Wish()),
        (b"no-cache", Wish(look=False)),
        (b"No-Store", Wish(look=False, keep=False)),
        (b"max-age=60, whatever", Wish(max_age_s=60.0)),
        (b"max-age=junk", Wish()),
        (b"max-age=0,no-cache", Wish(look=False, max_age_s=0.0)),
    ],
)
def test_a_client_may_ask_for_a_fresh_answer(header: bytes | None, meant: Wish) -> None:
    assert wish(header) == meant
