"""Backends that do wrong, streams: before the first content a fault costs the client nothing but an
honest status; afterwards it is told in the stream, and no cut stream ever looks whole.
"""

import json
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.journeys.stage import Stage, stage
from tests.vendors.openai_wire import (
    DONE,
    ROLE,
    chat_body,
    chat_chunk,
    chat_events,
    error_body,
    event,
    respelled,
    usage,
)
from tests.vendors.scripted import (
    LAST_CHUNK,
    Close,
    Forever,
    Reset,
    Script,
    Send,
    Stall,
    Step,
    Wait,
    chunk,
    chunks,
    response,
    stream_head,
    streamed,
)

HEAD = stream_head()
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
ROLE_ONLY = event(chat_chunk(ROLE))
TEXT = (
    "Gr\u00fc\u00df",
    "e, ",
    "\U0001f980",
    " \u4e16\u754c",
    " a\u0301.",
)  # 2, 4 and 3 bytes long
TOKENS = chat_events(TEXT, finish=None, done=False)  # and nothing that ends them
FINISH = event(chat_chunk({}, finish="stop"))
WHOLE = b"".join([*TOKENS, FINISH, DONE])
OF_TWO_SHAPES = [
    event(error_body("boom at internal.host with sk-upstream-secret")),
    event(b'{"error":"boom at internal.host"}'),
    event(b'{"object":"error","message":"boom at internal.host","code":500}'),
    event(b'{"message":"boom at internal.host","type":"server_error"}', name=b"error"),
]


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    with stage() as made:
        yield made


def sends(*parts: bytes, then: Sequence[Step] = ()) -> Script:
    """A stream's head, each part as a chunk in a write of its own, then whatever follows."""
    return [Send(HEAD), *(Send(chunk(part), gap_s=0.01) for part in parts), *then]


# ---- before the first content: an honest status, or another target (U33, U34)

EMPTY_ENDS: dict[str, tuple[Script, str]] = {
    "FIN after the head": ([Send(HEAD), Close()], "stream_interrupted"),
    "RST after the head": ([Send(HEAD), Wait(0.05), Reset()], "stream_interrupted"),
    "an end after the head": ([Send(HEAD + LAST_CHUNK)], "stream_truncated"),
    "FIN after the role": (sends(ROLE_ONLY, then=[Close()]), "stream_interrupted"),
    "RST after the role": (sends(ROLE_ONLY, then=[Wait(0.05), Reset()]), "stream_interrupted"),
    "an end after the role": (sends(ROLE_ONLY, then=[Send(LAST_CHUNK)]), "stream_truncated"),
    "[DONE] alone": ([Send(streamed(DONE))], "stream_truncated"),
    "half an event": (sends(TOKENS[1][:40], then=[Send(LAST_CHUNK)]), "stream_truncated"),
    "HTML": (sends(b"<html>Traceback internal.host</html>\n\n", then=[Send(LAST_CHUNK)]),
             "stream_truncated"),
    "broken JSON": (sends(b'data: {"choices": [}\n\n'), "bad_upstream_response"),
    "a JSON that is no object": (sends(b"data: [1]\n\n"), "bad_upstream_response"),
    "two documents": (sends(b"data: {} {}\n\n"), "bad_upstream_response"),
    "bad UTF-8": (sends(TOKENS[1].replace(b"Gr", b"\xff")), "bad_upstream_response"),
    "an event of 8 MB": ([Send(HEAD), Send(chunk(event(chat_chunk({"content": "x" * (8 << 20)}))))],
                         "response_too_large"),
    "a line without end": ([Send(HEAD), Forever(chunk(b"x" * 65536))], "response_too_large"),
    "a bad chunk": ([Send(HEAD), Send(b"zz\r\n")], "protocol_error"),
    "gzip": ([Send(stream_head(200, b"content-type: text/event-stream\r\n"
                                    b"content-encoding: gzip\r\n"))], "bad_upstream_response"),
    "JSON instead": ([Send(response(200, chat_body()))], "bad_upstream_response"),
    "HTML instead": ([Send(response(200, b"<html>", b"content-type: text/html\r\n"))],
                     "bad_upstream_response"),
    "nothing instead": ([Send(response(200, b"", b""))], "bad_upstream_response"),
}  # fmt: skip


@pytest.mark.parametrize("name", EMPTY_ENDS)
def test_what_fails_before_the_first_content_is_an_http_error(on: Stage, name: str) -> None:
    script, code = EMPTY_ENDS[name]
    on.plays(script)
    answer = on.ask(stream=True)
    assert (answer.status, answer.error["code"]) == (502, code)
    assert answer.seconds < 3
    on.plays(script)
    answer = on.ask("pair", stream=True)
    if code == "response_too_large":  # the next would take as long: it is not asked
        assert answer.status == 502
    else:
        assert (answer.status, answer.text) == (200, "from the other")
        assert answer.headers["x-gateway-attempts"] == "2"
    on.check_well()


