"""A backend that fails is tried again, stood in for, left alone and taken back; the caller hardly
notices. Through the port, against a vendor that misbehaves on the byte level.
"""

import json
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.harness import until
from tests.journeys.stage import WELL, Stage, stage
from tests.vendors.openai_wire import chat_body, chat_chunk, chat_events, error_body, event
from tests.vendors.scripted import (
    Close,
    Received,
    Reset,
    Script,
    Send,
    Stall,
    Wait,
    chunk,
    response,
    stream_head,
    streamed,
)

# Each test has a target of its own, so that what is remembered of one is no other's.
NAMES: Final = [f"t{number}" for number in range(80)]
MODELS: Final = "".join(
    f"""
  {name}: bad/{name}
  {name}-pair: {{targets: [{{use: bad/{name}-pair}}, {{use: good/{name}, tier: 2}}]}}
"""
    for name in NAMES
)
MORE: Final = """
  long: good/long
  context: {targets: [{use: bad/context}], fallbacks: {context_length: [long]}}
  policy: {targets: [{use: bad/policy}], fallbacks: {content_policy: [long]}}
  limited: {targets: [{use: bad/limited}], fallbacks: {rate_limit: [long]}}
  outage: {targets: [{use: bad/outage}], fallbacks: {any: [long]}}
  quick: {targets: [{use: bad/quick}], timeouts: {first_content_s: 0.3}, deadline_s: 2}
  short: {targets: [{use: bad/short}], deadline_s: 1.2}
  hedged:
    targets: [{use: bad/hedged}, {use: good/hedged, tier: 2}]
    hedging: {enabled: true, after_s: 0.2, budget_ratio: 1}
  continued:
    targets: [{use: goes-on/continued}, {use: goes-on/continued-too, tier: 2}]
    continuation: {enabled: true}
  not-continued:
    targets: [{use: bad/not-continued}, {use: good/not-continued, tier: 2}]
    continuation: {enabled: true}
  shadowed:
    targets: [{use: good/shadowed}]
    shadow: {use: bad/shadow, ratio: 1}
    timeouts: {first_content_s: 1}
  refused: {targets: [{use: other-key/refused}, {use: good/refused, tier: 2}]}
  refused-only: other-key-too/refused
"""
_BACKEND: Final = (
    'provider: openai_compatible, base_url: "{bad}/v1", credential: sk-upstream-secret'
)
BACKENDS: Final = f"""
  other-key: {{{_BACKEND}}}
  other-key-too: {{{_BACKEND}}}
  goes-on: {{{_BACKEND}, continues_prefix: true}}
"""
RULES: Final = """
attempts: {backoff_base_s: 0.05, retry_budget_ratio: 1}
circuit: {min_requests: 4, open_s: 1}
server: {heartbeat_s: 0.6}
"""
GOOD: Final[Script] = [Send(response(200, chat_body(WELL)))]
GOOD_STREAM: Final[Script] = [Send(streamed(*chat_events(("All ", "is ", "well."))))]
FAILS: Final[Script] = [Send(response(500))]
HEAD: Final = stream_head()
ALL: Final = chunk(event(chat_chunk({"content": "All "})))


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    with stage(MODELS + MORE, BACKENDS, RULES) as made:
        yield made
        made.check_nothing_open()


@pytest.fixture(scope="module")
def free() -> list[str]:
    return list(NAMES)


@pytest.fixture
def name(free: list[str]) -> str:
    """A model whose target nobody has asked yet; NAME-pair has a good one behind it."""
    return free.pop()


def asked_for(request: Received) -> str:
    model: str = json.loads(request.body)["model"]
    return model


