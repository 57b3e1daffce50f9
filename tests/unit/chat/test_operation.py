"""What a client may ask for."""

from gateway.chat.operation import UNDERSTOOD, Operation


def test_an_operation_is_its_word() -> None:
    assert [str(operation) for operation in (Operation.CHAT, Operation.RERANK)] == [
        "chat",
        "rerank",
    ]


def test_only_what_can_be_read_is_understood() -> None:
    assert {
        Operation.CHAT,
        Operation.COMPLETION,
        Operation.EMBEDDINGS,
        Operation.RESPONSES,
        Operation.MESSAGES,
        Operation.GENERATE,
    } == UNDERSTOOD
