"""Any server that speaks OpenAI's API: where it is, only the config knows."""

from gateway.chat.operation import Operation
from gateway.providers import openai
from gateway.providers.openai_compatible import PROVIDER


def test_its_address_must_be_said() -> None:
    assert PROVIDER.base_url is None


def test_else_it_is_openais_but_that_others_rerank() -> None:
    assert {*PROVIDER.paths} - {*openai.PROVIDER.paths} == {Operation.RERANK}
    assert PROVIDER.authorize("") == []
