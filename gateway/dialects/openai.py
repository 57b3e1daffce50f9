"""What OpenAI's chat, completions and embeddings share: heads, answers, errors.

Source: platform.openai.com/docs/api-reference (chat, completions, embeddings, errors), 2026-11.
Requests and answers are checked, never rebuilt: unknown fields ride along as they came.
"""

from typing import Annotated, Final

import msgspec

from gateway.chat.operation import Operation
from gateway.chat.usage import Usage
from gateway.chat.usage import read as read_usage
from gateway.dialects import heads
from gateway.dialects.base import MAX_SAID, BadAnswer, Said
from gateway.errors import Code, GatewayError
from gateway.wire import json

# ---- requests: the fields that decide something here, or whose wrong type an upstream would refuse

_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Count = Annotated[int, msgspec.Meta(ge=0)]  # 0: a completion that only echoes
_Stop = str | list[str] | None


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Head(msgspec.Struct):
    """The typed part of a request; every operation's head has these."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: _Positive | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: _Stop = None

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage is True

    @property
    def choices(self) -> int:
        """How many choices the answer is to have."""
        return self.n or 1

    @property
    def max_output(self) -> int | None:
        """Tokens for each choice at most; the newer name counts where both stand."""
        newer = self.max_completion_tokens
        return self.max_tokens if newer is None else newer


class _Message(msgspec.Struct):
    role: Annotated[str, msgspec.Meta(min_length=1)]


class _ChatHead(Head, kw_only=True):
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    tools: list[dict[str, msgspec.Raw]] | None = None


class _CompletionHead(Head, kw_only=True):
    prompt: str | list[str | int | list[int]] | None = None

    @property
    def choices(self) -> int:
        """n for each prompt; a list of numbers is one prompt, in tokens."""
        prompts = self.prompt
        if isinstance(prompts, list) and prompts and not isinstance(prompts[0], int):
            return (self.n or 1) * len(prompts)
        return self.n or 1


class _EmbeddingsHead(Head, kw_only=True):
    input: str | list[str | int | list[int]]


_HEADS: Final[
    dict[Operation, msgspec.json.Decoder[_ChatHead | _CompletionHead | _EmbeddingsHead]]
] = {
    Operation.CHAT: msgspec.json.Decoder(_ChatHead),
    Operation.COMPLETION: msgspec.json.Decoder(_CompletionHead),
    Operation.EMBEDDINGS: msgspec.json.Decoder(_EmbeddingsHead),
}
_READ: Final = frozenset(
    name
    for head in (_ChatHead, _CompletionHead, _EmbeddingsHead)
    for name in head.__struct_fields__
)


def read_fields(body: bytes) -> json.Fields:
    """The shallow document. Raises GatewayError."""
    return heads.fields(body, _READ)


def read_request(operation: Operation, body: bytes) -> tuple[Head, json.Fields]:
    """The head and the shallow document. Raises GatewayError, naming the field at fault."""
    fields = heads.fields(body, _READ)
    try:
        head = _HEADS[operation].decode(body)
    except msgspec.ValidationError as error:
        raise heads.misfit(error) from None
    if head.stream and operation is Operation.EMBEDDINGS:
        raise GatewayError(Code.INVALID_VALUE, "stream: embeddings come whole", param="stream")
    return head, fields


# ---- answers


class _Anything(msgspec.Struct, gc=False):
    """An object whose syntax alone is checked."""


_NOTHING: Final = msgspec.Raw(b"")


class _Answer(msgspec.Struct, gc=False):
    usage: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING
    choices: list[_Anything] | None = None
    data: list[_Anything] | None = None


_answer: Final = msgspec.json.Decoder(_Answer).decode


def read_answer(operation: Operation, body: bytes) -> Usage | None:
    """Checks a whole answer; its usage, where it says one. Raises BadAnswer."""
    try:
        answer = _answer(body)
        if not body.isascii():
            body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer("the answer is not JSON of the expected form") from None
    if len(body) >= json.MONSTER and json.has_monster(body):
        raise BadAnswer("the answer has a number with too many digits")
    if answer.error is not _NOTHING and present(answer.error):
        raise BadAnswer("the answer is an error")
    if (answer.data if operation is Operation.EMBEDDINGS else answer.choices) is None:
        raise BadAnswer("the answer has no content")
    return read_usage(answer.usage)


def present(raw: msgspec.Raw) -> bool:
    return bytes(raw) not in (b"", b"null")


# ---- errors


class _WireError(msgspec.Struct):
    message: msgspec.Raw = msgspec.Raw(b"")
    type: msgspec.Raw = msgspec.Raw(b"")
    code: msgspec.Raw = msgspec.Raw(b"")
    param: msgspec.Raw = msgspec.Raw(b"")


_error_body: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_error: Final = msgspec.json.Decoder(_WireError).decode
_text: Final = msgspec.json.Decoder(str).decode


def read_error(body: bytes) -> Said:
    """What an error body says; empty where it is not of OpenAI's form.

    Mistral and older vLLM leave the outer object away: {"object":"error","message":...}.
    """
    try:
        outer = _error_body(body)
        flat = bytes(outer.get("object", _NOTHING)) == b'"error"'
        error = _error(body if flat else outer["error"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return Said()
    return Said(
        _string(error.message),
        _string(error.type),
        _string(error.code),
        _string(error.param) or None,
    )


def _string(raw: msgspec.Raw) -> str:
    try:
        return _text(raw)[:MAX_SAID]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def error_body(error: GatewayError) -> bytes:
    return json.write(
        {
            "error": {
                "message": error.message,
                "type": error.type,
                "param": error.param,
                "code": error.code.value,
            }
        }
    )
