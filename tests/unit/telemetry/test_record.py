"""The facts of an exchange, before anything has happened and after it went wrong."""

import re

from gateway.chat.operation import Operation
from gateway.errors import Code
from gateway.telemetry.record import OTHER, Attempt, Outcome, Record


def test_every_record_has_an_id_of_its_own() -> None:
    ids = [Record(Operation.CHAT).id for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(re.fullmatch(r"req_[0-9a-f]{24}", one) for one in ids)


def test_a_record_is_an_error_of_no_configured_model_until_it_is_more() -> None:
    record = Record(None)
    assert (record.model, record.outcome, record.status) == (OTHER, Outcome.ERROR, 0)
    assert record.attempts == []
    assert record.ended_at == record.waited_s == 0


def test_a_failed_record_says_why() -> None:
    record = Record(Operation.CHAT)
    record.outcome = Outcome.COMPLETE
    record.failed(Code.STREAM_INTERRUPTED, 200)
    assert (record.code, record.status, record.outcome) == (
        Code.STREAM_INTERRUPTED,
        200,
        Outcome.ERROR,
    )


def test_an_attempt_has_begun_and_not_ended() -> None:
    attempt = Attempt("up", "openai", "gpt-5")
    assert attempt.started_at > 0
    assert (attempt.first_at, attempt.ended_at, attempt.failure) == (None, 0, None)
