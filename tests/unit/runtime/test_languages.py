"""Which door an operation is asked at, and when there is a translation."""

from typing import get_args

from gateway.chat.operation import Operation
from gateway.chat.templates import TEMPLATES
from gateway.config.schema import TemplateName
from gateway.dialects import openai_chat
from gateway.dialects.base import Losses
from gateway.providers.base import OPENAI_DOORS, Door
from gateway.runtime.languages import client_of, door_for, taught, translation

CHAT = Door(openai_chat.UPSTREAM, "/chat")


def test_an_operation_has_its_own_door_where_there_is_one() -> None:
    for operation, door in OPENAI_DOORS.items():
        assert door_for(operation, OPENAI_DOORS) is door
        assert translation(operation, door) is None


def test_a_conversation_may_be_had_through_another_door() -> None:
    assert door_for(Operation.COMPLETION, {Operation.CHAT: CHAT}) is CHAT
    assert translation(Operation.COMPLETION, CHAT) is not None


def test_a_text_model_s_template_is_the_config_s_word() -> None:
    doors = taught(OPENAI_DOORS, "llama3", ("\nHuman:",))
    chat = {"model": "x", "messages": [{"role": "user", "content": "Hi"}]}
    asked = doors[Operation.COMPLETION].dialect.write_request(chat, Losses())
    assert asked["prompt"].startswith("<|start_header_id|>user<|end_header_id|>")
    assert asked["stop"] == ["\nHuman:", "<|eot_id|>", "<|start_header_id|>"]
    assert taught(OPENAI_DOORS, None, ()) is OPENAI_DOORS
    assert taught({Operation.CHAT: CHAT}, "llama3", ()) == {Operation.CHAT: CHAT}
    again = taught(doors, "chatml", ())[Operation.COMPLETION].dialect
    assert again.write_request(chat, Losses())["stop"][0] == "\nHuman:"


def test_the_config_knows_every_template() -> None:
    assert set(get_args(TemplateName)) == set(TEMPLATES)


def test_embeddings_may_not() -> None:
    assert door_for(Operation.EMBEDDINGS, {Operation.CHAT: CHAT}) is None


def test_what_nobody_knows_is_told_as_openai_would() -> None:
    assert client_of(None) is openai_chat.CLIENT
    assert client_of(Operation.AUDIO) is openai_chat.CLIENT
