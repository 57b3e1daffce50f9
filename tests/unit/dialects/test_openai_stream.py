"""What of a stream is passed on, and how its end is judged. Cuttings: tests/laws/test_stream.py."""

import json

import pytest

from gateway.chat.usage import Usage
from gateway.dialects.openai_stream import Watch
from gateway.errors import Code
from gateway.wire import sse
from tests.vendors.openai_wire import (
    DONE,
    ROLE,
    chat_chunk,
    chat_events,
    completion_events,
    error_body,
    event,
    respelled,
    usage,
)

HELLO = event(chat_chunk({"content": "Hello"}))
STOP = event(chat_chunk({}, finish="stop"))
USED = event(chat_chunk(used=usage()))
ERROR = event(error_body())


def _watch(*, withhold_usage: bool = False, choices: int = 1) -> Watch:
    return Watch(withhold_usage=withhold_usage, choices=choices)


def _choice(index: object, finish: object = None, text: str = "x") -> bytes:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return event(json.dumps({"choices": [choice]}).encode())


# ---- passing on


@pytest.mark.parametrize(
    "stream",
    [
        chat_events(),
        chat_events(used=usage()),
        completion_events(),
        chat_events(["ü", "😀", "\u2028"]),
        chat_events(done=False),
    ],
)
def test_a_plain_stream_passes_byte_for_byte(stream: list[bytes]) -> None:
    whole, piecewise = _watch(), _watch()
    assert whole.feed(b"".join(stream)) == b"".join(stream)
    assert [piecewise.feed(chunk) for chunk in stream] == stream
    for watch in (whole, piecewise):
        assert watch.complete
        assert watch.content
        assert not watch.unfinished
        assert watch.broken is None


