"""An answer as bytes: whole, in parts or cut, and its client's pace."""

import asyncio
from email.utils import parsedate_to_datetime

import pytest

from gateway.server.outlet import Outlet
from tests.http_answers import Answer, answers
from tests.vendors.looped import looped


class Line:
    """What an outlet writes to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.ended: list[str] = []

    def write(self, data: bytes) -> None:
        assert not self.ended, "written after the end"
        self.written.append(data)

    def answered(self, *, keep: bool) -> None:
        self.ended.append("keep" if keep else "close")

    def abort(self) -> None:
        self.ended.append("abort")

    def answer(self, method: str = "GET") -> Answer:
        (found,) = answers(b"".join(self.written), [method])
        return found


class Tap:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")


def outlet(line: Line, *, keep: bool = True, modern: bool = True, head: bool = False) -> Outlet:
    return Outlet(line, keep=keep, chunked=modern, bodiless=head)


# ---- whole


def test_a_whole_answer_is_one_write() -> None:
    line = Line()
    out = outlet(line)
    out.whole(200, b"x-a: b\r\n", b"body")
    found = line.answer()
    assert (found.status, found.body, found.headers["x-a"]) == (200, b"body", "b")
    assert (len(line.written), line.ended, out.bytes_sent) == (1, ["keep"], 4)


def test_every_answer_bears_the_date() -> None:
    line = Line()
    outlet(line).whole(200, b"", b"")
    assert parsedate_to_datetime(line.answer().headers["date"]).tzinfo is not None
    assert line.answer().headers["date"].endswith("GMT")


@pytest.mark.parametrize(
    ("keep", "modern", "connection"),
    [
        (True, True, None),
        (False, True, "close"),
        (True, False, "keep-alive"),
        (False, False, "close"),
    ],
)
def test_the_connection_is_spoken_of_where_the_version_would_have_it_otherwise(
    keep: bool, modern: bool, connection: str | None
) -> None:
    whole, begun = Line(), Line()
    outlet(whole, keep=keep, modern=modern).whole(200, b"", b"x")
    out = outlet(begun, keep=keep, modern=modern)
    out.begin(200, b"", length=1)
    out.end(b"x")
    for line in (whole, begun):
        assert line.answer().headers.get("connection") == connection
        assert line.ended == ["keep" if keep else "close"]


def test_an_unknown_status_has_a_phrase_of_ours() -> None:
    line = Line()
    outlet(line).whole(599, b"", b"")
    assert line.written[0].startswith(b"HTTP/1.1 599 Unknown\r\n")


def test_nothing_follows_a_whole_answer() -> None:
    line = Line()
    out = outlet(line)
    out.whole(200, b"", b"one")
    out.whole(500, b"", b"two")
    out.push(b"three")
    out.end(b"four")
    out.cut()
    out.lost()
    assert len(line.written) == 1
    assert line.ended == ["keep"]


# ---- in parts


def test_the_head_travels_with_the_first_part() -> None:
    line = Line()
    out = outlet(line)
    out.begin(200, b"")
    assert line.written == []
    out.push(b"one ")
    assert len(line.written) == 1
    out.end(b"two")
    assert line.answer().body == b"one two"
    assert line.answer().ended
    assert out.bytes_sent == 7


def test_an_empty_part_sends_the_head_and_no_last_chunk() -> None:
    line = Line()
    out = outlet(line)
    out.begin(200, b"")
    out.push(b"")
    out.push(b"")
    assert not line.answer().ended
    out.end()
    assert (line.answer().body, line.answer().ended) == (b"", True)


def test_a_known_length_is_said_and_nothing_is_chunked() -> None:
    line = Line()
    out = outlet(line)
    out.begin(200, b"", length=4)
    out.push(b"1")
    out.end(b"234")
    assert line.answer().headers["content-length"] == "4"
    assert line.answer().body == b"1234"


def test_for_http_1_0_the_end_of_the_connection_is_the_end() -> None:
    line = Line()
    out = outlet(line, modern=False)
    out.begin(200, b"")
    out.end(b"all")
    found = line.answer()
    assert (found.body, found.closes, line.ended) == (b"all", True, ["close"])


@pytest.mark.parametrize("how", ["whole", "parts", "known"])
def test_head_gets_no_body_however_it_is_answered(how: str) -> None:
    line = Line()
    out = outlet(line, head=True)
    if how == "whole":
        out.whole(200, b"", b"body")
    else:
        out.begin(200, b"", length=4 if how == "known" else None)
        out.push(b"bo")
        out.end(b"dy")
    assert b"".join(line.written).endswith(b"\r\n\r\n")
    assert line.answer("HEAD").headers.get("content-length") == ("4" if how != "parts" else None)
    assert line.ended == ["keep"]


def test_an_answer_may_end_the_connection() -> None:
    line = Line()
    out = outlet(line)
    out.begin(200, b"")
    out.end(b"error", keep=False)
    assert line.ended == ["close"]


def test_the_last_answer_says_so_if_it_still_can() -> None:
    early, late = Line(), Line()
    out = outlet(early)
    out.last()
    out.whole(200, b"", b"")
    assert early.answer().closes
    out = outlet(late)
    out.begin(200, b"")
    out.push(b"x")
    out.last()
    out.end()
    assert late.ended == ["close"]


def test_a_cut_answer_never_looks_whole() -> None:
    line = Line()
    out = outlet(line)
    out.begin(200, b"")
    out.push(b"half")
    out.cut()
    out.end(b"more")
    assert not line.answer().ended
    assert line.ended == ["abort"]


def test_a_comment_is_slipped_in_only_among_events() -> None:
    line = Line()
    out = outlet(line)
    out.begin(200, b"")
    out.push(b"data: 1\n\n")
    assert not out.comment()
    out.events = True
    assert out.comment()
    out.end()
    assert not out.comment()
    assert line.answer().body == b"data: 1\n\n:\n\n"


# ---- the client's pace


@looped
async def test_a_source_is_held_back_while_the_client_does_not_read() -> None:
    out, tap = outlet(Line()), Tap()
    out.draw_from(tap)
    out.block()
    out.unblock()
    assert tap.calls == ["pause", "resume"]


@looped
async def test_a_source_that_comes_late_is_held_back_at_once() -> None:
    out, tap = outlet(Line()), Tap()
    out.block()
    out.draw_from(tap)
    assert tap.calls == ["pause"]


@looped
@pytest.mark.parametrize("how", ["unblock", "lost", "cut"])
async def test_who_waits_for_room_waits_until_there_is_some_or_nobody(how: str) -> None:
    out = outlet(Line())
    await out.drained()
    out.block()
    waiting = [asyncio.create_task(out.drained()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    getattr(out, how)()
    await asyncio.gather(*waiting)


@looped
async def test_one_that_gives_up_waiting_does_not_wake_the_others() -> None:
    out = outlet(Line())
    out.block()
    first, second = (asyncio.create_task(out.drained()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    assert not second.done()
    out.unblock()
    await second


def test_a_client_that_is_gone_is_written_nothing() -> None:
    line = Line()
    out = outlet(line)
    out.lost()
    out.whole(200, b"", b"x")
    out.begin(200, b"")
    out.push(b"x")
    out.end()
    assert (line.written, line.ended) == ([], [])
