"""Where an exchange goes next: elsewhere, to another model, again after a pause, or nowhere."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from gateway.chat.operation import Operation
from gateway.errors import Code, GatewayError
from gateway.exchange.caller import Caller
from gateway.exchange.course import Choice, Course, Step
from gateway.policy.access import ANONYMOUS, VirtualKey, virtual_key
from gateway.policy.failures import Failure
from gateway.runtime.snapshot import Snapshot
from gateway.wire.http import RequestHead
from tests.unit.config.reading import read
from tests.unit.runtime.running import running

CONFIG = """
backends:
  a: {provider: openai_compatible, base_url: "http://a.test/v1", operations: [chat]}
  b: {provider: openai_compatible, base_url: "http://b.test/v1"}
  c: {provider: openai_compatible, base_url: "http://c.test/v1"}
models:
  one: b/x
  two: {targets: [{use: a/x}, {use: b/y, tier: 2}]}
  only-a: a/x
  single: {targets: [{use: b/x}], attempts: 1}
  long: c/long
  careful: {targets: [{use: a/x}], fallbacks: {context_length: [long], rate_limit: [two], any: [c]}}
  c: c/z
  "lab/*": {targets: [{use: a/*}, {use: b/fixed, tier: 2}]}
"""
FAILED = Failure(Code.UPSTREAM_ERROR, 500)
REFUSED = Failure(Code.UPSTREAM_REFUSED, 400)


@dataclass
class House:
    snapshot: Snapshot
    now: float

    def course(
        self,
        model: str,
        operation: Operation = Operation.CHAT,
        key: VirtualKey = ANONYMOUS,
        draw: float = 0.5,
    ) -> Course:
        route = self.snapshot.route(model)
        assert route is not None
        head = RequestHead(b"POST", b"/", b"", {}, 0)
        caller = Caller(self.snapshot, key, None, math.inf, b"", head)
        return Course(route, operation, model, caller, lambda: draw)

    def follows(
        self, course: Course, *failures: Failure, left_s: float = 100
    ) -> list[tuple[str, float]]:
        """Targets and pauses, as one failure comes after the other."""
        choice, steps = course.first(self.now), []
        for failure in failures:
            choice.target.health.failed(failure, self.now)
            step = course.after(choice, failure, self.now, left_s)
            if step is None:
                steps.append(("-", 0.0))
                break
            steps.append((step.choice.target.name, step.wait_s))
            choice = step.choice
        return steps


@contextmanager
def house() -> Iterator[House]:
    with running() as running_house:
        yield House(running_house.runtime.swap(read(CONFIG)), time.monotonic())


# ---- the first


def test_only_targets_that_offer_the_operation_are_asked() -> None:
    with house() as on:
        assert on.course("two").first(on.now).target.name == "a/x"
        assert on.course("two", Operation.EMBEDDINGS).first(on.now).target.name == "b/y"
        with pytest.raises(GatewayError) as error:
            on.course("only-a", Operation.EMBEDDINGS).first(on.now)
        assert (error.value.code, error.value.param) == (Code.OPERATION_NOT_SUPPORTED, "model")


def test_a_wildcard_names_what_was_asked_for() -> None:
    with house() as on:
        course = on.course("lab/x")
        assert course.first(on.now).target.name == "a/x"
        assert on.follows(on.course("lab/x"), FAILED) == [("b/fixed", 0.0)]


def test_what_is_left_alone_is_passed_over() -> None:
    with house() as on:
        on.course("two").first(on.now).target.health.hold(on.now, 10)
        assert on.course("two").first(on.now).target.name == "b/y"


def test_when_all_are_left_alone_the_caller_learns_for_how_long() -> None:
    with house() as on:
        route = on.snapshot.routes["two"]
        for target, hold_s in zip(route.targets, (30, 12), strict=True):
            target.health.hold(on.now, hold_s)
        with pytest.raises(GatewayError) as error:
            on.course("two").first(on.now)
        assert (error.value.code, error.value.status) == (Code.NO_UPSTREAM, 503)
        assert error.value.retry_after_s == pytest.approx(12)


def test_when_all_circuits_are_open_the_least_bad_is_tried_now_and_then() -> None:
    with house() as on:
        health = on.snapshot.routes["one"].targets[0].health
        for _ in range(5):
            health.failed(Failure(Code.CONNECT_FAILED), on.now)
        choice = on.course("one").first(on.now)
        assert choice.target.health.begun(on.now)
        with pytest.raises(GatewayError) as error:
            on.course("one").first(on.now)
        assert error.value.code is Code.NO_UPSTREAM


def test_when_every_credential_is_refused_it_is_no_fault_of_the_caller() -> None:
    with house() as on:
        health = on.snapshot.routes["one"].targets[0].health
        health.failed(Failure(Code.UPSTREAM_AUTH, 401), on.now)
        assert on.course("one").first(on.now).target.health.begun(on.now)  # one asks
        with pytest.raises(GatewayError) as error:
            on.course("one").first(on.now)
        assert (error.value.code, error.value.status) == (Code.UPSTREAM_AUTH, 502)


# ---- after a failure


def test_another_target_comes_first_and_at_once() -> None:
    with house() as on:
        assert on.follows(on.course("two"), FAILED) == [("b/y", 0.0)]


def test_then_the_same_again_after_a_pause() -> None:
    with house() as on:
        (first, none_s), (again, wait_s) = on.follows(on.course("two"), FAILED, FAILED)
        assert (first, none_s) == ("b/y", 0.0)
        assert again == "b/y"
        assert wait_s == pytest.approx(0.25)  # half of the second ceiling


def test_there_are_no_more_attempts_than_the_route_has() -> None:
    with house() as on:
        assert on.follows(on.course("two"), FAILED, FAILED, FAILED)[-1] == ("-", 0.0)
        assert on.follows(on.course("single"), FAILED) == [("-", 0.0)]


def test_a_caller_s_fault_is_nobody_else_s() -> None:
    with house() as on:
        assert on.follows(on.course("two"), REFUSED) == [("-", 0.0)]
        assert on.follows(on.course("two"), FAILED, REFUSED) == [("b/y", 0.0), ("-", 0.0)]


def test_no_attempt_begins_when_hardly_any_time_is_left() -> None:
    with house() as on:
        assert on.follows(on.course("two"), FAILED, left_s=0.2) == [("-", 0.0)]


@pytest.mark.parametrize(
    ("retry_after_s", "left_s", "again"),
    [(7.0, 100, True), (7.0, 6, False), (130.0, 600, False), (None, 100, True)],
)
def test_a_429_is_waited_out_if_that_is_bearable(
    retry_after_s: float | None, left_s: float, again: bool
) -> None:
    with house() as on:
        failure = Failure(Code.UPSTREAM_RATE_LIMITED, 429, retry_after_s=retry_after_s)
        ((name, wait_s),) = on.follows(on.course("one"), failure, left_s=left_s)
        assert name == ("b/x" if again else "-")
        if again:
            assert (retry_after_s or 1.0) <= wait_s <= (retry_after_s or 1.0) + 0.25


def test_a_timeout_is_not_repeated_where_it_happened() -> None:
    with house() as on:
        assert on.follows(on.course("one"), Failure(Code.FIRST_TOKEN_TIMEOUT)) == [("-", 0.0)]


def test_the_budget_ends_retries() -> None:
    with house() as on:
        granted = []
        for _ in range(40):
            course = on.course("one")
            choice = course.first(on.now)
            granted.append(course.after(choice, FAILED, on.now, 100) is not None)
        assert sum(granted) == 10 + 40 // 5  # the reserve, and the requests' share


# ---- other models


def test_a_prompt_too_long_goes_to_the_model_for_that() -> None:
    with house() as on:
        steps = on.follows(on.course("careful"), Failure(Code.CONTEXT_LENGTH, 400))
        assert steps == [("c/long", 0.0)]


def test_each_cause_has_its_models() -> None:
    with house() as on:
        limited = Failure(Code.UPSTREAM_RATE_LIMITED, 429)
        assert on.follows(on.course("careful"), limited) == [("b/y", 0.0)]  # a/x is on hold
    with house() as on:
        assert on.follows(on.course("careful"), FAILED) == [("c/z", 0.0)]
        assert on.follows(on.course("careful"), REFUSED) == [("-", 0.0)]


def test_a_key_s_models_hold_for_fallbacks_too() -> None:
    with house() as on:
        key = virtual_key("k", "t", ("careful", "two"))
        ((name, wait_s),) = on.follows(on.course("careful", key=key), FAILED)
        assert name == "a/x"
        assert wait_s == pytest.approx(0.125)


def test_a_fallback_is_asked_by_its_own_route() -> None:
    with house() as on:
        course = on.course("careful")
        choice = course.first(on.now)
        step = course.after(choice, Failure(Code.CONTEXT_LENGTH, 400), on.now, 100)
        assert isinstance(step, Step)
        assert step.choice.route.model == "long"


# ---- what fits


def test_only_what_fits_comes_next() -> None:
    with house() as on:
        course = on.course("two")
        choice = course.first(on.now)
        fits = lambda target: target.backend.name == "a"  # noqa: E731
        step = course.after(choice, FAILED, on.now, 100, fits)
        assert step is not None
        assert step.choice.target.name == "a/x"


def test_a_second_target_is_found_beside_the_first() -> None:
    with house() as on:
        course = on.course("two")
        first = course.first(on.now)
        second = course.beside(first, on.now)
        assert isinstance(second, Choice)
        assert second.target.name == "b/y"
        assert on.course("one").beside(on.course("one").first(on.now), on.now) is None


def test_the_places_are_those_of_the_choice() -> None:
    with house() as on:
        for number in range(20):
            course = on.course("two", draw=number / 20)
            first = course.places(on.now)[0].candidate.target
            assert course.first(on.now).target.name == first.name
