"""Gemini's contents, as a client sends them, turned into messages.

Calls that have no id get one by their place; results without one belong to the first call of their
name that has none yet. Refused by name: what Google runs itself (code, searches) or alone can fetch
(`gs://`, its Files API), video, and parts that nobody knows.
Source: ai.google.dev/api/caching#Content, 2026-11.
"""

from collections.abc import Iterator
from typing import Final

from gateway.chat.document import Document
from gateway.dialects.base import Losses
from gateway.dialects.gemini_seals import opened, standard
from gateway.errors import Code, GatewayError
from gateway.wire import json

_ROLES: Final = ("user", "model", "function", "tool")
_HARMLESS: Final = ("thought", "thoughtSignature", "partMetadata")
_FORMATS: Final = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}
_GOOGLES: Final = ("gs://", "https://generativelanguage.googleapis.com/", "files/")


def messages(contents: list[Document], detail: str, losses: Losses) -> list[Document]:
    """detail: in which images are to be seen, "" for as usual."""
    turns = Turns(detail, losses)
    for nth, content in enumerate(contents):
        turns.add(content, f"contents.{nth}")
    return turns.messages


def system(instruction: object, losses: Losses) -> list[Document]:
    """Its message; none where nothing is instructed. A string, Content, or Part will do."""
    match instruction:
        case {"parts": list(parts)}:
            said: list[Document] = parts
        case {"text": text}:
            said = [{"text": text}]
        case str():
            said = [{"text": instruction}]
        case _:
            said = []
    told: list[str] = [part["text"] for part in said if isinstance(part.get("text"), str)]
    if len(told) != len(said):
        losses.cannot("systemInstruction.parts", "instructions are text")
    return [{"role": "system", "content": "\n".join(told)}] if any(told) else []