@pytest.mark.parametrize("newline", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("space", [b"", b" "])
@pytest.mark.parametrize("comment", [b"", b" ping"])
def test_other_spellings_are_written_again_in_the_plain_one(
    newline: bytes, space: bytes, comment: bytes
) -> None:
    plain = chat_events(used=usage())
    spelled = b"".join(respelled(plain, newline=newline, space=space, comment=comment))
    watch = _watch()
    assert watch.feed(spelled) == b"".join(plain)
    assert watch.done


def test_ids_kinds_and_data_over_several_lines_are_read() -> None:
    data = json.dumps(json.loads(chat_chunk({"content": "a"})), indent=1).encode()
    watch = _watch()
    stream = b"retry: 10\n" + event(data, name=b"delta", id=b"7") + event(b"[DONE]", id=b"8")
    assert watch.feed(stream) == sse.encode(data) + DONE
    assert watch.done


def test_a_byte_order_mark_is_dropped_at_the_start_only() -> None:
    assert _watch().feed(b"\xef\xbb\xbf" + HELLO) == HELLO
    watch = _watch()
    assert watch.feed(HELLO) == HELLO
    assert watch.feed(b"\xef\xbb\xbf" + HELLO) == b""
    assert watch.events == 1


def test_an_event_without_data_says_nothing() -> None:
    watch = _watch()
    assert watch.feed(b"data:\n\ndata\n\n" + HELLO) == HELLO
    assert watch.events == 1


def test_after_done_all_is_dropped() -> None:
    for chunks in ([DONE + HELLO], [DONE, HELLO], [b"data:[DONE] \r\n\r\n", HELLO, ERROR]):
        watch = _watch()
        assert b"".join(watch.feed(chunk) for chunk in chunks) == DONE
        assert watch.done
        assert not watch.content
        assert watch.broken is None


def test_after_a_broken_event_all_is_dropped() -> None:
    watch = _watch()
    assert watch.feed(b"data: {\n\n") == b""
    assert watch.feed(HELLO + DONE) == b""
    assert not watch.done
    assert not watch.complete


# ---- broken events

BROKEN = [
    b"data: {\n\n",
    b"data: {}{}\n\n",
    b"data: {},{}\n\n",
    b"data: [{}]\n\n",
    b"data: null\n\n",
    b"data: 1\n\n",
    b'data: "x"\n\n',
    b"data: text\n\n",
    b"data: <html>\n\n",
    b'data: {"a":NaN}\n\n',
    b'data: {"a":01}\n\n',
    b'data: {"a":"\xff"}\n\n',
    b'data: {"a":"\\ud800"}\n\n',
    b'data: {"a":"\t"}\n\n',
    b'data: {"choices":{}}\n\n',
    b'data: {"choices":[1]}\n\n',
    b'data: {"choices":[null]}\n\n',
    b'data: {"choices":[{"index":"0"}]}\n\n',
    b'data: {"choices":[{"finish_reason":1}]}\n\n',
    b'data: {"a":%b}\n\n' % (b"9" * 20_000),
    b'data: {"a":%b}\n\n' % (b"[" * 200_000),
    # A line feed between tokens: for a reader of JSON nothing, for one of events the end of a line.
    b'data: {"a":\n1}\n\n',
    b'data: {"a":\n\n1}\n\n',
    # Halves that fit together, made up for by an event with two objects.
    b'data: {"a":[1\n\ndata: 2]},{"b":1}\n\n',
    b'data: {"a":[{}\n\ndata: {}]},{"b":1}\n\n',
    b'data: {"a":[1,\n\ndata: {}]}{"b":1}\n\n',
    b'data: {"a":1\n\ndata: ,"b":2}\n\n',
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("whole", [True, False])
def test_nothing_broken_is_passed_on(broken: bytes, whole: bool) -> None:
    stream = HELLO + broken + STOP + DONE if whole else broken
    watch = _watch()
    assert watch.feed(stream) == (HELLO if whole else b"")
    assert watch.broken is Code.BAD_RESPONSE
    assert not watch.complete
    assert watch.content is whole


def test_before_the_first_content_a_broken_event_shows_none() -> None:
    watch = _watch()
    watch.feed(b'data: {"choices":[{"delta":{"content":"x"}}]},{}\n\n')
    assert watch.broken is Code.BAD_RESPONSE
    assert not watch.content


@pytest.mark.parametrize("size", [sse.MAX_EVENT, 8 << 20])
def test_an_event_over_the_limit_breaks_the_stream(size: int) -> None:
    for chunk in (event(b'{"a":"%b"}' % (b"x" * size)), b"data: " + b"x" * size):
        watch = _watch()
        assert watch.feed(HELLO) == HELLO
        assert watch.feed(chunk) == b""
        assert watch.broken is Code.RESPONSE_TOO_LARGE


# ---- errors


@pytest.mark.parametrize(
    "error",
    [
        ERROR,
        event(b'{"error":"no"}'),
        event(b'{"error":{"message":"no"},"choices":[]}'),
        event(b'{"object":"error","message":"no","code":400}'),
        event(b'{"message":"no"}', name=b"error"),
        event(error_body(), name=b"error", newline=b"\r\n"),
    ],
)
def test_an_error_event_is_kept_back(error: bytes) -> None:
    for chunks in ([HELLO + error + STOP + DONE], [HELLO, error, STOP, DONE]):
        watch = _watch()
        assert b"".join(watch.feed(chunk) for chunk in chunks) == HELLO
        assert watch.broken is Code.UPSTREAM_ERROR
        assert json.loads(watch.error)
        assert not watch.complete


def test_the_kind_of_an_event_may_come_before_it() -> None:
    watch = _watch()
    assert watch.feed(HELLO) == HELLO
    assert watch.feed(b"event: error\n") == b""
    assert watch.feed(HELLO) == b""
    assert watch.broken is Code.UPSTREAM_ERROR


def test_an_error_before_the_first_content_shows_none() -> None:
    watch = _watch()
    assert watch.feed(ERROR + HELLO) == b""
    assert not watch.content


def test_no_error_is_none() -> None:
    for fields in ('"error":null', '"object":"chat.completion.chunk"', '"type":"ping"'):
        watch = _watch()
        assert watch.feed(b"data: {%b}\n\n" % fields.encode())
        assert watch.broken is None


# ---- the end


def test_an_answer_that_stops_without_a_word_is_not_complete() -> None:
    for stream in ([], [HELLO], chat_events(finish=None, done=False)):
        watch = _watch()
        watch.feed(b"".join(stream))
        assert not watch.complete


def test_a_finish_reason_completes_it() -> None:
    watch = _watch()
    watch.feed(HELLO + STOP)
    assert watch.complete
    assert not watch.done


@pytest.mark.parametrize("finish", [None, ""])
def test_an_empty_finish_reason_is_none(finish: object) -> None:
    watch = _watch()
    watch.feed(_choice(0, finish))
    assert not watch.complete


def test_every_choice_must_finish() -> None:
    watch = _watch(choices=2)
    for chunk, complete in (
        (_choice(0, "stop"), False),
        (_choice(0, "stop"), False),
        (_choice(1), False),
        (_choice(1, "length"), True),
    ):
        assert watch.feed(chunk) == chunk
        assert watch.complete is complete


def test_a_choice_that_nobody_asked_for_must_finish_too() -> None:
    watch = _watch()
    watch.feed(_choice(0, "stop") + _choice(2))
    assert not watch.complete
    watch.feed(_choice(1, "stop") + _choice(2, "stop"))
    assert watch.complete


def test_an_index_that_is_none_counts_for_nothing() -> None:
    watch = _watch()
    watch.feed(_choice(-1, "stop"))
    assert not watch.complete
    watch.feed(_choice(10**30, "stop"))
    assert not watch.complete
    assert _watch().feed(_choice(None)) == _choice(None)


@pytest.mark.parametrize("tail", [b"d", b"data: {", USED[:-1], b"\n" + USED[:-2], b"data: [DON"])
def test_a_stream_that_stops_within_an_event_is_unfinished(tail: bytes) -> None:
    watch = _watch()
    watch.feed(HELLO + STOP + tail)
    assert watch.unfinished


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"\n",
        b": ping",
        b": ping\n",
        b"event: x\n",
        b"data: [DONE]",
        b"data:[DONE]\n",
        b"data: [DONE]\r",
    ],
)
def test_a_stream_that_stops_within_nothing_is_not(tail: bytes) -> None:
    watch = _watch()
    watch.feed(HELLO + STOP + tail)
    assert not watch.unfinished
    assert watch.complete


