"""The real clients, each in its own words: a question asked, the answer read into one form.

Whole answers and every event are held against the client's own types, strictly.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

import anthropic
import openai
import pydantic
import pytest
from google import genai
from google.genai import errors as google_errors
from openai.types import responses

from tests.harness import KEY, Gateway
from tests.vendors.languages import SUNNY

QUESTION: Final = "How is it in Bern?"
PIXEL: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(240, 256))).decode()
SCHEMA: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
RULE: Final = "Answer in Bernese German."
Doc = dict[str, Any]
Model = TypeVar("Model", bound=pydantic.BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    name: str
    arguments: Doc


@dataclass(slots=True)
class Heard:
    """An answer. end: why, in the client's own word."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    end: str = ""
    tokens: tuple[int, int] = (0, 0)
    ids: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    created: set[float] = field(default_factory=set)
    turn: Any = None  # what is sent back as the assistant's


@dataclass(frozen=True, slots=True)
class Told:
    """An error, as the client has it."""

    status: int
    code: str
    param: str | None
    kind: str  # the client's own word


@dataclass(frozen=True, slots=True)
class Asked:
    model: str
    tools: bool = False
    image: bool = False
    system: bool = False  # RULE is said first
    schema: bool = False  # the answer is to be of SCHEMA
    forced: bool = False  # with tools: the weather, no other
    answered: Heard | None = None  # whose call has had its result
    more: Mapping[str, object] = field(default_factory=dict)


class Speaker(Protocol):
    ends: tuple[str, str]  # its words for: all is said, a tool is called

    def whole(self, asked: Asked) -> Heard: ...
    def streamed(self, asked: Asked) -> Heard: ...
    def refused(self, ask: Callable[[Asked], Heard], asked: Asked) -> Told:
        """Fails if it is not."""

    def broken(self, asked: Asked) -> str:
        """The code that a stream ends with. Fails if it ends well."""


def strictly(value: Model) -> Model:
    """The same, if it is what its type says."""
    said = json.dumps(value.to_dict() if hasattr(value, "to_dict") else value.model_dump())
    type(value).model_validate_json(said, strict=True)
    return value


# ---- OpenAI's


class _OpenAI:
    def __init__(self, gateway: Gateway) -> None:
        self.client = openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0)

    def refused(self, ask: Callable[[Asked], Heard], asked: Asked) -> Told:
        with pytest.raises(openai.APIStatusError) as raised:
            ask(asked)
        error = raised.value
        assert isinstance(error.body, dict)
        assert error.body.keys() == {"message", "type", "param", "code"}
        return Told(error.status_code, str(error.code), error.param, str(error.type))

    def broken(self, asked: Asked) -> str:
        with pytest.raises(openai.APIError) as raised:
            self.streamed(asked)
        return str(raised.value.code)

    def streamed(self, asked: Asked) -> Heard:
        raise NotImplementedError


