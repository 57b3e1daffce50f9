"""A stream's bytes may be cut anywhere: what passes and what is said of it stay the same.

And whatever a backend sends: nothing broken passes, nothing but what is declared is raised, and no
stream that was cut short is called whole.
"""

import json
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NoReturn

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.chat.usage import Usage
from gateway.dialects.openai_stream import Watch
from gateway.errors import Code
from gateway.wire import sse
from tests.vendors.openai_wire import (
    DONE,
    chat_chunk,
    chat_events,
    completion_events,
    error_body,
    event,
    respelled,
    usage,
)


@dataclass(frozen=True)
class Seen:
    """All that can be read off a stream once it is over."""

    data: tuple[bytes, ...]  # of the events that were passed on
    events: int
    content: bool
    done: bool
    complete: bool
    unfinished: bool
    broken: Code | None
    usage: Usage | None

    @property
    def whole(self) -> bool:
        """As the road asks it when the backend has ended the stream."""
        return self.done or (self.complete and not self.unfinished and self.broken is None)


def _seen(chunks: list[bytes], *, withhold_usage: bool = False, choices: int = 1) -> Seen:
    watch = Watch(withhold_usage=withhold_usage, choices=choices)
    passed = b"".join([watch.feed(chunk) for chunk in chunks])
    return Seen(
        _data(passed),
        watch.events,
        watch.content,
        watch.done,
        watch.complete,
        watch.unfinished and not watch.done and watch.broken is None,
        watch.broken,
        watch.usage,
    )


def _data(passed: bytes) -> tuple[bytes, ...]:
    """The data of what was passed on, which is always whole events with nothing around them."""
    assert not passed or passed.endswith(b"\n\n")
    assert b"\r" not in passed
    found = []
    for block in passed.split(b"\n\n")[:-1]:
        lines = block.split(b"\n")
        assert all(line.startswith(b"data: ") for line in lines)
        found.append(b"\n".join(line.removeprefix(b"data: ") for line in lines))
    return tuple(found)


def _never(name: str) -> NoReturn:
    raise AssertionError(f"{name} was passed on")


def _check(seen: Seen) -> None:
    """Every event is one JSON object, and nothing stands behind [DONE]."""
    last = len(seen.data) - 1
    for at, data in enumerate(seen.data):
        if data == b"[DONE]":
            assert at == last
            assert seen.done
        else:
            assert isinstance(json.loads(data.decode(), parse_constant=_never), dict)
    assert not (seen.done and seen.broken)


def _cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def _bytewise(stream: bytes) -> list[bytes]:
    """Never the fast path: it takes whole events only."""
    return [stream[at : at + 1] for at in range(len(stream))]


CUTS = st.lists(st.integers(0, 5_000), max_size=10)

# ---- streams as backends send them

TOKENS = st.lists(st.text(max_size=6), min_size=1, max_size=4)
RECORDED = st.builds(chat_events, TOKENS, used=st.sampled_from([None, usage()]), done=st.booleans())
SPELLED = st.one_of(
    RECORDED,
    TOKENS.map(completion_events),
    st.builds(
        respelled,
        RECORDED,
        newline=st.sampled_from([b"\r\n", b"\n", b"\r"]),
        space=st.sampled_from([b"", b" "]),
        comment=st.sampled_from([b"", b" ping"]),
    ),
)


@given(SPELLED, CUTS, st.booleans())
def test_a_recorded_stream_may_be_cut_anywhere(
    events: list[bytes], cuts: list[int], withhold: bool
) -> None:
    stream = b"".join(events)
    whole = _seen([stream], withhold_usage=withhold)
    _check(whole)
    assert whole == _seen(_cut(stream, cuts), withhold_usage=withhold)
    assert whole == _seen(_bytewise(stream), withhold_usage=withhold)
    assert whole == _seen(events, withhold_usage=withhold)
    assert whole.whole
    assert whole.broken is None


