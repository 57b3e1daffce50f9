"""The heads of our answers: what may cross over, what we say ourselves."""

import re

import pytest

from gateway.chat.operation import Operation
from gateway.errors import Code, GatewayError
from gateway.exchange import answer
from gateway.telemetry.record import Attempt, Record


def lines(head: bytes) -> dict[str, str]:
    assert head.endswith(b"\r\n")
    assert head.count(b"\r\n\r\n") == 0
    return dict(line.split(": ", 1) for line in head.decode().removesuffix("\r\n").split("\r\n"))


def test_only_what_is_listed_crosses_over() -> None:
    headers = [
        (b"openai-processing-ms", b"12"),
        (b"set-cookie", b"a=b"),
        (b"x-goog-api-key", b"k"),
        (b"server", b"v"),
        (b"x-request-id", b"theirs"),
        (b"content-type", b"text/html"),
        (b"content-length", b"3"),
        (b"transfer-encoding", b"chunked"),
        (b"location", b"http://evil.test"),
        (b"x-ratelimit-reset-tokens", b"6m0s"),
    ]
    told = {"openai-processing-ms": "12", "x-ratelimit-reset-tokens": "6m0s"}
    assert lines(answer.carried(headers, Record(None))) == told
    kinds = [(b"content-type", b"audio/mpeg"), (b"content-disposition", b"inline")]
    kept = lines(answer.relayed(headers[:5] + kinds, Record(None)))
    assert kept == {
        "openai-processing-ms": "12",
        "content-type": "audio/mpeg",
        "content-disposition": "inline",
    }


def test_limits_of_a_backend_stand_beside_none_of_ours() -> None:
    record = Record(None)
    record.limits = b"x-ratelimit-limit-requests: 100\r\n"
    assert answer.carried([(b"x-ratelimit-reset-tokens", b"6m0s")], record) == b""
    assert record.limits in answer.own(record, b"")
    assert record.limits in answer.promised(record)


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\0b", b"a\tb", b"caf\xc3\xa9", b"\x7f"])
def test_only_visible_characters_cross_over(value: bytes) -> None:
    assert answer.carried([(b"openai-version", value), (b"openai-model", b"m")], Record(None)) == (
        b"openai-model: m\r\n"
    )


def test_an_answer_says_who_gave_it_and_after_how_many_tries() -> None:
    record = Record(Operation.CHAT)
    record.attempts += [Attempt("a", "p", "m"), Attempt("b", "p", "m")]
    told = lines(answer.own(record, b"x-gateway-model: b/m\r\n"))
    assert told.pop("server-timing").startswith("gateway;dur=")
    assert told == {
        "x-request-id": record.id,
        "x-gateway-model": "b/m",
        "x-gateway-attempts": "2",
    }


def test_waiting_for_backends_is_not_the_gateway_s_time() -> None:
    record = Record(Operation.CHAT)
    record.started_at -= 10
    record.waited_s = 6
    told = lines(answer.own(record, b"", waiting_s=3.5))["server-timing"]
    match = re.fullmatch(r"gateway;dur=([0-9.]+)", told)
    assert match is not None
    assert 500 <= float(match[1]) < 600


@pytest.mark.parametrize(
    ("wait_s", "told"), [(None, None), (0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (99, "99")]
)
def test_retry_after_is_whole_seconds_rounded_up(wait_s: float | None, told: str | None) -> None:
    error = GatewayError(Code.UPSTREAM_RATE_LIMITED, "full", retry_after_s=wait_s)
    assert lines(answer.error_head(error, Record(None))).get("retry-after") == told


def test_an_error_s_head_has_what_the_error_brings() -> None:
    record = Record(None)
    error = GatewayError(Code.METHOD_NOT_ALLOWED, "no", headers=b"allow: POST\r\n")
    head = lines(answer.error_head(error, record))
    assert head == {
        "content-type": "application/json",
        "x-request-id": record.id,
        "allow": "POST",
    }


def test_a_final_error_is_not_to_be_tried_again() -> None:
    record = Record(None)
    record.attempts.append(Attempt("a", "p", "m"))
    head = lines(answer.error_head(GatewayError(Code.UPSTREAM_RESET, "cut"), record))
    assert (head["x-should-retry"], head["x-gateway-attempts"]) == ("false", "1")


def test_what_could_not_be_carried_is_named() -> None:
    assert answer.dropped(["seed", "n"]) == b"x-gateway-dropped: seed, n\r\n"
    assert answer.dropped(["a\r\nb"]) == b""


@pytest.mark.parametrize("operation", [Operation.MESSAGES, Operation.COUNT_TOKENS])
def test_anthropics_clients_find_the_id_under_their_own_name(operation: Operation) -> None:
    record = Record(operation)
    error = GatewayError(Code.INTERNAL, "x")
    for head in (
        answer.own(record, b""),
        answer.promised(record),
        answer.error_head(error, record),
    ):
        assert lines(head)["request-id"] == lines(head)["x-request-id"] == record.id
    assert "request-id" not in lines(answer.own(Record(Operation.CHAT), b""))
