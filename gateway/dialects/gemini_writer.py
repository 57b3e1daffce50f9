"""Answers for Gemini's clients, written out of deltas: each event an answer of its own.

A call goes out whole, at the end of its candidate, as Google sends it. Thoughts go out only to who
asked for them (`includeThoughts`); where they were signed and are not shown, the first call carries
them under its signature. The last event says why the candidates ended, and the counts.
Source: ai.google.dev/api/generate-content, 2026-11.
"""

from collections.abc import Iterable
from typing import Final, assert_never

import msgspec

from gateway.chat import fold
from gateway.chat.deltas import (
    Begin,
    Broken,
    CallPart,
    Count,
    Delta,
    Extra,
    Finish,
    Logprobs,
    Reasoning,
    Refusal,
    Text,
)
from gateway.chat.document import Document
from gateway.chat.usage import Usage
from gateway.dialects.gemini import MALFORMED_CALL, MAX_TOKENS, STOP, error_body, signature_of
from gateway.dialects.gemini_seals import Sealed, seal
from gateway.errors import GatewayError
from gateway.wire import sse

_encode: Final = msgspec.json.Encoder().encode
_object: Final = msgspec.json.Decoder(Document).decode
_ENDS: Final = {
    "stop": STOP,
    "tool_calls": STOP,
    "length": MAX_TOKENS,
    "content_filter": "SAFETY",
}
_Said = Text | Refusal | Reasoning | CallPart | Logprobs | Extra | Finish


class Candidate:
    """One candidate, as it grows. add() gives the parts that may go out at once."""

    def __init__(self, index: int, *, shows_thoughts: bool) -> None:
        self._index = index
        self._shows_thoughts = shows_thoughts
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._thought: list[str] = []  # that no signature has closed
        self._blocks: list[dict[str, str]] = []
        self._calls: dict[int, _Call] = {}
        self._tokens: list[Document] = []
        self._annotations: list[Document] = []
        self._finish: Finish | None = None

    def add(self, delta: _Said) -> Iterable[Document]:
        match delta:
            case Text():
                self._text.append(delta.text)
                return [{"text": delta.text}]
            case Refusal():
                self._refusal.append(delta.text)
                return [{"text": delta.text}]
            case Reasoning():
                return self._reason(delta)
            case CallPart():
                self._calls.setdefault(delta.slot, _Call()).add(delta)
            case Logprobs():
                self._tokens.extend(delta.content)
            case Extra():
                return self._extra(delta.fields)
            case Finish():
                self._finish = delta
            case _:
                assert_never(delta)
        return ()

    def _reason(self, delta: Reasoning) -> Iterable[Document]:
        shown: list[Document] = []
        if delta.text:
            self._thought.append(delta.text)
            shown.append({"text": delta.text, "thought": True})
        if delta.signature:
            block = {"thinking": "".join(self._thought), "signature": delta.signature}
            self._blocks.append({"type": "thinking", **block})
            self._thought.clear()
            shown.append(_thought(Sealed(signature=delta.signature)))
        if delta.redacted:
            self._blocks.append({"type": "redacted_thinking", "data": delta.redacted})
            shown.append(_thought(Sealed(redacted=delta.redacted)))
        return shown if self._shows_thoughts else ()

    def _extra(self, fields: Document) -> Iterable[Document]:
        self._annotations.extend(fields.get("annotations") or ())
        for image in fields.get("images") or ():
            mime, _, data = image["image_url"]["url"].removeprefix("data:").partition(";base64,")
            yield {"inlineData": {"mimeType": mime, "data": data}}
        signature = signature_of(fields.get("extra_content"))
        if signature:
            yield {"text": "", "thoughtSignature": signature}

    def end(self) -> tuple[list[Document], Document]:
        """The parts that were held back, and what else the candidate is."""
        finish = self._finish or Finish(self._index, "stop")
        told: Document = {"finishReason": _ENDS[finish.reason], "index": self._index}
        if self._refusal:
            told["finishReason"] = "SAFETY"
            told["finishMessage"] = "".join(self._refusal)
        parts: list[Document] = []
        for slot in sorted(self._calls):
            call = self._calls[slot].part
            if call is not None:
                parts.append(call)
            elif finish.reason != "length":
                told["finishReason"] = MALFORMED_CALL
                told["finishMessage"] = f"Malformed function call: {self._calls[slot].name}"
        if parts and self._blocks and not self._shows_thoughts:
            parts[0].setdefault("thoughtSignature", seal(Sealed(blocks=self._blocks)))
        if self._annotations:
            told["groundingMetadata"] = _grounding(self._annotations, "".join(self._text))
        if self._tokens:
            told["logprobsResult"] = _logprobs(self._tokens)
        return parts, told


class _Call:
    def __init__(self) -> None:
        self._id = self.name = self._signature = ""
        self._arguments: list[str] = []

    def add(self, delta: CallPart) -> None:
        self._id = delta.id or self._id
        self.name = delta.name or self.name
        self._arguments.append(delta.arguments)
        self._signature = signature_of(delta.extra) or self._signature

    @property
    def part(self) -> Document | None:
        """None where the model wrote no proper arguments."""
        try:
            args = _object("".join(self._arguments) or "{}")
        except (msgspec.DecodeError, RecursionError):
            return None
        call: Document = {"name": self.name, "args": args}
        part: Document = {"functionCall": {"id": self._id, **call} if self._id else call}
        if self._signature:
            part["thoughtSignature"] = self._signature
        return part