@given(RECORDED, CUTS)
def test_the_text_of_a_stream_is_the_backends_byte_for_byte(
    events: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(events)
    assert _seen(_cut(stream, cuts)).data == _data(stream)


@given(RECORDED, st.lists(st.integers(0, 20), max_size=5))
def test_whole_events_in_the_plain_form_pass_as_they_came(
    events: list[bytes], ends: list[int]
) -> None:
    places = list(accumulate(map(len, events)))
    edges = [0, *sorted({places[end] for end in ends if end < len(places)}), sum(map(len, events))]
    stream = b"".join(events)
    watch = Watch(withhold_usage=False)
    for start, end in pairwise(edges):
        assert watch.feed(stream[start:end]) == stream[start:end]


@given(RECORDED, CUTS)
def test_usage_is_withheld_exactly_when_only_we_asked(events: list[bytes], cuts: list[int]) -> None:
    chunks = _cut(b"".join(events), cuts)
    asked, unasked = _seen(chunks), _seen(chunks, withhold_usage=True)
    assert asked.usage == unasked.usage
    told = [data for data in asked.data if b'"prompt_tokens"' in data]
    assert len(told) == (asked.usage is not None)
    assert list(unasked.data) == [data for data in asked.data if data not in told]


# ---- where a stream may end


def _ended(events: list[bytes], end: int, finished: int) -> bool:
    """Whether the first `end` bytes are a whole answer: all choices have finished (with event
    number `finished`) and nothing more has begun, unless that is [DONE] but for its line ends."""
    starts = [0, *accumulate(map(len, events))]
    if end < starts[finished + 1]:
        return False
    begun = max(start for start in starts if start <= end)
    return b"".join(events)[begun:end].strip() in (b"", b"data: [DONE]", b"data:[DONE]")


STREAMS = {
    "plain": chat_events(["Hel", "lö", "\u2028"], used=usage()),
    "without done": chat_events(used=usage(), done=False),
    "completion": completion_events(),
    "crlf": respelled(chat_events(used=usage()), newline=b"\r\n", space=b" "),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("bytewise", [True, False])
def test_at_every_place_a_cut_is_judged_right(name: str, bytewise: bool) -> None:
    events = STREAMS[name]
    stream = b"".join(events)
    finished = next(n for n, data in enumerate(events) if b'"finish_reason":"stop"' in data)
    for end in range(len(stream) + 1):
        part = stream[:end]
        seen = _seen(_bytewise(part) if bytewise else [part])
        _check(seen)
        # A CRLF stream's event is over with its second CR.
        almost = part.endswith(b"\r\n\r") and _ended(events, end + 1, finished)
        assert seen.whole is (_ended(events, end, finished) or almost), part[-40:]


@pytest.mark.parametrize("order", ["0011", "0101", "1100", "0110"])
def test_with_several_choices_no_cut_is_whole(order: str) -> None:
    events = []
    for at, index in enumerate(order):
        choice: dict[str, object] = {"index": int(index), "delta": {"content": "x"}}
        if index in order[:at]:
            choice["finish_reason"] = "stop"
        events.append(event(json.dumps({"choices": [choice]}).encode()))
    stream = b"".join(events)
    for end in range(len(stream) + 1):
        assert _seen([stream[:end]], choices=2).whole is (end == len(stream))


# ---- whatever a backend may send

PIECES = st.sampled_from(
    [
        *chat_events(used=usage()),
        event(chat_chunk({"content": "x"}, used=usage(9, 9))),
        event(chat_chunk({}, finish="")),
        event(error_body()),
        event(b'{"message":"no"}', name=b"error"),
        event(b'{"object":"error","message":"no"}'),
        event(b'{"choices":[{"delta":"x"}]}'),
        event(b'{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}'),
        event(b'{"choices":[{"index":null}],"usage":null}'),
        event(b"{}"),
        event(b'{"a":\n1}', newline=b"\r\n"),
        b'data: {"a":\n1}\n\n',
        b'data: {"a":[1\n\ndata: 2]},{"b":1}\n\n',
        b'data: {"a":[{}\n\n',
        b"data: {}]},{}\n\n",
        b"data: {},{}\n\n",
        b"data: {}{}\n\n",
        b'data: {"a":NaN}\n\n',
        b'data: {"a":"\xff"}\n\n',
        b'data: {"a":"\\ud800"}\n\n',
        b'data: {"a":%b}\n\n' % (b"1" * 4_095),
        b'data: {"a":%b}\n\n' % (b"1" * 4_096),
        b'data: {"a":%b1%b}\n\n' % (b"[" * 300, b"]" * 300),
        b"data: null\n\n",
        b"data:\n\n",
        b"data",
        b"data: [DONE]",
        b" [DONE]\n\n",
        b": ping\n\n",
        b"id: 1\nretry: 5\n",
        b"event: delta\n",
        b"event: error\n",
        b"\xef\xbb\xbf",
        b"\xef\xbb",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"<html>\n",
        b"\x00",
    ]
)
ANYTHING = st.lists(PIECES | st.binary(max_size=8), max_size=9)


@settings(max_examples=600)
@given(ANYTHING, CUTS, st.booleans(), st.integers(1, 2))
@example([b"data: {}\r", b"\n\n", DONE], [9, 10], False, 1)
@example([b"event: error\n", *chat_events()], [], False, 1)
@example([b"\n", b"\xef\xbb\xbf", *chat_events()], [1], False, 1)
@example([*chat_events(done=False), b"\xef\xbb\xbf", DONE], [], False, 1)
def test_whatever_comes_is_judged_alike_in_any_cutting(
    pieces: list[bytes], cuts: list[int], withhold: bool, choices: int
) -> None:
    stream = b"".join(pieces)
    whole = _seen([stream], withhold_usage=withhold, choices=choices)
    _check(whole)
    for chunks in (pieces, _cut(stream, cuts), _bytewise(stream)):
        assert _seen(chunks, withhold_usage=withhold, choices=choices) == whole


@given(st.binary(max_size=300), CUTS)
def test_garbage_raises_nothing_and_passes_nothing(garbage: bytes, cuts: list[int]) -> None:
    seen = _seen(_cut(garbage, cuts))
    _check(seen)


@given(ANYTHING, CUTS, st.integers(20, 400))
def test_a_reader_gives_the_same_events_in_any_cutting(
    pieces: list[bytes], cuts: list[int], limit: int
) -> None:
    stream = b"".join(pieces)

    def read(chunks: list[bytes]) -> tuple[list[tuple[bytes, bytes]], bool, bytes]:
        reader = sse.SseReader(limit)
        found: list[tuple[bytes, bytes]] = []
        try:
            for chunk in chunks:
                for data in reader.feed(chunk):
                    found.append((data, reader.name))
        except sse.SseError:
            return found, True, b""
        return found, False, reader.unfinished

    assert read([stream]) == read(_cut(stream, cuts)) == read(_bytewise(stream))


@given(ANYTHING)
def test_the_plain_form_is_what_the_reader_sees(pieces: list[bytes]) -> None:
    stream = b"".join(pieces)
    found = sse.plain(stream)
    if found is not None:
        reader = sse.SseReader()
        assert found == list(reader.feed(stream))
        assert reader.between


# An event around its text; and places where a text might be looked for that is none.
AROUND = st.sampled_from(
    [
        (b'{"choices":[{"index":0,"delta":{"content":"', b'"},"finish_reason":null}]}'),
        (b'{"choices": [{"index": 0, "delta": {"content": "', b'"}}]}'),
        (b'{"choices":[{"delta":{"content":null,"reasoning_content":"', b'"}}]}'),
        (b'{"choices":[{"index":0,"text":"', b'","logprobs":null}]}'),
        (b'{"choices":[{"delta":{"content":"x"},"finish_reason":"', b'"}]}'),
        (b'{"x":"content\\":","choices":[{"delta":{"content":"x', b'"}}]}'),
        (b'{"\\"content":"', b'","choices":[{"delta":{"content":"x"}}]}'),
        (b'{"choices":[{"delta":{"content":"x"}}],"usage":{"content":"', b'"}}'),
        (b'{"choices":[{"delta":{"content":"x"}}],"error":{"text":"', b'"}}'),
        (b'{"id":"', b'","choices":[{"delta":{"content":"x"}}]}'),
    ]
)
IN_TEXT = st.lists(
    st.sampled_from(
        [
            *(
                b"a",
                b" ",
                b"\xc3\xa9",
                b"\xc3",
                b"\xa9",
                b"\xff",
                b"\xed\xa0\x80",
                b"\t",
                b"\0",
                b"\x7f",
            ),
            *(b"\\n", b"\\", b'"', b'","', b"\\u0041", b"\\ud800", b"9" * 5000),
            *(b'"},{"', b'"}]},{"choices":[{"delta":{"content":"'),
        ]
    ),
    max_size=4,
).map(b"".join)


@given(AROUND, st.lists(IN_TEXT, min_size=1, max_size=4))
def test_an_event_that_is_like_the_last_is_read_as_if_there_had_been_none(
    around: tuple[bytes, bytes], texts: list[bytes]
) -> None:
    start, end = around
    taught = Watch(withhold_usage=False)
    taught.feed(event(start + b"a" + end))
    for text in texts:
        if taught.broken is not None:
            break
        alone = Watch(withhold_usage=False)
        chunk = event(start + text + end)
        assert taught.feed(chunk) == alone.feed(chunk)
        assert (taught.broken, taught.error) == (alone.broken, alone.error)
