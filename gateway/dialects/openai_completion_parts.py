"""Several prompts, or one that is to be repeated: a request taken apart, its answers put together.

A chat answers one prompt. Each prompt becomes a part, with as many choices as were asked for; the
choices of part p are numbered from p times that many on, as OpenAI numbers them. `echo` is done
here as well: the prompt stands before each of its choices.
Source: platform.openai.com/docs/api-reference/completions/create, 2026-11.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.chat import usage
from gateway.chat.deltas import Begin, Broken, Count, Delta, Text
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.base import Losses
from gateway.errors import Code, GatewayError

MAX_PARTS: Final = 128  # prompts in one request; as many requests go to the backend


class Parts:
    """Raises GatewayError where a prompt cannot be one part of several."""

    def __init__(self, document: Document, losses: Losses) -> None:
        prompt = document.get("prompt")
        prompts = prompt if isinstance(prompt, list) and prompt else [prompt]
        if not all(isinstance(one, str) for one in prompts):
            prompts = [prompt]  # token ids or nothing: told of where it is read
        if len(prompts) > MAX_PARTS:
            said = f"prompt: at most {MAX_PARTS} prompts can be carried to a chat"
            raise GatewayError(Code.INVALID_VALUE, said, param="prompt")
        echo = document.get("echo") is True
        if echo and document.get("logprobs") is not None:
            losses.cannot("echo", "a chat does not say how likely its prompt was")
        if echo and document.get("max_tokens") == 0:
            losses.cannot("max_tokens", "a chat cannot be asked for nothing")
        self._prompts = [one if echo and isinstance(one, str) else "" for one in prompts]
        self._choices = document.get("n") or 1
        rest = {key: value for key, value in document.items() if key != "echo"}
        self.documents: list[Document] = [{**rest, "prompt": one} for one in prompts]

    def __len__(self) -> int:
        return len(self.documents)

    def merged(self, answers: Sequence[Document]) -> Document:
        """The one answer; all in the lingua franca, in the order of the parts."""
        choices = [
            self._numbered(part, choice)
            for part, answer in enumerate(answers)
            for choice in answer["choices"]
        ]
        whole = {**answers[0], "choices": choices}
        whole.pop("usage", None)
        counts = [usage.of(answer.get("usage")) for answer in answers]
        said = [count for count in counts if count is not None]
        if len(said) == len(counts):  # or it would be too little
            whole["usage"] = usage.written(usage.summed(said))
        return whole

    def _numbered(self, part: int, choice: Document) -> Document:
        message = choice["message"]
        text = self._prompts[part] + (message.get("content") or "")
        return {
            **choice,
            "index": part * self._choices + choice["index"],
            "message": {**message, "content": text or None},
        }

    def stream(self) -> "PartStream":
        return PartStream(self._prompts, self._choices)


class PartStream:
    """The streams of all parts as one, in whatever order they come."""

    def __init__(self, prompts: Sequence[str], choices: int) -> None:
        self._prompts = prompts
        self._choices = choices
        self._begun = False
        self._echoed: set[int] = set()
        self._counts: dict[int, Usage] = {}

    def feed(self, part: int, deltas: list[Delta]) -> list[Delta]:
        out: list[Delta] = []
        for delta in deltas:
            match delta:
                case Begin():
                    if not self._begun:
                        out.append(delta)
                    self._begun = True
                case Count():
                    self._counts[part] = delta.usage
                case Broken():
                    out.append(delta)
                case _:
                    index = part * self._choices + delta.choice
                    if index not in self._echoed and self._prompts[part]:
                        self._echoed.add(index)
                        out.append(Text(index, self._prompts[part]))
                    out.append(msgspec.structs.replace(delta, choice=index))
        return out

    def close(self) -> list[Delta]:
        """After the last part's end: what all of it took, if each has said it."""
        if len(self._counts) < len(self._prompts):
            return []
        return [Count(usage.summed(list(self._counts.values())))]
