"""What rides along unread is looked at before Gemini's words are made of it."""

import pytest

from gateway.dialects.gemini_form import check
from gateway.errors import Code, GatewayError

USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("tools.0.function", {"tools": [{"type": "function"}]}),
        ("thinking.budget_tokens", {"thinking": {"type": "enabled"}}),
        ("response_format.json_schema", {"response_format": {"type": "json_schema"}}),
        (
            "messages.0.images.0.image_url",
            {"messages": [{"role": "assistant", "images": [{"type": "image_url"}]}]},
        ),
        (
            "messages.0.content.0.file",
            {"messages": [{"role": "user", "content": [{"type": "file"}]}]},
        ),
    ],
)
def test_what_is_missing_is_named(param: str, fields: dict[str, object]) -> None:
    with pytest.raises(GatewayError) as refused:
        check({"model": "m", "messages": [USER], **fields})
    assert (refused.value.code, refused.value.param) == (Code.MISSING_VALUE, param)


@pytest.mark.parametrize("name", ["extra_body", "web_search_options", "tool_choice", "model"])
def test_what_is_of_the_wrong_form_is_named(name: str) -> None:
    with pytest.raises(GatewayError) as refused:
        check({"model": "m", "messages": [USER], name: 5})
    assert (refused.value.code, refused.value.param) == (Code.INVALID_VALUE, name)


def test_a_proper_request_is_let_through() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    custom = {"type": "custom", "custom": {"name": "c"}}
    check({"messages": [USER], "tools": [tool, custom], "tool_choice": "auto", "thinking": None})