@pytest.mark.parametrize("bad", OF_TWO_SHAPES)
@pytest.mark.parametrize("before", [b"", ROLE_ONLY, b": ping\n\n"])
def test_an_error_event_before_the_content_is_an_http_error(
    on: Stage, before: bytes, bad: bytes
) -> None:
    on.plays(sends(before + bad, then=[Send(chunk(DONE) + LAST_CHUNK)]))
    answer = on.ask(stream=True)
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")
    assert on.ask("pair", stream=True).text == "from the other"


@pytest.mark.parametrize(
    "then",
    [[Stall()], [Send(chunk(ROLE_ONLY)), Stall()],
     [Send(chunk(ROLE_ONLY)), Forever(chunk(b": ping\n\n"), gap_s=0.05)],
     [Send(chunk(TOKENS[1][:-1]), piece=1, gap_s=0.02), Stall()]],
)  # fmt: skip
def test_no_content_in_time_is_first_token_timeout(on: Stage, then: Sequence[Step]) -> None:
    script = [Send(HEAD), *then]
    on.plays(script)
    answer = on.ask("hasty", stream=True)
    assert (answer.status, answer.error["code"]) == (504, "first_token_timeout")
    assert 0.4 <= answer.seconds < 3
    on.plays(script)
    assert on.ask("hasty-pair", stream=True).text == "from the other"
    on.check_well()


def test_single_bytes_do_not_force_the_commit(on: Stage) -> None:
    on.plays([Send(HEAD), Send(chunk(ROLE_ONLY), piece=1, gap_s=0.001), Wait(0.01), Close()])
    answer = on.ask(stream=True)
    assert (answer.status, answer.error["code"]) == (502, "stream_interrupted")


# ---- after it: told in the stream (U35 to U42)

CUTS: dict[str, tuple[Sequence[Step], str]] = {
    "FIN": ([Close()], "stream_interrupted"),
    "RST": ([Wait(0.05), Reset()], "stream_interrupted"),
    "FIN within an event": ([Send(chunk(TOKENS[1][:40])), Close()], "stream_interrupted"),
    "an end within an event": ([Send(chunk(TOKENS[1][:40]) + LAST_CHUNK)], "stream_truncated"),
    "an end within the last": ([Send(chunk(FINISH[:-1]) + LAST_CHUNK)], "stream_truncated"),
    "an end": ([Send(LAST_CHUNK)], "stream_truncated"),
    "a bad chunk": ([Send(b"zz\r\n")], "protocol_error"),
    "broken JSON": ([Send(chunk(b'data: {"choices":[}\n\n' + DONE))], "bad_upstream_response"),
    "a cut event": ([Send(chunk(TOKENS[2][:40] + b"\n\n" + DONE))], "bad_upstream_response"),
    "a list": ([Send(chunk(b"data: [1]\n\n" + DONE))], "bad_upstream_response"),
    "bad UTF-8": ([Send(chunk(TOKENS[1].replace(b"Gr", b"\xff") + DONE))], "bad_upstream_response"),
    "a lone surrogate": ([Send(chunk(TOKENS[1].replace(b"Gr", rb"\ud800") + DONE))],
                         "bad_upstream_response"),
    "NaN": ([Send(chunk(b'data: {"x":NaN,"choices":[]}\n\n' + DONE))], "bad_upstream_response"),
    "20 000 digits": ([Send(chunk(b'data: {"x":%b,"choices":[]}\n\n' % (b"1" * 20_000) + DONE))],
                      "bad_upstream_response"),
    "200 000 levels": ([Send(chunk(b'data: {"x":%b%b,"choices":[]}\n\n'
                                   % (b"[" * 200_000, b"]" * 200_000) + DONE))],
                       "bad_upstream_response"),
    "an event of 8 MB": ([Send(chunk(event(chat_chunk({"content": "x" * (8 << 20)}))))],
                         "response_too_large"),
    "a line without end": ([Forever(chunk(b"x" * 65536))], "response_too_large"),
    "endless trailers": ([Send(b"0\r\n"), Forever(b"x: y\r\n" * 1000)], "protocol_error"),
}  # fmt: skip


@pytest.mark.parametrize("name", CUTS)
def test_a_cut_stream_never_looks_whole(on: Stage, name: str) -> None:
    then, code = CUTS[name]
    before = on.gateway.rss_bytes()
    on.plays(sends(*TOKENS, then=then))
    answer = on.ask("pair", stream=True)  # the other may not answer any more
    error = answer.last_error
    assert (error["code"], error["type"]) == (code, "upstream_error")
    assert b"\n\n".join(answer.body.split(b"\n\n")[:-2]) + b"\n\n" == b"".join(TOKENS)
    assert answer.headers["x-gateway-attempts"] == "1"
    assert answer.seconds < 3
    assert on.gateway.rss_bytes() - before < 24e6
    on.check_well()