# ---- again, and elsewhere


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "failing",
    [
        [Send(response(500))],
        [Send(response(502, b"<html>"))],
        [Send(response(503))],
        [Send(response(504))],
        [Send(response(520))],
        [Send(response(529))],
        [Send(response(408))],
        [Send(response(409, error_body("conflict")))],
        [Reset()],
        [Close()],
        [Send(response(200, b"<html>"))],
        [Send(response(429))],
        [Send(response(429, headers=b"retry-after-ms: 100\r\n"))],
        [Send(response(503, headers=b"retry-after: 0\r\n"))],
    ],
)
def test_what_may_pass_the_second_time_is_tried_again(
    on: Stage, name: str, failing: Script, stream: bool
) -> None:
    on.plays(failing, GOOD_STREAM if stream else GOOD)
    answer = on.ask(name, stream=stream)
    assert (answer.status, answer.text) == (200, WELL)
    # On a connection that was used before, an end without a byte is no failure: it was stale.
    stale = failing[0] in (Reset(), Close())
    assert stale or answer.headers.get("x-gateway-attempts", "2") == "2"
    assert on.played == 2


@pytest.mark.parametrize(
    ("failing", "status", "code"),
    [
        ([Send(response(400, error_body("no")))], 400, "upstream_refused"),
        ([Send(response(404, error_body("no")))], 404, "upstream_refused"),
        ([Send(response(422, error_body("no")))], 422, "upstream_refused"),
        ([Send(response(501))], 502, "upstream_unsupported"),
        ([Send(response(405))], 502, "upstream_unsupported"),
        ([Send(response(302))], 502, "upstream_redirect"),
        ([Send(response(402))], 429, "upstream_quota"),
        ([Send(response(429, error_body("x", code="insufficient_quota")))], 429, "upstream_quota"),
        ([Send(b"SSH-2.0-OpenSSH\r\n")], 502, "protocol_error"),
        ([Send(response(429, headers=b"retry-after: 86400\r\n"))], 429, "upstream_rate_limited"),
    ],
)
def test_what_would_fail_again_is_not_tried_again(
    on: Stage, name: str, failing: Script, status: int, code: str
) -> None:
    on.plays(failing, GOOD)
    answer = on.ask(name)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert on.played == 1
    assert answer.seconds < 1


@pytest.mark.parametrize(
    "failing",
    [
        [Send(response(400, error_body("no")))],
        [Send(response(501))],
        [Send(b"SSH-2.0-OpenSSH\r\n")],
    ],
)
def test_nor_is_it_for_a_stream(on: Stage, name: str, failing: Script) -> None:
    on.plays(failing, GOOD_STREAM)
    answer = on.ask(name, stream=True)
    assert answer.headers["x-gateway-attempts"] == "1"
    assert on.played == 1


def test_three_attempts_are_all(on: Stage, name: str) -> None:
    on.plays(FAILS)
    answer = on.ask(name)
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")
    assert (on.played, answer.headers["x-gateway-attempts"]) == (3, "3")
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [False, True])
def test_another_target_answers_at_once(on: Stage, name: str, stream: bool) -> None:
    on.plays(FAILS)
    answer = on.ask(f"{name}-pair", stream=stream)
    assert (answer.status, answer.text) == (200, "from the other")
    assert answer.headers["x-gateway-model"] == f"good/{name}"
    assert on.played == 1


@pytest.mark.parametrize(
    "beginning",
    [
        [Send(HEAD), Close()],
        [Send(HEAD), Reset()],
        [Send(HEAD + chunk(event(chat_chunk({"role": "assistant"})))), Close()],
        [Send(HEAD + chunk(b"<html>\n\n")), Close()],
        [Send(HEAD + chunk(b'data: {"error":{"message":"boom"}}\n\n')), Close()],
    ],
)
def test_a_stream_that_fails_before_its_content_costs_the_caller_nothing(
    on: Stage, name: str, beginning: Script
) -> None:
    on.plays(beginning, GOOD_STREAM)
    answer = on.ask(name, stream=True)
    assert (answer.text, answer.events[-1]) == (WELL, b"[DONE]")
    assert answer.headers["x-gateway-attempts"] == "2"


def test_behind_the_first_content_nobody_else_answers(on: Stage, name: str) -> None:
    on.plays([Send(HEAD + ALL), Close()], GOOD_STREAM)
    answer = on.ask(f"{name}-pair", stream=True)
    assert answer.last_error["code"] == "stream_interrupted"
    assert on.played == 1