# ---- the first content


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": {"content": "x"}},
        {"delta": {"content": " "}},
        {"delta": {"reasoning_content": "x"}},
        {"delta": {"reasoning": "x"}},
        {"delta": {"refusal": "x"}},
        {"delta": {"tool_calls": [{"index": 0}]}},
        {"delta": {"function_call": {"name": "f"}}},
        {"delta": {"audio": {"id": "a"}}},
        {"delta": {}, "finish_reason": "stop"},
        {"text": "x"},
    ],
)
def test_content_has_many_forms(choice: dict[str, object]) -> None:
    watch = _watch()
    watch.feed(event(json.dumps({"choices": [choice]}).encode()))
    assert watch.content


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": ROLE},
        {"delta": {"role": "assistant", "content": None}},
        {"delta": {"tool_calls": [], "audio": None, "function_call": None}},
        {"delta": None, "text": "", "finish_reason": None},
        {"delta": {"unknown": "x"}, "finish_reason": ""},
    ],
)
def test_a_role_is_no_content(choice: dict[str, object]) -> None:
    watch = _watch()
    chunk = event(json.dumps({"choices": [choice]}, separators=(",", ":")).encode())
    assert watch.feed(chunk) == chunk
    assert watch.events == 1
    assert not watch.content


def test_after_the_first_content_a_delta_is_not_looked_at() -> None:
    odd = b'data: {"choices":[{"delta":"x"}]}\n\n'
    for chunks in ([HELLO + odd], [HELLO, odd], [HELLO, odd[:9], odd[9:]]):
        watch = _watch()
        assert b"".join(map(watch.feed, chunks)) == HELLO + odd
    watch = _watch()
    assert watch.feed(odd) == b""
    assert watch.broken is Code.BAD_RESPONSE


# ---- usage


def test_usage_is_read_and_passed_to_who_asked_for_it() -> None:
    watch = _watch()
    assert watch.feed(HELLO + USED) == HELLO + USED
    assert watch.usage == Usage(7, 3)


def test_usage_that_only_we_asked_for_is_withheld() -> None:
    for chunks in ([HELLO + USED + DONE], [HELLO, USED, DONE], [HELLO, USED[:5], USED[5:], DONE]):
        watch = _watch(withhold_usage=True)
        assert b"".join(watch.feed(chunk) for chunk in chunks) == HELLO + DONE
        assert watch.usage == Usage(7, 3)
        assert watch.events == 2


def test_what_comes_with_usage_is_not_withheld() -> None:
    for chunk in (
        event(chat_chunk({"content": "x"}, used=usage())),
        b'data: {"choices":[],"usage":null}\n\n',
        b'data: {"choices":[],"prompt_filter_results":[]}\n\n',
    ):
        assert _watch(withhold_usage=True).feed(chunk) == chunk


def test_the_last_usage_that_makes_sense_counts() -> None:
    watch = _watch()
    for used in (
        usage(1, 1),
        usage(7, 3),
        {"prompt_tokens": -1},
        "much",
        {"prompt_tokens": 10**12},
    ):
        watch.feed(event(chat_chunk({"content": "x"}, used=used)))
    assert watch.usage == Usage(7, 3)


# ---- the upstream's end


@pytest.mark.parametrize(
    ("stream", "end"),
    [
        (chat_events(), b""),  # nothing is left to say
        (chat_events(done=False), DONE),
        ([HELLO], None),
        ([HELLO, STOP, b"data: {"], None),
        ([HELLO, STOP, b"data: [DONE]"], DONE),
        ([HELLO, STOP, ERROR], None),
    ],
)
def test_an_end_is_said_only_of_what_is_whole(stream: list[bytes], end: bytes | None) -> None:
    watch = _watch()
    for chunk in stream:
        watch.feed(chunk)
    assert watch.close() == end
