"""A stream between two languages: what goes out, how it ends, what is read off."""

import json

from gateway.chat.deltas import Begin
from gateway.dialects import bedrock, openai_chat
from gateway.dialects.translation import Chats, Translated
from gateway.errors import Code, GatewayError
from gateway.wire import sse
from tests.vendors import bedrock_wire
from tests.vendors.openai_wire import chat_body, chat_chunk, event

ASKED = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}}

OURS = Begin("gen-1", "asked-for", 7)


def stream() -> Translated:
    return Chats(openai_chat.CLIENT, openai_chat.UPSTREAM).stream(ASKED, OURS)


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


def test_what_the_upstream_leaves_unsaid_of_its_answer_is_ours_in_every_event() -> None:
    chats = Chats(openai_chat.CLIENT, bedrock.UPSTREAM)
    said = {"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}
    whole, _ = chats.answer(said, ASKED, OURS)
    assert (whole["id"], whole["model"], whole["created"]) == ("gen-1", "asked-for", 7)
    text = {"contentBlockIndex": 0, "delta": {"text": "Hi"}}
    events: list[tuple[str, object]] = [("messageStart", {"role": "assistant"})]
    events += [("contentBlockDelta", text), ("messageStop", {"stopReason": "end_turn"})]
    events.append(("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}}))
    told = chats.stream(ASKED, OURS).feed(bedrock_wire.stream(events))
    chunks = [json.loads(one[6:]) for one in told.split(b"\n\n") if one.startswith(b"data: {")]
    assert len(chunks) > 2
    assert {(one["id"], one["model"], one["created"]) for one in chunks} == {
        ("gen-1", "asked-for", 7)
    }


def test_what_the_upstream_says_of_its_answer_stays() -> None:
    whole, _ = Chats(openai_chat.CLIENT, openai_chat.UPSTREAM).answer(
        json.loads(chat_body()), ASKED, OURS
    )
    assert (whole["id"], whole["model"], whole["created"]) == ("vendor-1", "gpt-vendor", 1)
    chunk = json.loads(stream().feed(SAID).split(b"\n\n")[0].removeprefix(b"data: "))
    assert (chunk["id"], chunk["model"], chunk["created"]) == ("vendor-1", "gpt-vendor", 1)
