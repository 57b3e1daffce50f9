"""What the pieces of a message are read as."""

import pytest

from gateway.chat.parts import arguments, data_url, parts


def test_a_string_is_one_part_and_nothing_is_none() -> None:
    assert parts("hi") == [{"type": "text", "text": "hi"}]
    assert parts("") == parts(None) == parts(7) == []
    assert parts([{"type": "x"}]) == [{"type": "x"}]


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("data:image/PNG;base64,AAAA", ("image/png", "AAAA")),
        ("data:text/plain;charset=utf-8;base64,AA==", ("text/plain", "AA==")),
        ("data:image/svg+xml;base64,", ("image/svg+xml", "")),
        ("data:text/plain,hello", None),
        ("https://example.com/a.png", None),
        (None, None),
    ],
)
def test_a_data_url_has_a_type_and_base64(url: object, read: tuple[str, str] | None) -> None:
    assert data_url(url) == read


def test_arguments_are_an_object_or_nothing_we_know() -> None:
    assert arguments({"arguments": '{"a": 1}'}) == {"a": 1}
    assert arguments({"arguments": {"a": 1}}) == {"a": 1}
    assert arguments({"arguments": ""}) == arguments({}) == {}
    for bad in ("[1]", "{", 7, '{"a": "\ud800"}', '{"a":' * 9_999):
        assert arguments({"arguments": bad}) is None
