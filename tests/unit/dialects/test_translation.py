"""A stream between two languages: what goes out, how it ends, what is read off."""

import json

from gateway.dialects import openai_chat
from gateway.dialects.translation import Chats, Translated
from gateway.errors import Code, GatewayError
from gateway.wire import sse
from tests.vendors.openai_wire import chat_chunk, event

ASKED = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}}


def stream() -> Translated:
    return Chats(openai_chat.CLIENT, openai_chat.UPSTREAM).stream(ASKED)


SAID = event(chat_chunk({"content": "Hello"}))
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
FINISH = event(json.dumps({**json.loads(chat_chunk({}, finish="stop")), "usage": USAGE}).encode())


def test_what_comes_in_one_language_goes_out_in_the_other() -> None:
    watch = stream()
    assert b"Hello" in watch.feed(SAID)
    assert (watch.content, watch.done, watch.tokens) == (True, False, 1)
    last = watch.feed(FINISH + sse.DONE)
    assert last.endswith(sse.DONE)
    assert watch.done
    assert watch.usage is not None
    assert (watch.usage.input, watch.usage.output) == (3, 2)
    assert watch.feed(SAID) == b""


def test_an_end_that_comes_too_early_is_no_end() -> None:
    watch = stream()
    watch.feed(SAID)
    assert watch.close() is None
    assert watch.broken is Code.STREAM_TRUNCATED


def test_nothing_follows_what_is_broken_and_it_is_told_in_the_client_s_words() -> None:
    watch = stream()
    assert b"Hello" in watch.feed(SAID + b"data: {broken\n\n" + SAID)
    assert watch.broken is Code.BAD_RESPONSE
    assert watch.feed(SAID) == b""
    told = watch.error_event(GatewayError(Code.BAD_RESPONSE, "no"))
    assert json.loads(told.removeprefix(b"data: "))["error"]["code"] == "bad_upstream_response"