def test_a_caller_s_own_deadline_ends_the_attempts(on: Stage, name: str) -> None:
    on.plays([Wait(0.3), Send(response(500))])
    answer = on.ask(name, headers={"x-request-timeout": "0.7"})
    assert answer.status in (502, 504)
    assert on.played <= 2
    assert answer.seconds < 1.0


def test_an_sdk_s_timeout_counts_for_whole_answers_only(on: Stage, name: str) -> None:
    on.plays([Wait(0.6), *GOOD])
    headers = {"x-stainless-read-timeout": "0.3"}
    assert on.ask(name, headers=headers).error["code"] == "total_timeout"
    on.plays([Wait(0.6), *GOOD_STREAM])
    assert on.ask(name, headers=headers, stream=True).text == WELL


def test_a_wait_that_outlasts_the_deadline_is_not_begun(on: Stage) -> None:
    on.plays([Send(response(429, headers=b"retry-after: 5\r\n"))])
    answer = on.ask("short")
    assert (answer.status, answer.headers["retry-after"]) == (429, "5")
    assert answer.seconds < 0.5


# ---- other models


@pytest.mark.parametrize(
    ("model", "failing"),
    [
        ("context", [Send(response(400, error_body("x", code="context_length_exceeded")))]),
        ("policy", [Send(response(400, error_body("x", code="content_filter")))]),
        ("limited", [Send(response(429, headers=b"retry-after: 30\r\n"))]),
        ("outage", [Reset()]),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_each_kind_of_failure_has_its_fallback(
    on: Stage, model: str, failing: Script, stream: bool
) -> None:
    on.plays(failing)
    answer = on.ask(model, stream=stream)
    assert (answer.status, answer.text) == (200, "from the other")
    assert answer.headers["x-gateway-model"] == "good/long"
    assert on.record(answer.label)["model"] == model


# ---- left alone


def test_a_circuit_opens_is_probed_and_closes(on: Stage, name: str) -> None:
    on.plays(FAILS)
    while on.ask(name).error["code"] != "no_upstream_available":
        assert on.played < 12
    seen = on.played
    refused = on.ask(name)
    assert (refused.status, refused.error["type"]) == (503, "overloaded_error")
    assert refused.seconds < 0.5
    assert int(refused.headers["retry-after"]) in (1, 2)
    assert on.played <= seen + 1  # but for the last resort, nobody asks
    on.plays(GOOD)
    until(lambda: on.ask(name).status == 200, 4, "the circuit never closed")
    assert on.ask(name).status == 200


def test_where_all_circuits_are_open_the_caller_learns_at_once(on: Stage, name: str) -> None:
    """U48: within 20 ms, with the soonest time, whole and streamed; and it shows."""
    on.plays(FAILS)
    while on.ask(name).error["code"] != "no_upstream_available":
        assert on.played < 12
    for stream in (False, True):
        refused = [on.ask(name, stream=stream) for _ in range(6)]
        told = [one for one in refused if one.status == 503]
        assert len(told) >= 5  # one may have been the last resort
        assert all(one.error["code"] == "no_upstream_available" for one in told)
        assert all(one.headers["retry-after"] in ("1", "2") for one in told)
        assert min(one.seconds for one in told) < 0.02
    assert on.gateway.metric("gateway_circuit_state", backend="bad", target=name) > 0


def test_a_failed_probe_makes_the_next_one_later(on: Stage, name: str) -> None:
    on.plays(FAILS)
    while on.ask(f"{name}-pair").headers["x-gateway-attempts"] == "2":
        assert on.played < 12
    seen = on.played
    until(lambda: on.ask(f"{name}-pair").headers["x-gateway-attempts"] == "2", 2, "no probe")
    probed_at = time.monotonic()
    assert on.played == seen + 1  # one request was the probe, and it was stood in for
    until(lambda: on.ask(f"{name}-pair").headers["x-gateway-attempts"] == "2", 4, "no probe")
    assert time.monotonic() - probed_at > 1.5  # 2 s, give or take a fifth


def test_an_open_circuit_is_passed_over(on: Stage, name: str) -> None:
    on.plays(FAILS)
    for _ in range(4):
        assert on.ask(f"{name}-pair").text == "from the other"
    seen = on.played
    for _ in range(5):
        answer = on.ask(f"{name}-pair")
        assert (answer.status, answer.headers["x-gateway-attempts"]) == (200, "1")
    assert on.played == seen


def test_refusals_open_no_circuit(on: Stage, name: str) -> None:
    on.plays([Send(response(400, error_body("no")))])
    for _ in range(8):
        assert on.ask(name).status == 400
    assert on.played == 8


def test_a_429_holds_its_target_for_as_long_as_it_says(on: Stage, name: str) -> None:
    on.plays([Send(response(429, headers=b"retry-after: 1\r\n"))], GOOD)
    assert on.ask(f"{name}-pair").text == "from the other"
    assert on.ask(f"{name}-pair").text == "from the other"
    assert on.played == 1
    until(lambda: on.ask(f"{name}-pair").text == WELL, 3, "the hold never ended")


@pytest.mark.parametrize("stream", [False, True])
def test_a_quota_that_is_used_up_is_held_for_a_minute_and_shown(
    on: Stage, name: str, stream: bool
) -> None:
    on.plays([Send(response(402))])
    for _ in range(3):
        assert on.ask(f"{name}-pair", stream=stream).text == "from the other"
    assert on.played == 1
    held_s = on.gateway.metric(
        "gateway_upstream_hold_seconds", backend="bad", target=f"{name}-pair"
    )
    assert 50 < held_s <= 60
    assert on.gateway.metric("gateway_circuit_state", backend="bad", target=f"{name}-pair") == 0


def test_a_limit_that_is_used_up_rests_until_its_reset(on: Stage, name: str) -> None:
    headers = (
        b"content-type: application/json\r\n"
        b"x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 800ms\r\n"
    )
    on.plays([Send(response(200, chat_body(WELL), headers))])
    assert on.ask(f"{name}-pair").text == WELL
    assert on.ask(f"{name}-pair").text == "from the other"
    assert on.ask(f"{name}-pair", stream=True).text == "from the other"
    until(lambda: on.ask(f"{name}-pair").text == WELL, 3, "the hold never ended")


def test_a_refused_credential_is_remembered_and_no_fault_of_the_caller(on: Stage) -> None:
    on.plays([Send(response(401, error_body("bad key")))])
    assert on.ask("refused").text == "from the other"
    assert on.ask("refused").text == "from the other"
    assert on.played == 1
    for _ in range(2):
        answer = on.ask("refused-only")
        assert (answer.status, answer.error["code"]) == (502, "upstream_auth_error")
    assert on.played == 3  # nothing else is left: each asks whether it is good again
    told = on.gateway.metric("gateway_backend_credential_refused", backend="other-key")
    assert told == 1


# ---- time


def test_a_silent_stream_gets_comments_before_its_content_and_between(on: Stage, name: str) -> None:
    events = chat_events(("All ", "is ", "well."))
    on.plays(
        [
            Wait(1.5),
            Send(HEAD + chunk(b"".join(events[:2]))),
            Wait(1.5),
            Send(chunk(b"".join(events[2:])) + b"0\r\n\r\n"),
        ]
    )
    answer = on.ask(name, stream=True)
    parts = [part for part in answer.body.split(b"\n\n") if part]
    comments = [at for at, part in enumerate(parts) if part.startswith(b":")]
    assert comments[0] == 0
    assert 2 <= len(comments) <= 6
    said = b"".join(
        json.loads(part[6:])["choices"][0]["delta"].get("content", "").encode()
        for part in parts
        if part.startswith(b"data: {")
    )
    assert said.decode() == WELL
    assert parts[-1] == b"data: [DONE]"


def test_a_stream_begun_by_a_comment_still_tells_its_failure(on: Stage, name: str) -> None:
    on.plays([Wait(1.5), Send(response(500))])
    answer = on.ask(name, stream=True)
    assert answer.status == 200
    assert answer.body.startswith(b": \n\n")
    last = answer.body.rstrip(b"\n").rpartition(b"\n\n")[2]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_error"
    assert b"[DONE]" not in answer.body


def test_a_stall_goes_elsewhere_but_not_there_again(on: Stage) -> None:
    on.plays([Stall()])
    answer = on.ask("quick")
    assert (answer.status, answer.error["code"]) == (504, "first_token_timeout")
    assert on.played == 1


# ---- asked for


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_target_is_hedged_and_let_go(on: Stage, stream: bool) -> None:
    on.plays([Stall()])
    before = len(on.bad.journal)
    answer = on.ask("hedged", stream=stream)
    assert answer.text == "from the other"
    assert answer.headers["x-gateway-model"] == "good/hedged"
    assert answer.seconds < 2
    journal = on.bad.journal[before:]
    assert len(journal) == 1
    until(lambda: journal[0].left_at is not None, 1, "the loser was not let go")


def test_the_first_wins_if_it_is_the_first(on: Stage) -> None:
    on.plays([Wait(0.3), *GOOD])
    slow = on.ask("hedged")  # the other one is quicker then
    assert slow.text == "from the other"
    on.plays(GOOD)
    quick = on.ask("hedged")
    assert (quick.text, quick.headers["x-gateway-attempts"]) == (WELL, "1")


def test_a_race_ends_well_when_one_fails(on: Stage) -> None:
    on.plays([Wait(0.3), Send(response(500))])
    answer = on.ask("hedged")
    assert answer.text == "from the other"


def test_a_broken_stream_is_continued(on: Stage) -> None:
    rest = chat_events(("is ", "well."))
    on.plays([Send(HEAD + ALL), Close()], [Send(streamed(*rest))])
    answer = on.ask("continued", stream=True)
    assert (answer.text, answer.events[-1]) == (WELL, b"[DONE]")
    second = json.loads(on.bad.journal[-1].body)
    assert second["messages"][-1] == {"role": "assistant", "content": "All "}
    assert (second["continue_final_message"], second["add_generation_prompt"]) == (True, False)


def test_it_is_continued_no_more_often_than_allowed(on: Stage) -> None:
    on.plays([Send(HEAD + ALL), Close()])
    answer = on.ask("continued", stream=True)
    assert answer.last_error["code"] == "stream_interrupted"


def test_nobody_continues_who_does_not_say_that_it_can(on: Stage) -> None:
    on.plays([Send(HEAD + ALL), Close()])
    answer = on.ask("not-continued", stream=True)
    assert answer.last_error["code"] == "stream_interrupted"
    assert on.played == 1


@pytest.mark.parametrize("script", [GOOD, FAILS, [Stall()], [Reset()]])
def test_a_shadow_s_fate_is_no_caller_s(on: Stage, script: Script) -> None:
    on.plays(script)
    answer = on.ask("shadowed")
    assert (answer.status, answer.text) == (200, "from the other")
    assert answer.seconds < 1
    until(lambda: on.played == 1, 2, "no copy came")
    assert asked_for(on.bad.journal[-1]) == "shadow"


# ---- told


def test_what_happened_is_counted(on: Stage, name: str) -> None:
    on.plays(FAILS, GOOD)
    assert on.ask(name).status == 200
    on.plays(FAILS)
    assert on.ask(f"{name}-pair").status == 200
    line = on.gateway.until_line("attempt_failed", model=f"{name}-pair")
    assert (line["code"], line["status"], line["target"]) == ("upstream_error", 500, f"{name}-pair")
    assert on.gateway.metric("gateway_retries_total", model=name, reason="upstream_error") == 1
    assert on.gateway.metric("gateway_fallbacks_total", **{"from": "bad", "to": "good"}) >= 1
    assert on.gateway.metric("gateway_hedges_total", model="hedged", outcome="won") >= 1
    assert on.gateway.metric("gateway_shadows_total", model="shadowed", outcome="complete") >= 1


def test_every_exchange_was_told_once(on: Stage) -> None:
    on.check_records()