class Chat(_OpenAI):
    ends = ("stop", "tool_calls")

    def _fields(self, asked: Asked) -> Doc:
        content: object = QUESTION
        if asked.image:
            url = {"url": f"data:image/png;base64,{PIXEL}"}
            content = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": url}]
        messages: list[Any] = [{"role": "user", "content": content}]
        if asked.system:
            messages.insert(0, {"role": "system", "content": RULE})
        if asked.answered is not None:
            (call,) = asked.answered.calls
            result = {"role": "tool", "tool_call_id": call.id, "content": SUNNY}
            messages += [asked.answered.turn, result]
        fields: Doc = {"model": asked.model, "messages": messages, "extra_body": dict(asked.more)}
        if asked.tools:
            function = {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}
            fields["tools"] = [{"type": "function", "function": function}]
        if asked.forced:
            fields["tool_choice"] = {"type": "function", "function": {"name": "weather"}}
        if asked.schema:
            schema = {"name": "report", "schema": SCHEMA}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        return fields

    def whole(self, asked: Asked) -> Heard:
        answer = strictly(self.client.chat.completions.create(**self._fields(asked)))
        choice = answer.choices[0]
        heard = Heard(choice.message.content or "", end=choice.finish_reason)
        heard.turn = choice.message.to_dict()
        for call in choice.message.tool_calls or ():
            assert call.type == "function"
            given = json.loads(call.function.arguments)
            heard.calls.append(Call(call.id, call.function.name, given))
        assert answer.usage is not None
        heard.tokens = answer.usage.prompt_tokens, answer.usage.completion_tokens
        heard.ids, heard.models, heard.created = {answer.id}, {answer.model}, {answer.created}
        return heard

    def streamed(self, asked: Asked) -> Heard:
        fields = self._fields(asked) | {"stream_options": {"include_usage": True}}
        heard = Heard(turn={"role": "assistant", "content": ""})
        calls: dict[int, Doc] = {}
        for chunk in self.client.chat.completions.create(stream=True, **fields):
            strictly(chunk)
            heard.ids.add(chunk.id)
            heard.models.add(chunk.model)
            heard.created.add(chunk.created)
            if chunk.usage is not None:
                heard.tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
            for choice in chunk.choices:
                heard.text += choice.delta.content or ""
                heard.end = choice.finish_reason or heard.end
                for part in choice.delta.tool_calls or ():
                    assert part.function is not None
                    call = calls.setdefault(part.index, {"id": part.id, "name": "", "given": ""})
                    call["name"] += part.function.name or ""
                    call["given"] += part.function.arguments or ""
        heard.calls = [
            Call(one["id"], one["name"], json.loads(one["given"])) for one in calls.values()
        ]
        heard.turn = {"role": "assistant", "content": heard.text or None}
        if calls:
            heard.turn["tool_calls"] = [
                {
                    "id": one["id"],
                    "type": "function",
                    "function": {"name": one["name"], "arguments": one["given"]},
                }
                for one in calls.values()
            ]
        return heard


class Completion(_OpenAI):
    ends = ("stop", "")

    def _fields(self, asked: Asked) -> Doc:
        return {"model": asked.model, "prompt": QUESTION, "extra_body": dict(asked.more)}

    def whole(self, asked: Asked) -> Heard:
        answer = strictly(self.client.completions.create(**self._fields(asked)))
        heard = Heard(answer.choices[0].text, end=answer.choices[0].finish_reason)
        assert answer.usage is not None
        heard.tokens = answer.usage.prompt_tokens, answer.usage.completion_tokens
        heard.ids, heard.models, heard.created = {answer.id}, {answer.model}, {answer.created}
        return heard

    def streamed(self, asked: Asked) -> Heard:
        heard = Heard()
        fields = self._fields(asked) | {"stream_options": {"include_usage": True}}
        for chunk in self.client.completions.create(stream=True, **fields):
            heard.ids.add(chunk.id)
            heard.models.add(chunk.model)
            heard.created.add(chunk.created)
            if chunk.usage is not None:
                heard.tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
            for choice in chunk.choices:
                heard.text += choice.text
                heard.end = choice.finish_reason
        return heard


