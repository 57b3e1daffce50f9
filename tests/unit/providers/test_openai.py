"""OpenAI's door: the one that the others are measured by."""

from gateway.chat.operation import Operation
from gateway.providers.openai import PROVIDER


def test_it_stands_where_openai_says() -> None:
    assert PROVIDER.base_url == "https://api.openai.com/v1"
    assert PROVIDER.doors[Operation.CHAT].path == "/chat/completions"
    assert PROVIDER.authorize("sk-a") == [(b"authorization", b"Bearer sk-a")]
