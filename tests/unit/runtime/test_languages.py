"""Which door an operation is asked at, and when there is a translation."""

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat
from gateway.providers.base import OPENAI_DOORS, Door
from gateway.runtime.languages import client_of, door_for, translation

CHAT = Door(openai_chat.UPSTREAM, "/chat")


def test_an_operation_has_its_own_door_where_there_is_one() -> None:
    for operation, door in OPENAI_DOORS.items():
        assert door_for(operation, OPENAI_DOORS) is door
        assert translation(operation, door) is None


def test_a_conversation_may_be_had_through_another_door() -> None:
    assert door_for(Operation.COMPLETION, {Operation.CHAT: CHAT}) is CHAT
    assert translation(Operation.COMPLETION, CHAT) is not None


def test_embeddings_may_not() -> None:
    assert door_for(Operation.EMBEDDINGS, {Operation.CHAT: CHAT}) is None


def test_what_nobody_knows_is_told_as_openai_would() -> None:
    assert client_of(None) is openai_chat.CLIENT
    assert client_of(Operation.AUDIO) is openai_chat.CLIENT
