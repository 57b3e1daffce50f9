"""Gemini's answers, whole or streamed, read into deltas.

Each event of a stream is a small answer of its own. Nothing says that a stream has ended but the
reasons why its candidates did; a candidate that has none was cut. The signature of a text is
`extra_content` of the message, as in Google's own OpenAI form; that of a call goes with the call.
Source: ai.google.dev/api/generate-content and .../docs/thought-signatures, 2026-11.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

import msgspec

from gateway.chat.deltas import (
    BYTES_A_TOKEN,
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
from gateway.dialects.gemini import (
    FAILED,
    OWN,
    UNENDED,
    UNREADABLE,
    Candidate,
    Citation,
    Counts,
    Event,
    Feedback,
    FunctionCall,
    Part,
    broken,
    created,
    extra_of,
    reason,
    usage_of,
)
from gateway.errors import Code
from gateway.wire import json, sse

_event: Final = msgspec.json.Decoder(Event).decode
_CR, _LF = b"\r\n"  # as numbers: bytes are looked for in bytes several times slower


class _Choice:
    """What has come of one candidate."""

    __slots__ = ("calls", "ended", "grounding", "text")

    def __init__(self) -> None:
        self.text: list[str] = []  # citations count its bytes
        self.calls = 0
        self.ended = False
        self.grounding: Document | None = None


class Reader:
    """passing: for a client that reads Gemini itself, and every end that Gemini may give."""

    __slots__ = (
        "_begun",
        "_choices",
        "_counts",
        "_id",
        "_passing",
        "_sse",
        "_usage",
        "broken",
        "events",
    )

    done = False  # until the upstream ends, more counts or citations may come

    def __init__(self, *, passing: bool = False) -> None:
        self._passing = passing
        self._sse: sse.SseReader | None = None
        self._begun = False
        self._id = ""
        self._choices: dict[int, _Choice] = {}
        self._counts: Counts | None = None
        self._usage: Usage | None = None
        self.broken = False
        self.events = 0

    def feed(self, chunk: bytes) -> list[Delta]:
        out: list[Delta] = []
        if not self.broken:
            try:
                for data in self._frames(chunk):
                    if data and not self._read(data, out):
                        break
            except sse.SseError:
                self._break(Broken(Code.RESPONSE_TOO_LARGE), out)
        return out

    def close(self) -> list[Delta]:
        if self.broken:
            return []
        if self._sse is not None and not self._sse.between:
            last = self.feed(b"\n\n")  # the blank line that was not sent
            cut = last and last[-1] == Broken(Code.BAD_RESPONSE)
            return [Broken(Code.STREAM_TRUNCATED)] if cut else last + self.close()
        ended = [choice.ended for choice in self._choices.values()]
        return [] if ended and all(ended) else [Broken(Code.STREAM_TRUNCATED)]

    @property
    def usage(self) -> Usage | None:
        """Computed when somebody asks: every event has counts of its own."""
        counts = self._counts
        return self._usage if counts is None else usage_of(counts) or self._usage

    def glance(self, frame: bytes) -> int:
        """For who passes frames on (`watched.py`): pieces of text, and counts. What citations and
        calls are named by is nothing to them.
        """
        data = frame[6:-4] if frame.endswith(b"\r\n\r\n") else frame[6:-2]
        if not frame.startswith(b"data: {") or _LF in data or _CR in data:
            return 0
        try:
            _check(data)
            event = _event(data)
        except UNREADABLE:
            return 0
        if event.error is not None or event.prompt_feedback is not None:
            return 0
        said = 0
        for candidate in event.candidates or ():
            content = candidate.content
            if candidate.finish_reason or candidate.index not in self._choices:
                return 0
            for part in (content and content.parts) or ():
                if not part.text:
                    return 0
                said += max(1, len(part.text) // BYTES_A_TOKEN)
        if said:
            self.events += 1
            self._counts = event.usage_metadata or self._counts
        return said

    def _frames(self, chunk: bytes) -> Iterable[bytes]:
        if self._sse is None or self._sse.between:
            events = _plain(chunk)
            if events is not None:
                return events
        if self._sse is None:
            self._sse = sse.SseReader(begun=self.events > 0)
        return self._sse.feed(chunk)

    def _read(self, data: bytes, out: list[Delta]) -> bool:
        """False if nothing may follow."""
        try:
            event = _event(data)
            _check(data)
        except UNREADABLE:
            self._break(Broken(Code.BAD_RESPONSE), out)
            return False
        self.events += 1
        try:
            self.read(event, out)
        except (AttributeError, KeyError, TypeError):  # in what is read without a type
            self._break(Broken(Code.BAD_RESPONSE), out)
        return not self.broken

    def _break(self, delta: Broken, out: list[Delta]) -> None:
        self.broken = True
        out.append(delta)

    # ---- one event

    def read(self, event: Event, out: list[Delta]) -> None:
        if event.error is not None:
            self._break(broken(event.error), out)
            return
        if not self._begun:
            self._begun = True
            self._id = event.response_id
            out.append(Begin(event.response_id, event.model_version, created(event.create_time)))
        for candidate in event.candidates or ():
            self._candidate(candidate, out)
            if self.broken:
                return
        if event.prompt_feedback is not None:
            self._blocked(event.prompt_feedback, out)
        counts = event.usage_metadata
        if counts is not None and counts != self._counts:
            self._counts = counts
            usage = usage_of(counts)
            if usage is not None:
                self._usage = usage
                out.append(Count(usage))

    def _candidate(self, candidate: Candidate, out: list[Delta]) -> None:
        index = candidate.index
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        content = candidate.content
        if content is not None and content.parts:
            for part in content.parts:
                text = part.text
                if text and not (part.thought or part.thought_signature or part.function_call):
                    choice.text.append(text)
                    out.append(Text(index, text))
                else:
                    self._part(index, choice, part, out)
        if candidate.logprobs_result is not None:
            out.append(Logprobs(index, list(_tokens(candidate.logprobs_result))))
        if candidate.citation_metadata is not None:
            cited = _cited(candidate.citation_metadata.citations or (), choice.text)
            if cited:
                out.append(Extra(index, {"annotations": cited}))
        choice.grounding = candidate.grounding_metadata or choice.grounding
        if candidate.finish_reason not in UNENDED and not choice.ended:
            self._end(index, choice, candidate, out)

    def _part(self, index: int, choice: _Choice, part: Part, out: list[Delta]) -> None:
        signature = part.thought_signature
        if part.function_call is not None:
            out.append(self._call(index, choice, part.function_call, signature))
            return
        if part.inline_data is not None and part.inline_data.mime_type.startswith("image/"):
            url = f"data:{part.inline_data.mime_type};base64,{part.inline_data.data}"
            out.append(Extra(index, {"images": [{"type": "image_url", "image_url": {"url": url}}]}))
        if part.thought:
            if part.text or signature:
                out.append(Reasoning(index, part.text or "", signature and OWN + signature))
            return
        if part.text:
            choice.text.append(part.text)
            out.append(Text(index, part.text))
        if signature:
            out.append(Extra(index, {"extra_content": extra_of(signature)}))

    def _call(self, index: int, choice: _Choice, call: FunctionCall, signature: str) -> CallPart:
        slot = choice.calls
        choice.calls += 1
        return CallPart(
            index,
            slot,
            call.id or call_id(self._id, index, slot, call),
            call.name,
            json.write(call.args or {}).decode(),
            extra_of(signature) if signature else None,
        )

    def _end(self, index: int, choice: _Choice, candidate: Candidate, out: list[Delta]) -> None:
        word = candidate.finish_reason
        choice.ended = True
        if word in FAILED and not self._passing:
            self._break(Broken(Code.BAD_RESPONSE, candidate.finish_message or word), out)
            return
        if choice.grounding:
            grounded = _grounded(choice.grounding, choice.text)
            if grounded:
                out.append(Extra(index, {"annotations": grounded}))
        why = reason(word)
        if why == "content_filter" and candidate.finish_message:
            out.append(Refusal(index, candidate.finish_message))
        if why == "stop" and choice.calls:
            why = "tool_calls"
        out.append(Finish(index, why))

    def _blocked(self, feedback: Feedback, out: list[Delta]) -> None:
        """A prompt that was refused has no candidates; its refusal is the answer."""
        if not feedback.block_reason or self._choices:
            return
        choice = self._choices[0] = _Choice()
        choice.ended = True
        message = feedback.block_reason_message
        said = f"The prompt was blocked: {feedback.block_reason}"
        out.append(Refusal(0, f"{said}: {message}" if message else said))
        out.append(Finish(0, "content_filter"))


def _check(data: bytes) -> None:
    """What a typed reader skips over. Raises one of UNREADABLE."""
    if not data.isascii():
        data.decode()
    if len(data) > json.MONSTER and json.has_monster(data):
        raise msgspec.DecodeError("a number has too many digits")


def _plain(chunk: bytes) -> list[bytes] | None:
    """`sse.plain` for lines as Google ends them, with CRLF."""
    if not chunk.endswith(b"\r\n\r\n") or not chunk.startswith(b"data: "):
        return sse.plain(chunk)
    data = chunk[6:-4]
    if _LF not in data and _CR not in data:  # one, as most reads have
        return [data] if len(chunk) <= sse.MAX_EVENT else None
    events = data.split(b"\r\n\r\ndata: ")
    lines = 2 * len(events)
    alone = chunk.count(b"\n") == lines and chunk.count(b"\r") == lines
    return events if alone and len(chunk) <= sse.MAX_EVENT else None


def call_id(answer: str, index: int, slot: int, call: FunctionCall) -> str:
    """For a call that has none: the same each time the same answer is read."""
    told = json.write([answer, index, slot, call.name, call.args])
    return f"call_{sha256(told).hexdigest()[:24]}"


# ---- tokens


def _tokens(result: Document) -> Iterator[Document]:
    tops = result.get("topCandidates") or ()
    for at, chosen in enumerate(result.get("chosenCandidates") or ()):
        others = tops[at].get("candidates") or () if at < len(tops) else ()
        yield {**_token(chosen), "top_logprobs": [_token(other) for other in others]}


def _token(candidate: Document) -> Document:
    token = str(candidate.get("token") or "")
    logprob = candidate.get("logProbability") or 0.0
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


# ---- citations


def _cited(citations: Iterable[Citation], text: list[str]) -> list[Document]:
    said = "".join(text).encode()
    return [
        _annotation(said, one.start_index, one.end_index, one.uri, one.title)
        for one in citations
        if one.uri
    ]


def _grounded(grounding: Document, text: list[str]) -> list[Document]:
    said = "".join(text).encode()
    sources = grounding.get("groundingChunks") or ()
    found: list[Document] = []
    for support in grounding.get("groundingSupports") or ():
        segment = support.get("segment") or {}
        for index in support.get("groundingChunkIndices") or ():
            source = sources[index] if 0 <= index < len(sources) else {}
            web = source.get("web") or source.get("retrievedContext") or {}
            if web.get("uri"):
                start, end = segment.get("startIndex") or 0, segment.get("endIndex") or 0
                found.append(_annotation(said, start, end, web["uri"], web.get("title") or ""))
    return found


def _annotation(said: bytes, start: int, end: int, url: str, title: str) -> Document:
    """Google counts bytes, OpenAI characters."""
    place = {"start_index": _characters(said, start), "end_index": _characters(said, end)}
    return {"type": "url_citation", "url_citation": {**place, "url": url, "title": title}}


def _characters(said: bytes, at: int) -> int:
    return len(said[:at].decode(errors="ignore"))
