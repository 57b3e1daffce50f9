"""Token counts."""

import time

import pytest

from gateway.chat import usage
from gateway.chat.usage import Usage


def test_nothing_said_is_nothing_used() -> None:
    assert Usage() == Usage(input=0, output=0, cached=0, reasoning=0)


def test_what_was_counted_stays_counted() -> None:
    used = Usage(7, 3)
    with pytest.raises(AttributeError):
        used.input = 0  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(
    ("tail", "images", "wanted"),
    [
        (
            b'"}],"usage":{"input_tokens":50,"input_tokens_details":{"image_tokens":40,'
            b'"text_tokens":10},"output_tokens":4160,"total_tokens":4210}}\n',
            True,
            Usage(50, 4160, input_image=40, output_image=4160),
        ),
        (
            b'"usage": {"input_tokens": 9, "output_tokens": 7, "output_tokens_details": '
            b'{"image_tokens": 5, "text_tokens": 2}}}',
            True,
            Usage(9, 7, output_image=5),
        ),
        (
            b'{"text":"x","usage":{"type":"tokens","input_tokens":14,"input_token_details":'
            b'{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}',
            False,
            Usage(14, 45, input_audio=14),
        ),
        (b'{"results":[],"usage":{"total_tokens":12}}', False, Usage(12)),
        (b'{"usage":{"total_tokens":1},"more":{"usage":{"total_tokens":2}}}', False, Usage(2)),
        (b'{"text":"x","usage":{"type":"duration","seconds":9}}', False, None),
        (b'{"text":"\\"usage\\":{\\"input_tokens\\":9}"}', False, None),
        (b'"usage":{"input_tokens":-1,"output_tokens":2}', True, None),
        (b'"usage":{"input_tokens":1e30}', True, None),
        (b'"usage":{"input_tokens":"9"}', True, None),
        (b'"usage":{\xff}', True, None),
        (b"", True, None),
    ],
)
def test_the_end_of_an_answer_that_is_not_read_says_what_it_took(
    tail: bytes, images: bool, wanted: Usage | None
) -> None:
    assert usage.last(tail, images=images) == wanted


def test_an_end_that_is_made_to_take_long_does_not() -> None:
    began = time.monotonic()
    for tail in (b'"usage":{' * 455, b'"usage":' + b"{" * 4000, b'"usage":{' + b"{}" * 2000):
        assert usage.last(tail, images=True) is None
    assert time.monotonic() - began < 0.5
