"""What is expected of a request nears what requests take."""

import random

from gateway.policy.estimates import Estimate


def test_what_the_client_allows_is_what_is_expected_for_each_choice() -> None:
    estimate = Estimate()
    assert estimate.output(100, 3) == 300
    assert estimate.output(0, 1) == 0
    assert estimate.output(None, 2) > 0


def test_the_ratio_of_bytes_is_learned() -> None:
    estimate = Estimate()
    for _ in range(200):
        estimate.learn(1000, 400, 10, 1)
    assert 395 <= estimate.input(1000) <= 405


def test_most_answers_are_no_longer_than_expected() -> None:
    estimate, dice = Estimate(), random.Random(7)
    over = 0
    for number in range(3000):
        tokens = int(dice.expovariate(1 / 300)) + 1
        if number >= 1000:
            over += tokens > estimate.output(None, 1)
        estimate.learn(1000, 250, tokens, 1)
    assert 0.02 < over / 2000 < 0.12


def test_absurd_counts_teach_little() -> None:
    estimate = Estimate()
    estimate.learn(10, 1_000_000, 100_000_000, 1)
    estimate.learn(0, 5, 0, 1)
    assert estimate.input(1000) < 400
    assert estimate.output(None, 1) < 1000
