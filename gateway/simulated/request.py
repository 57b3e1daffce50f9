"""Requests of five operations, read into the one Question that the model understands.

Pure. What the model has no use for (temperature, metadata, …) is accepted and not read. A body
that a vendor would refuse raises msgspec.ValidationError, which names the field.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec

from gateway.simulated.model import Prompt, Question, Tool, prompt

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Choices = Annotated[int, msgspec.Meta(ge=1, le=128)]
_Dimensions = Annotated[int, msgspec.Meta(ge=1, le=8192)]

DIMENSIONS: Final = 256  # of a vector where nobody says; few, so that a demo's answer can be read


class _Part(msgspec.Struct):
    type: str = "text"
    text: str | None = None
    content: "str | list[_Part] | None" = None  # of a tool's result


class _Message(msgspec.Struct):
    """A message of chat or Messages, or an item of Responses."""

    role: str = ""
    content: str | list[_Part] | None = None
    output: str | list[_Part] | None = None  # function_call_output


class _Function(msgspec.Struct):
    name: str
    parameters: object = None


class _Tool(msgspec.Struct):
    """Chat nests the function, Responses and Messages do not; built-in tools have no name."""

    function: _Function | None = None
    name: str = ""
    parameters: object = None
    input_schema: object = None

    def read(self) -> Tool:
        if self.function is not None:
            return Tool(self.function.name, self.function.parameters)
        return Tool(self.name, self.parameters or self.input_schema)


class _Choice(msgspec.Struct):
    type: str
    name: str = ""
    function: _Function | None = None
    mode: str = ""  # allowed_tools in Responses


class _Schema(msgspec.Struct):
    schema: object = None


class _Format(msgspec.Struct):
    """Chat nests the schema, Responses does not."""

    type: str = "text"
    json_schema: _Schema | None = None
    schema: object = None

    def read(self) -> object:
        """The schema that a text must fit; None for prose."""
        match self.type:
            case "json_object":
                return {"type": "object", "properties": {"simulated": {"const": True}}}
            case "json_schema":
                nested = None if self.json_schema is None else self.json_schema.schema
                return nested or self.schema
            case _:
                return None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Chat(msgspec.Struct):
    messages: list[_Message]
    model: str = "simulated"
    seed: int | None = None
    n: _Choices | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Choice | None = None
    response_format: _Format | None = None


class _Completion(msgspec.Struct):
    prompt: str | list[str | int | list[int]] | None = None
    model: str = "simulated"
    seed: int | None = None
    n: _Choices | None = None
    max_tokens: _Count | None = None
    stop: str | list[str] | None = None
    echo: bool | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


class _Responses(msgspec.Struct):
    input: str | list[_Message]
    instructions: str | None = None
    model: str = "simulated"
    max_output_tokens: _Count | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Choice | None = None
    text: _Text | None = None
    previous_response_id: None = None  # it keeps none: who goes on from one is told
    conversation: None = None


class _Messages(msgspec.Struct):
    messages: list[_Message]
    max_tokens: _Count
    system: str | list[_Part] | None = None
    model: str = "simulated"
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None


class Embeddings(msgspec.Struct):
    input: str | list[str | int | list[int]]
    model: str = "simulated"
    dimensions: _Dimensions | None = None
    encoding_format: str | None = None

    def prompts(self) -> tuple[Prompt, ...]:
        return _prompts(self.input)


_CHAT: Final = msgspec.json.Decoder(_Chat)
_COMPLETION: Final = msgspec.json.Decoder(_Completion)
_RESPONSES: Final = msgspec.json.Decoder(_Responses)
_MESSAGES: Final = msgspec.json.Decoder(_Messages)
_EMBEDDINGS: Final = msgspec.json.Decoder(Embeddings)


def chat(body: bytes) -> Question:
    asked = _CHAT.decode(body)
    return Question(
        model=asked.model,
        prompts=(_conversation(asked.messages),),
        seed=asked.seed,
        choices=asked.n or 1,
        max_tokens=asked.max_completion_tokens or asked.max_tokens,
        stop=_stops(asked.stop),
        tool=_called(asked.tools, asked.tool_choice),
        schema=asked.response_format and asked.response_format.read(),
        stream=asked.stream is True,
        stream_usage=_usage(asked.stream_options),
    )


def completion(body: bytes) -> Question:
    asked = _COMPLETION.decode(body)
    return Question(
        model=asked.model,
        prompts=_prompts("" if asked.prompt is None else asked.prompt),
        seed=asked.seed,
        choices=asked.n or 1,
        max_tokens=asked.max_tokens,
        stop=_stops(asked.stop),
        echo=asked.echo is True,
        stream=asked.stream is True,
        stream_usage=_usage(asked.stream_options),
    )


def responses(body: bytes) -> Question:
    asked = _RESPONSES.decode(body)
    items = asked.input
    spoken = [_Message("user", items)] if isinstance(items, str) else items
    form = asked.text and asked.text.format
    return Question(
        model=asked.model,
        prompts=(_conversation(spoken, asked.instructions),),
        max_tokens=asked.max_output_tokens,
        tool=_called(asked.tools, asked.tool_choice),
        schema=form and form.read(),
        stream=asked.stream is True,
    )


def messages(body: bytes) -> Question:
    asked = _MESSAGES.decode(body)
    return Question(
        model=asked.model,
        prompts=(_conversation(asked.messages, asked.system),),
        max_tokens=asked.max_tokens,
        stop=_stops(asked.stop_sequences),
        tool=_called(asked.tools, asked.tool_choice),
        stream=asked.stream is True,
    )


def embeddings(body: bytes) -> Embeddings:
    return _EMBEDDINGS.decode(body)


# ---- what the languages share


def _conversation(spoken: Iterable[_Message], system: str | list[_Part] | None = None) -> Prompt:
    """Who said what, a line each; the same whichever wire language it came in."""
    lines = [f"system: {_text(system)}"] if system else []
    lines += [f"{said.role}: {_text(said.content)}{_text(said.output)}" for said in spoken]
    return prompt("\n".join(lines))


def _text(content: str | Sequence[_Part] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(
        f"[{part.type}]" if part.text is None and part.content is None else _said(part)
        for part in content
    )


def _said(part: _Part) -> str:
    return _text(part.content) if part.text is None else part.text


def _prompts(given: str | list[str | int | list[int]]) -> tuple[Prompt, ...]:
    """One text, a list of texts, one list of tokens, or a list of such lists."""
    if isinstance(given, str):
        return (prompt(given),)
    numbers = [each for each in given if isinstance(each, int)]
    if numbers:
        return (_tokens(numbers),)
    return tuple(
        prompt(each) if isinstance(each, str) else _tokens(each)
        for each in given
        if not isinstance(each, int)
    )


def _tokens(numbers: list[int]) -> Prompt:
    return Prompt(" ".join(map(str, numbers)), len(numbers))


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _usage(options: _StreamOptions | None) -> bool:
    return options is not None and options.include_usage is True


def _called(tools: list[_Tool] | None, choice: str | _Choice | None) -> Tool | None:
    """The tool that the caller insists on; none where the choice is the model's."""
    offered = {tool.name: tool for tool in map(_Tool.read, tools or ())}
    if not offered or choice is None:
        return None
    if isinstance(choice, str):
        return next(iter(offered.values())) if choice == "required" else None
    named = choice.function.name if choice.function is not None else choice.name
    if choice.type == "any" or choice.mode == "required":
        return next(iter(offered.values()))
    return offered.get(named)