class Turns:
    def __init__(self, detail: str, losses: Losses) -> None:
        self.messages: list[Document] = []
        self._detail = detail
        self._losses = losses
        self._waiting: list[tuple[str, str]] = []  # calls without a result: id, name

    def add(self, content: Document, at: str) -> None:
        role = content.get("role") or "user"
        if role not in _ROLES:
            param = f"{at}.role"
            raise GatewayError(
                Code.INVALID_VALUE, f"{param}: must be one of {', '.join(_ROLES)}", param=param
            )
        said = [(part, f"{at}.parts.{nth}") for nth, part in enumerate(content.get("parts") or ())]
        if role == "model":
            self._model(said, at)
        else:
            self._user(said)

    # ---- the user's side

    def _user(self, said: list[tuple[Document, str]]) -> None:
        content: list[Document] = []
        for part, at in said:
            if "functionResponse" in part:
                self.messages.append(self._result(part["functionResponse"], at))
            else:
                content.extend(self._part(part, at))
        if content:
            alone = len(content) == 1 and content[0]["type"] == "text"
            self.messages.append(
                {"role": "user", "content": content[0]["text"] if alone else content}
            )

    def _result(self, result: Document, at: str) -> Document:
        told, name = result.get("id"), result.get("name")
        calls = [
            call for call in self._waiting if call[0] == told or (not told and call[1] == name)
        ]
        if calls:
            self._waiting.remove(calls[0])
        elif not told:
            param = f"{at}.functionResponse.name"
            raise GatewayError(
                Code.INVALID_VALUE, f"{param}: no call before it has this name", param=param
            )
        message: Document = {"role": "tool", "tool_call_id": told or calls[0][0]}
        message.update(_outcome(result.get("response") or {}))
        shown = [
            one
            for nth, part in enumerate(result.get("parts") or ())
            for one in self._part(part, f"{at}.functionResponse.parts.{nth}")
        ]
        if shown:
            message["content"] = [{"type": "text", "text": message["content"]}, *shown]
        return message

    def _part(self, part: Document, at: str) -> Iterator[Document]:
        kind = _kind(part)
        match kind:
            case "":
                pass
            case "text":
                yield {"type": "text", "text": part["text"]}
            case "inlineData":
                yield from self._data(part["inlineData"], at)
            case "fileData":
                yield from self._file(part["fileData"], at)
            case _:
                self._losses.cannot(f"{at}.{kind}", "only Gemini knows such parts")
        for name in part.keys() - {kind} - set(_HARMLESS):
            self._losses.cannot(f"{at}.{name}", "only Gemini knows it")

    def _data(self, blob: Document, at: str) -> Iterator[Document]:
        mime, data = blob.get("mimeType") or "", standard(blob.get("data") or "")
        family, _, form = mime.partition("/")
        url = f"data:{mime};base64,{data}"
        match family:
            case "image":
                yield self._image(url)
            case "audio":
                audio = {"data": data, "format": _FORMATS.get(form, form)}
                yield {"type": "input_audio", "input_audio": audio}
            case "application" | "text":
                name = blob.get("displayName") or "file"
                yield {"type": "file", "file": {"filename": name, "file_data": url}}
            case _:
                self._losses.cannot(f"{at}.inlineData.mimeType", f"{mime!r} is for Gemini only")

    def _file(self, file: Document, at: str) -> Iterator[Document]:
        uri, mime = file.get("fileUri") or "", file.get("mimeType") or ""
        if not uri.startswith(("http://", "https://")) or uri.startswith(_GOOGLES):
            self._losses.cannot(f"{at}.fileData.fileUri", "only Google can fetch it")
        elif mime.startswith("image/"):
            yield self._image(uri)
        elif mime.startswith(("application/", "text/")):
            yield {"type": "file", "file": {"file_url": uri}}
        else:
            self._losses.cannot(f"{at}.fileData.mimeType", f"{mime!r} is for Gemini only")

    def _image(self, url: str) -> Document:
        image = {"url": url, "detail": self._detail} if self._detail else {"url": url}
        return {"type": "image_url", "image_url": image}

    # ---- the model's

    def _model(self, said: list[tuple[Document, str]], at: str) -> None:
        text: list[str] = []
        images: list[Document] = []
        calls: list[Document] = []
        thoughts = _Thoughts()
        for part, place in said:
            if part.get("thought"):
                thoughts.add(part)
            elif "functionCall" in part:
                calls.append(
                    self._call(part, f"call_{at.rpartition('.')[2]}_{len(calls)}", thoughts)
                )
            elif "text" in part:
                text.append(part["text"])
            else:
                images.extend(self._part(part, place))
        message: Document = {"role": "assistant", "content": "".join(text) or None}
        message.update(thoughts.fields)
        if images:
            message["images"] = images
        if calls:
            message["tool_calls"] = calls
        if len(message) > 2 or message["content"] is not None:
            self.messages.append(message)

    def _call(self, part: Document, place: str, thoughts: "_Thoughts") -> Document:
        call, signature = part["functionCall"], part.get("thoughtSignature") or ""
        told, name = call.get("id") or place, call.get("name") or ""
        self._waiting.append((told, name))
        arguments = json.write(call.get("args") or {}).decode()
        function = {"name": name, "arguments": arguments}
        written: Document = {"id": told, "type": "function", "function": function}
        sealed = opened(signature)
        if sealed is not None:
            thoughts.blocks.extend(sealed.blocks)
        elif signature:
            written["extra_content"] = {"google": {"thought_signature": standard(signature)}}
        return written


class _Thoughts:
    """What a model has thought, and whose signatures are on it."""

    def __init__(self) -> None:
        self.blocks: list[dict[str, str]] = []
        self._told: list[str] = []
        self._open: list[str] = []  # what no signature has closed yet

    def add(self, part: Document) -> None:
        if part.get("text"):
            self._told.append(part["text"])
            self._open.append(part["text"])
        sealed = opened(part.get("thoughtSignature") or "")
        if sealed is None:
            return
        if sealed.redacted:
            self.blocks.append({"type": "redacted_thinking", "data": sealed.redacted})
        else:
            block = {"thinking": "".join(self._open), "signature": sealed.signature}
            self.blocks.append({"type": "thinking", **block})
            self._open.clear()

    @property
    def fields(self) -> Document:
        fields: Document = {}
        told = self._told or [block.get("thinking", "") for block in self.blocks]
        if any(told):
            fields["reasoning_content"] = "".join(told)
        if self.blocks:
            fields["thinking_blocks"] = self.blocks
        return fields


def _kind(part: Document) -> str:
    return next((name for name in part if name not in _HARMLESS), "")


def _outcome(response: Document) -> Document:
    """Google's `output` (its SDK says `result`) and `error`; any other object is as it is."""
    match response:
        case {"error": said, **rest} if not rest:
            return {"content": _words(said), "is_error": True}
        case {"output": said, **rest} | {"result": said, **rest} if not rest:
            return {"content": _words(said)}
        case _:
            return {"content": _words(response)}


def _words(said: object) -> str:
    return said if isinstance(said, str) else json.write(said).decode()
