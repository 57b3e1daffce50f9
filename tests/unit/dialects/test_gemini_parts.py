"""Content as Gemini's parts."""

import pytest

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.gemini_parts import images, parts
from gateway.errors import Code, GatewayError


def _parts(*content: Document) -> list[Document]:
    return list(parts(list(content), "messages.0.content", Losses()))


def test_text_is_text() -> None:
    assert list(parts("hi", "", Losses())) == [{"text": "hi"}]
    assert _parts({"type": "refusal", "refusal": "no"}) == [{"text": "no"}]
    assert not list(parts("", "", Losses()))
    assert not list(parts(None, "", Losses()))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://a.b/x.PNG?w=1", {"mimeType": "image/png"}),
        ("gs://bucket/x.webp", {"mimeType": "image/webp"}),
        ("https://a.b/x", {}),
        ("https://a.b/x.xyz", {}),
    ],
)
def test_a_url_is_passed_on_with_the_type_that_it_shows(url: str, kind: Document) -> None:
    written = _parts({"type": "image_url", "image_url": {"url": url}})
    assert written == [{"fileData": {**kind, "fileUri": url}}]


def test_data_keep_their_type() -> None:
    url = "data:image/png;charset=x;base64,AA=="
    written = _parts({"type": "image_url", "image_url": {"url": url}})
    assert written == [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]


def test_a_file_of_googles_goes_by_its_name() -> None:
    uri = "https://generativelanguage.googleapis.com/v1beta/files/abc"
    assert _parts({"type": "file", "file": {"file_id": uri}}) == [{"fileData": {"fileUri": uri}}]


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "file", "file": {"file_id": "file-1"}}, "file.file_id"),
        ({"type": "image_url", "image_url": {"url": "data:text/plain,hi"}}, "image_url.url"),
        ({"type": "hologram"}, "type"),
    ],
)
def test_what_gemini_has_no_part_for_is_refused_by_name(part: Document, param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        _parts(part)
    assert refused.value.code is Code.UNTRANSLATABLE
    assert refused.value.param == f"messages.0.content.0.{param}"
    losses = Losses(drop=True)
    assert not list(parts([part], "messages.0.content", losses))
    assert losses.dropped == [f"messages.0.content.0.{param}"]


def test_images_say_how_closely_they_are_to_be_seen() -> None:
    content = [
        {"type": "image_url", "image_url": {"url": "u", "detail": "low"}},
        {"type": "text", "text": "t"},
        {"type": "image_url", "image_url": {"url": "u"}},
    ]
    seen = list(images([{"role": "user", "content": "x"}, {"role": "user", "content": content}]))
    assert seen == [
        ("low", "messages.1.content.0.image_url.detail"),
        ("auto", "messages.1.content.2.image_url.detail"),
    ]
