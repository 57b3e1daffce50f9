"""What makes a session: its id, a cache key, or how the conversation begins."""

import json

import msgspec

from gateway.policy.affinity import MOST, session

FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def of(header: bytes | None = None, **fields: object) -> bytes:
    return session(header, FIELDS.decode(json.dumps(fields).encode()))


def chat(*messages: tuple[str, object]) -> list[dict[str, object]]:
    return [{"role": role, "content": content} for role, content in messages]


def test_an_explicit_id_says_most() -> None:
    assert of(b"abc", prompt_cache_key="k") == of(b"abc", messages=chat(("user", "x")))
    assert of(b"abc") != of(b"abd")


def test_then_the_cache_key() -> None:
    first = of(prompt_cache_key="k", messages=chat(("user", "x")))
    assert first == of(prompt_cache_key="k", messages=chat(("user", "y")))
    assert first != of(prompt_cache_key="l", messages=chat(("user", "x")))
    assert of(prompt_cache_key="k") != of(b"k")


def test_later_turns_belong_to_their_beginning() -> None:
    opening = chat(("system", "be brief"), ("user", "hi"))
    later = [*opening, *chat(("assistant", "hello"), ("user", "and now?"))]
    assert of(messages=opening) == of(messages=later)
    assert of(messages=opening) != of(messages=chat(("system", "be brief"), ("user", "ho")))
    assert of(messages=opening) != of(messages=chat(("system", "be long"), ("user", "hi")))


def test_parts_are_an_opening_too() -> None:
    parts = chat(("user", [{"type": "text", "text": "hi"}]))
    assert of(messages=parts) == of(messages=parts)
    assert of(messages=parts) != b""


def test_a_prompt_s_beginning_tells() -> None:
    assert of(prompt="x" * 2000) == of(prompt="x" * 3000)
    assert of(prompt="x") != of(prompt="y")


def test_where_nothing_tells_there_is_no_session() -> None:
    assert of() == b""
    assert of(messages="junk") == b""
    assert of(prompt_cache_key=None) == b""
    assert of(b"") == b""
    assert of(prompt_cache_key="") == b""
    assert of(prompt_cache_key=7) == b""
    assert of(prompt=None) == b""
    assert of(messages=[]) == b""
    assert of(messages=[{"role": 1}]) == b""
    assert of(input="an embedding's") == b""


def test_an_empty_key_leaves_the_beginning_to_tell() -> None:
    messages = chat(("user", "x"))
    assert of(prompt_cache_key="", messages=messages) == of(messages=messages)
    assert of(prompt_cache_key=None, prompt=None, messages=messages) == of(messages=messages)


def test_a_greeting_does_not_make_everybody_one_session() -> None:
    greeting = ("assistant", "How may I help?")
    mine, yours = chat(greeting, ("user", "x")), chat(greeting, ("user", "y"))
    assert of(messages=mine) != of(messages=yours)
    assert of(messages=mine) == of(messages=[*mine, *chat(("assistant", "so"), ("user", "z"))])


def test_where_one_message_ends_and_the_next_begins_tells_too() -> None:
    assert of(messages=chat(("system", "a"), ("user", "b"))) != of(messages=chat(("user", 'a""b')))


def test_of_a_huge_message_the_beginning_is_looked_at() -> None:
    assert of(messages=chat(("user", "x" * MOST + "y"))) == of(messages=chat(("user", "x" * MOST)))


def test_a_key_that_is_no_text_we_can_hold_is_still_a_key() -> None:
    fields = {"prompt_cache_key": msgspec.Raw(rb'"\ud800"')}
    assert session(None, fields) == rb'key:"\ud800"'