class Responses(_OpenAI):
    ends = ("completed", "completed")

    def _fields(self, asked: Asked) -> Doc:
        content: list[Doc] = [{"type": "input_text", "text": QUESTION}]
        if asked.image:
            url = f"data:image/png;base64,{PIXEL}"
            content.append({"type": "input_image", "image_url": url, "detail": "auto"})
        items: list[Any] = [{"role": "user", "content": content}]
        if asked.answered is not None:
            (call,) = asked.answered.calls
            result = {"type": "function_call_output", "call_id": call.id, "output": SUNNY}
            items += [*asked.answered.turn, result]
        fields: Doc = {"model": asked.model, "input": items, "store": False}
        fields["extra_body"] = dict(asked.more)
        if asked.tools:
            function = {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}
            fields["tools"] = [{"type": "function", "strict": False, **function}]
        if asked.system:
            fields["instructions"] = RULE
        if asked.forced:
            fields["tool_choice"] = {"type": "function", "name": "weather"}
        if asked.schema:
            schema = {"type": "json_schema", "name": "report", "schema": SCHEMA}
            fields["text"] = {"format": schema}
        return fields

    def whole(self, asked: Asked) -> Heard:
        return self._heard(self.client.responses.create(**self._fields(asked)))

    def streamed(self, asked: Asked) -> Heard:
        said, pieces = None, ""
        for number, event in enumerate(
            self.client.responses.create(stream=True, **self._fields(asked))
        ):
            assert event.sequence_number == number
            strictly(event)
            if isinstance(event, responses.ResponseTextDeltaEvent):
                pieces += event.delta
            elif isinstance(event, responses.ResponseCompletedEvent):
                said = event.response
        assert said is not None
        heard = self._heard(said)
        assert heard.text == pieces
        return heard

    def broken(self, asked: Asked) -> str:
        events = list(self.client.responses.create(stream=True, **self._fields(asked)))
        assert not any(isinstance(one, responses.ResponseCompletedEvent) for one in events)
        # Where the stream passes through, nobody knows the response that has failed.
        told = events[:-1] if isinstance(events[-1], responses.ResponseFailedEvent) else events
        error = told[-1]
        assert isinstance(error, responses.ResponseErrorEvent)
        return str(error.code)

    def _heard(self, answer: responses.Response) -> Heard:
        strictly(answer)
        heard = Heard(answer.output_text, end=str(answer.status))
        heard.turn = [item.to_dict() for item in answer.output]
        for item in answer.output:
            if isinstance(item, responses.ResponseFunctionToolCall):
                heard.calls.append(Call(item.call_id, item.name, json.loads(item.arguments)))
        assert answer.usage is not None
        heard.tokens = answer.usage.input_tokens, answer.usage.output_tokens
        heard.ids, heard.models, heard.created = {answer.id}, {answer.model}, {answer.created_at}
        return heard


# ---- Anthropic's