@pytest.mark.parametrize("bad", OF_TWO_SHAPES)
@pytest.mark.parametrize("after", [DONE, FINISH + DONE, b""])
@pytest.mark.parametrize("apart", [False, True])
def test_an_error_event_in_the_stream_is_its_end(
    on: Stage, bad: bytes, after: bytes, apart: bool
) -> None:
    rest = [bad, after, b"", b""] if apart else [bad + after]
    on.plays(sends(*TOKENS, *filter(None, rest), then=[Send(LAST_CHUNK)]))
    answer = on.ask(stream=True)
    error = answer.last_error
    assert (error["code"], error["message"]) == ("upstream_error", "the backend failed")
    assert b"boom" not in answer.body


def test_nothing_follows_an_error_in_one_burst(on: Stage) -> None:
    burst = b"".join(chunk(part) for part in [*TOKENS, OF_TWO_SHAPES[0], *TOKENS * 3000, DONE])
    for _ in range(3):
        on.plays([Send(HEAD), Send(burst + LAST_CHUNK)])
        answer = on.ask(stream=True)
        assert answer.last_error["code"] == "upstream_error"
        assert answer.body.count(b'"content"') == len(TOKENS)


@pytest.mark.parametrize(
    "then",
    [[Stall()], [Forever(chunk(b": ping\n\n"), gap_s=0.05)], [Forever(chunk(b"\n"), gap_s=0.05)],
     [Send(chunk(TOKENS[1] * 9)[:-4], piece=1, gap_s=0.02), Stall()]],
)  # fmt: skip
def test_idleness_is_measured_by_events(on: Stage, then: Sequence[Step]) -> None:
    on.plays(sends(*TOKENS, then=then))
    answer = on.ask("hasty", stream=True)
    assert answer.last_error["code"] == "idle_timeout"
    assert answer.last_error["type"] == "timeout_error"
    assert 0.4 <= answer.seconds < 12
    on.check_well()


def test_an_endless_stream_ends_at_the_deadline(on: Stage) -> None:
    before = on.gateway.rss_bytes()
    on.plays([Send(HEAD), Forever(chunk(TOKENS[1]), gap_s=0.01)])
    answer = on.ask("brief", stream=True)
    assert answer.last_error["code"] == "total_timeout"
    assert 0.8 <= answer.seconds < 3
    on.plays([Send(HEAD), Forever(chunk(TOKENS[1] * 500))])  # as fast as it can
    answer = on.ask("brief", stream=True)
    assert answer.last_error["code"] == "total_timeout"
    assert on.gateway.rss_bytes() - before < 24e6
    on.check_well()


def test_slow_but_alive_is_not_cut(on: Stage) -> None:
    on.plays(sends(*TOKENS, FINISH + DONE, then=[Send(LAST_CHUNK)]))
    slow = [Send(HEAD), *(Send(chunk(part), gap_s=0.3) for part in TOKENS[:4]), *on.script[0][-2:]]
    on.plays(slow)
    answer = on.ask("patient", stream=True)
    assert answer.seconds > 1.1  # longer than it may be idle
    assert (answer.text, answer.events[-1]) == ("".join(TEXT[:3]), b"[DONE]")


# ---- good ends, however they are spelled (U37, U43, U44, U46)


def test_a_finish_without_done_gets_one(on: Stage) -> None:
    on.plays([Send(streamed(*TOKENS, FINISH))])
    answer = on.ask(stream=True)
    assert answer.body == WHOLE
    on.plays([Send(streamed(*TOKENS, FINISH, event(chat_chunk(used=usage(3, 5)))))])
    answer = on.ask(stream=True)
    assert answer.body == WHOLE
    assert on.record(answer.label)["output_tokens"] == 5


def test_done_then_silence_ends_at_once(on: Stage) -> None:
    on.plays([Send(HEAD + chunk(WHOLE)), Stall()])
    answer = on.ask(stream=True)
    assert (answer.body, answer.seconds < 1) == (WHOLE, True)
    connection = on.bad.journal[-1].connection
    on.check_well()
    assert on.bad.journal[-1].connection != connection


