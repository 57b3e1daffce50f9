"""That a value that is odd is no answer, and what is kept. The rest: tests/journeys."""

from gateway.policy.caching import Entry, compared, keepable, pack, unpack

DIGEST, OTHER = b"d" * 32, b"e" * 32
ANSWER = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}


def test_a_value_that_is_not_of_this_key_is_a_miss() -> None:
    raw = pack(DIGEST, Entry(ANSWER, 1.0, "a/b"))
    assert unpack(DIGEST, raw) == Entry(ANSWER, 1.0, "a/b")
    for odd in (b"", raw[:-1], raw[1:], b"9" + raw[1:], raw[:40], pack(OTHER, Entry({}, 0, ""))):
        assert unpack(DIGEST, odd) is None


def test_only_what_is_complete_and_unfiltered_is_kept() -> None:
    assert keepable(ANSWER)
    assert keepable({"data": []})
    for reason in ("content_filter", None, "error"):
        assert not keepable({"choices": [{"finish_reason": reason}]})
    assert not keepable({"choices": []})
    assert not keepable({})
    used = {**ANSWER, "usage": {"completion_tokens": 9}}
    assert keepable(used, 9)
    assert not keepable(used, 8)


def test_answers_are_compared_without_what_is_another_each_time() -> None:
    assert compared({**ANSWER, "id": "a"}, {**ANSWER, "id": "b", "created": 9}) == "same"
    finish = [{**ANSWER["choices"][0], "finish_reason": "length"}]
    assert compared(ANSWER, {"choices": finish}) == "text"
    assert compared(ANSWER, {"choices": [{"message": {"content": "y"}}]}) == "different"
