"""Reading a document."""

from gateway.chat.document import text_of


def test_the_text_of_parts_is_joined_and_other_parts_fall_away() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    assert text_of(parts) == "ab"
    assert text_of("plain") == "plain"
    assert text_of(None) == ""