@pytest.mark.parametrize("apart", [False, True])
def test_what_follows_done_is_dropped(on: Stage, apart: bool) -> None:
    late = [chunk(event(chat_chunk({"content": "late"}))), chunk(DONE), LAST_CHUNK]
    if apart:
        on.plays([Send(HEAD + chunk(WHOLE)), *(Send(part, gap_s=0.02) for part in late)])
    else:
        on.plays([Send(HEAD + chunk(WHOLE) + b"".join(late))])
    assert on.ask(stream=True).body == WHOLE
    on.check_well()


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("space", [b" ", b""])
@pytest.mark.parametrize("comment", [b"", b" ping"])
def test_other_spellings_say_the_same(
    on: Stage, newline: bytes, space: bytes, comment: bytes
) -> None:
    events = [*TOKENS, FINISH, DONE]
    spelled = b"".join(respelled(events, newline=newline, space=space, comment=comment))
    for size in (len(spelled), 100, 7):
        on.plays([Send(HEAD), Send(chunks(spelled, size)), Send(LAST_CHUNK)])
        assert on.ask(stream=True).body == WHOLE


def test_ids_names_retries_and_a_bom_fall_away(on: Stage) -> None:
    odd = b"\xef\xbb\xbfretry: 3000\n\nid: 7\nevent: message\n%b\n: c\n%b" % (TOKENS[0], TOKENS[1])
    on.plays(sends(odd, b"".join(TOKENS[2:]) + FINISH, DONE, then=[Send(LAST_CHUNK)]))
    assert on.ask(stream=True).body == WHOLE


def test_any_cutting_gives_the_same_bytes(on: Stage) -> None:
    on.plays([Send(HEAD + chunks(WHOLE, 1) + LAST_CHUNK)])  # chunks of a byte
    assert on.ask(stream=True).body == WHOLE
    on.plays([Send(HEAD), Send(chunks(WHOLE, 3), piece=5), Send(LAST_CHUNK)])  # writes across them
    assert on.ask(stream=True).body == WHOLE
    crab = WHOLE.index(b"\xf0\x9f\xa6\x80")
    for at in (1, 2, 3):  # within a letter
        halves = (WHOLE[: crab + at], WHOLE[crab + at :])
        on.plays(sends(*halves, then=[Send(LAST_CHUNK)]))
        assert on.ask(stream=True).body == WHOLE
    on.plays([Send(SSE + b"\r\n" + WHOLE[:99]), Wait(0.02), Send(WHOLE[99:]), Close()])
    assert on.ask(stream=True).body == WHOLE  # to the connection's end
    on.plays([Send(SSE + b"content-length: %d\r\n\r\n" % len(WHOLE) + WHOLE)])
    assert on.ask(stream=True).body == WHOLE


def test_a_stream_in_single_bytes_costs_little(on: Stage) -> None:
    events = chat_events(["token "] * 130)
    spent = time.process_time()
    on.plays([Send(HEAD), Send(chunks(b"".join(events), 1), piece=6), Send(LAST_CHUNK)])
    answer = on.ask(stream=True)
    assert answer.body == b"".join(events)
    assert len(answer.body) > 20_000
    assert time.process_time() - spent < 5


COUNTED = 2  # events with content, where the upstream says nothing that makes sense


def test_usage_is_told_where_it_makes_sense(on: Stage) -> None:
    reports: list[tuple[Sequence[object], int]] = [
        ([usage(7, 1), usage(7, 3)], 3),  # cumulative: the last counts
        ([usage(7, -2)], COUNTED),
        ([usage(7, 10**15)], COUNTED),
        ([{"prompt_tokens": "7", "completion_tokens": "2"}], COUNTED),
        (["none"], COUNTED),
        ([None], COUNTED),
    ]
    asked = []
    for used, _ in reports:
        bodies = [chat_chunk({"content": "x"}, used=one) for one in used]
        on.plays([Send(streamed(*map(event, bodies), FINISH, DONE))])
        asked.append(on.ask(stream=True))
        assert asked[-1].events[-1] == b"[DONE]"
    told = [on.record(answer.label).get("output_tokens") for answer in asked]
    assert told == [expected for _, expected in reports]


def test_usage_that_only_we_asked_for_stays_here(on: Stage) -> None:
    on.plays([Send(streamed(*TOKENS, FINISH, event(chat_chunk(used=usage())), DONE))])
    answer = on.ask(stream=True)
    assert answer.body == WHOLE
    assert json.loads(on.bad.journal[-1].body)["stream_options"] == {"include_usage": True}
    answer = on.ask(stream=True, fields={"stream_options": {"include_usage": True}})
    assert json.loads(answer.events[-2])["usage"] == usage()


def test_a_completion_streams_alike(on: Stage) -> None:
    on.plays(sends(b'data: {"choices":[{"index":0,"text":"a"}]}\n\n', then=[Close()]))
    answer = on.ask(path="/v1/completions", stream=True, fields={"prompt": "x"})
    assert answer.last_error["code"] == "stream_interrupted"
    on.check_well()