def _thought(sealed: Sealed) -> Document:
    return {"text": "", "thought": True, "thoughtSignature": seal(sealed)}


def shows_thoughts(request: Document) -> bool:
    thinking = request.get("thinking") or {}
    return thinking.get("type") in ("enabled", "adaptive") and thinking.get("display") != "omitted"


# ---- whole


def response(answer: Document, request: Document) -> Document:
    candidates: dict[int, tuple[Candidate, list[Document]]] = {}
    shown = shows_thoughts(request)
    written: Document = {"candidates": []}
    for delta in fold.unfold(answer):
        match delta:
            case Begin() | Broken():
                pass
            case Count():
                written["usageMetadata"] = counts(delta.usage)
            case _:
                index = delta.choice
                if index not in candidates:
                    candidates[index] = Candidate(index, shows_thoughts=shown), []
                candidate, parts = candidates[index]
                parts.extend(candidate.add(delta))
    for candidate, parts in candidates.values():
        held, told = candidate.end()
        written["candidates"].append(_with(parts + held, told))
    return {**written, **_named(answer.get("model") or "", answer.get("id") or "")}


def _with(parts: list[Document], told: Document) -> Document:
    return {"content": {"parts": parts, "role": "model"}, **told} if parts else told


def _named(model: str, answer: str) -> Document:
    return {"modelVersion": model, "responseId": answer}


# ---- streamed


class Writer:
    def __init__(self, *, shows_thoughts: bool) -> None:
        self._shows_thoughts = shows_thoughts
        self._candidates: dict[int, Candidate] = {}
        self._usage: Usage | None = None
        self._named: Document = _named("", "")
        self._tail = b""

    def write(self, deltas: list[Delta]) -> bytes:
        out: list[bytes] = []
        for delta in deltas:
            match delta:
                case Begin():
                    self._named = _named(delta.model, delta.id)
                    self._tail = _encode(self._named)[1:]
                case Count():
                    self._usage = delta.usage
                case Broken():
                    pass  # fail() says it
                case _:
                    parts = list(self._candidate(delta.choice).add(delta))
                    if parts:
                        out.append(
                            b'data: {"candidates":[{"content":{"parts":%b,"role":"model"},'
                            b'"index":%d}],%b\n\n' % (_encode(parts), delta.choice, self._tail)
                        )
        return b"".join(out)

    def _candidate(self, index: int) -> Candidate:
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = Candidate(index, shows_thoughts=self._shows_thoughts)
            self._candidates[index] = candidate
        return candidate

    def close(self) -> bytes:
        last: Document = {
            "candidates": [_with(*candidate.end()) for candidate in self._candidates.values()]
        }
        if self._usage is not None:
            last["usageMetadata"] = counts(self._usage)
        return sse.encode(_encode({**last, **self._named}))

    def fail(self, error: GatewayError) -> bytes:
        return sse.encode(error_body(error))


# ---- pieces


def counts(usage: Usage) -> Document:
    told: Document = {"promptTokenCount": usage.input}
    if usage.cached:
        told["cachedContentTokenCount"] = usage.cached
    told["candidatesTokenCount"] = usage.output - usage.reasoning
    if usage.reasoning:
        told["thoughtsTokenCount"] = usage.reasoning
    told["totalTokenCount"] = usage.input + usage.output
    if usage.input_audio or usage.input_image:
        told["promptTokensDetails"] = _modalities(usage.input, usage.input_audio, usage.input_image)
    if usage.output_audio or usage.output_image:
        spoken = usage.output - usage.reasoning
        told["candidatesTokensDetails"] = _modalities(
            spoken, usage.output_audio, usage.output_image
        )
    return told


def _modalities(all_tokens: int, audio: int, image: int) -> list[Document]:
    apart = [("AUDIO", audio), ("IMAGE", image)]
    return [
        {"modality": "TEXT", "tokenCount": max(0, all_tokens - audio - image)},
        *({"modality": kind, "tokenCount": tokens} for kind, tokens in apart if tokens),
    ]


def _grounding(annotations: list[Document], text: str) -> Document:
    """OpenAI counts characters, Google bytes."""
    sources: list[Document] = []
    supports: list[Document] = []
    for annotation in annotations:
        cited = annotation.get("url_citation") or {}
        source = {"web": {"uri": cited.get("url") or "", "title": cited.get("title") or ""}}
        if source not in sources:
            sources.append(source)
        start, end = cited.get("start_index") or 0, cited.get("end_index") or 0
        segment = {
            "startIndex": len(text[:start].encode()),
            "endIndex": len(text[:end].encode()),
            "text": text[start:end],
        }
        supports.append({"segment": segment, "groundingChunkIndices": [sources.index(source)]})
    return {"groundingChunks": sources, "groundingSupports": supports}


def _logprobs(tokens: list[Document]) -> Document:
    tops = [
        {"candidates": [_token(top) for top in one.get("top_logprobs") or ()]} for one in tokens
    ]
    return {"chosenCandidates": [_token(one) for one in tokens], "topCandidates": tops}


def _token(token: Document) -> Document:
    return {"token": token.get("token") or "", "logProbability": token.get("logprob") or 0.0}