class Anthropic:
    ends = ("end_turn", "tool_use")

    def __init__(self, gateway: Gateway) -> None:
        self.client = anthropic.Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0)

    def _fields(self, asked: Asked) -> Doc:
        content: list[Doc] = [{"type": "text", "text": QUESTION}]
        if asked.image:
            source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            content.append({"type": "image", "source": source})
        messages: list[Any] = [{"role": "user", "content": content}]
        if asked.answered is not None:
            (call,) = asked.answered.calls
            result = {"type": "tool_result", "tool_use_id": call.id, "content": SUNNY}
            messages.append({"role": "assistant", "content": asked.answered.turn})
            messages.append({"role": "user", "content": [result]})
        fields: Doc = {"model": asked.model, "messages": messages, "max_tokens": 100}
        fields["extra_body"] = dict(asked.more)
        if asked.tools:
            tool = {"name": "weather", "description": "Of a city.", "input_schema": SCHEMA}
            fields["tools"] = [tool]
        if asked.system:
            fields["system"] = RULE
        if asked.forced:
            fields["tool_choice"] = {"type": "tool", "name": "weather"}
        if asked.schema:
            fields["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        return fields

    def whole(self, asked: Asked) -> Heard:
        answer: anthropic.types.Message = self.client.messages.create(**self._fields(asked))
        return self._heard(answer)

    def streamed(self, asked: Asked) -> Heard:
        with self.client.messages.stream(**self._fields(asked)) as stream:
            pieces = "".join(stream.text_stream)
            heard = self._heard(stream.get_final_message())
        assert heard.text == pieces
        return heard

    def _heard(self, answer: Any) -> Heard:
        said = json.dumps(answer.to_dict(exclude_unset=True))
        anthropic.types.Message.model_validate_json(said, strict=True)
        heard = Heard(end=str(answer.stop_reason), turn=answer.content)
        for block in answer.content:
            if block.type == "text":
                heard.text += block.text
            elif block.type == "tool_use":
                heard.calls.append(Call(block.id, block.name, block.input))
        heard.tokens = answer.usage.input_tokens, answer.usage.output_tokens
        heard.ids, heard.models = {answer.id}, {answer.model}
        return heard

    def refused(self, ask: Callable[[Asked], Heard], asked: Asked) -> Told:
        with pytest.raises(anthropic.APIStatusError) as raised:
            ask(asked)
        status, body = raised.value.status_code, raised.value.body
        assert isinstance(body, dict)
        assert body["type"] == "error"
        said = body["error"]
        return Told(
            status, said["details"]["error_code"], said["details"].get("param"), said["type"]
        )

    def broken(self, asked: Asked) -> str:
        with pytest.raises(anthropic.APIStatusError) as raised:
            self.streamed(asked)
        body = raised.value.body
        assert isinstance(body, dict)
        return str(body["error"]["details"]["error_code"])


# ---- Google's


class Gemini:
    ends = ("STOP", "STOP")

    def __init__(self, gateway: Gateway) -> None:
        options = genai.types.HttpOptions(base_url=gateway.url)
        self.client = genai.Client(api_key=KEY, http_options=options)

    def _fields(self, asked: Asked) -> Doc:
        types = genai.types
        parts: list[Any] = [types.Part.from_text(text=QUESTION)]
        if asked.image:
            blob = types.Blob(data=base64.b64decode(PIXEL), mime_type="image/png")
            parts.append(types.Part(inline_data=blob))
        contents: list[Any] = [types.Content(role="user", parts=parts)]
        if asked.answered is not None:
            (call,) = asked.answered.calls
            result = types.FunctionResponse(id=call.id, name=call.name, response={"output": SUNNY})
            contents.append(asked.answered.turn)
            back = [types.Part(function_response=result)]
            contents.append(types.Content(role="user", parts=back))
        config: Doc = {"http_options": {"extra_body": dict(asked.more)}}
        if asked.tools:
            function = {"name": "weather", "description": "Of a city."}
            function_tool = {**function, "parameters_json_schema": SCHEMA}
            config["tools"] = [{"function_declarations": [function_tool]}]
            config["automatic_function_calling"] = {"disable": True}
        if asked.system:
            config["system_instruction"] = RULE
        if asked.forced:
            calling = {"mode": "ANY", "allowed_function_names": ["weather"]}
            config["tool_config"] = {"function_calling_config": calling}
        if asked.schema:
            config["response_mime_type"] = "application/json"
            config["response_json_schema"] = SCHEMA
        return {"model": asked.model, "contents": contents, "config": config}

    def whole(self, asked: Asked) -> Heard:
        return self._heard([self.client.models.generate_content(**self._fields(asked))])

    def streamed(self, asked: Asked) -> Heard:
        return self._heard(self.client.models.generate_content_stream(**self._fields(asked)))

    def _heard(self, events: Iterable[genai.types.GenerateContentResponse]) -> Heard:
        heard, parts = Heard(), []
        for event in events:
            assert event.candidates
            candidate = event.candidates[0]
            heard.end = candidate.finish_reason.value if candidate.finish_reason else heard.end
            for part in (candidate.content and candidate.content.parts) or ():
                parts.append(part)
                heard.text += part.text or ""
                call = part.function_call
                if call is not None:
                    heard.calls.append(Call(str(call.id), str(call.name), call.args or {}))
            used = event.usage_metadata
            if used is not None:
                heard.tokens = used.prompt_token_count or 0, used.candidates_token_count or 0
            heard.ids.add(str(event.response_id))
            heard.models.add(str(event.model_version))
        heard.turn = genai.types.Content(role="model", parts=parts)
        return heard

    def refused(self, ask: Callable[[Asked], Heard], asked: Asked) -> Told:
        with pytest.raises(google_errors.APIError) as raised:
            ask(asked)
        error = raised.value
        reason, *details = error.details["error"]["details"]
        fields = [one["fieldViolations"][0]["field"] for one in details if "fieldViolations" in one]
        param = fields[0] if fields else None
        return Told(error.code, reason["reason"], param, str(error.status))

    def broken(self, asked: Asked) -> str:
        with pytest.raises(google_errors.APIError) as raised:
            self.streamed(asked)
        return str(raised.value.details["error"]["details"][0]["reason"])


SPEAKERS: Final[Mapping[str, Callable[[Gateway], Speaker]]] = {
    "chat": Chat,
    "completion": Completion,
    "responses": Responses,
    "anthropic": Anthropic,
    "gemini": Gemini,
}
