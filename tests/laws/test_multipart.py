"""Any cutting of a form's bytes finds the same model at the same place, or refuses the same."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.multipart import ModelField, MultipartError

BOUNDARY = b"----b0undary"
NAMES = st.from_regex(r"[a-z_]{1,12}(\[\])?", fullmatch=True).filter(
    lambda n: not n.startswith("model")
)
CONTENT = st.binary(max_size=60) | st.sampled_from(
    [
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"--",
        b"\r\n--",
        b'name="model"',
        BOUNDARY,
        b"\r\n-" + BOUNDARY[1:],
    ]
)
MODELS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20).map(
    str.encode
)
Part = tuple[bytes, bytes]


def _part(name: str, content: bytes, file: bool) -> Part:
    head = b'Content-Disposition: form-data; name="%b"' % name.encode()
    return (head + b'; filename="a"\r\nContent-Type: audio/wav' if file else head, content)


PARTS = st.lists(st.builds(_part, NAMES, CONTENT, st.booleans()), max_size=4)


def _form(parts: list[Part]) -> bytes:
    body = b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (BOUNDARY, *part) for part in parts)
    return body + b"--" + BOUNDARY + b"--\r\n"


def _outcome(form: bytes, cuts: list[int]) -> tuple[bytes | None, tuple[int, int]] | None:
    """None for refused."""
    field = ModelField(BOUNDARY)
    edges = [0, *sorted(min(cut, len(form)) for cut in cuts), len(form)]
    try:
        for start, end in pairwise(edges):
            field.feed(form[start:end])
        field.close()
    except MultipartError:
        return None
    return field.value, field.span


CUTS = st.lists(st.integers(0, 600), max_size=12)


@given(PARTS, MODELS, st.integers(0, 4), CUTS)
def test_the_model_is_found_among_any_parts(
    parts: list[Part], model: bytes, at: int, cuts: list[int]
) -> None:
    named = [*parts[:at], _part("model", model, file=False), *parts[at:]]
    form = _form(named)
    # A part's content is free, but for the boundary behind two dashes.
    if any(b"--" + BOUNDARY in content for _, content in named):
        assert _outcome(form, cuts) is None
        return
    outcome = _outcome(form, cuts)
    assert outcome is not None
    value, (start, end) = outcome
    assert value == model == form[start:end]
    assert outcome == _outcome(form, []) == _outcome(form, list(range(len(form))))


@given(PARTS, st.integers(0, 4), st.integers(0, 4), CUTS)
def test_two_models_are_refused_wherever_they_stand(
    parts: list[Part], one: int, two: int, cuts: list[int]
) -> None:
    parts.insert(min(one, len(parts)), _part("model", b"a", file=False))
    parts.insert(min(two, len(parts)), _part("model", b"b", file=False))
    assert _outcome(_form(parts), cuts) is None


JUNK = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"-",
        b'"',
        b";",
        b" ",
        b"\x00",
        b'name="model"',
        b"--" + BOUNDARY,
        b"--" + BOUNDARY + b"--",
        b"\r\n--" + BOUNDARY + b"\r\n",
        b"=",
        b"\\",
        b":",
        b"x",
    ]
)


@settings(max_examples=300)
@given(PARTS, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 4), JUNK), max_size=3), CUTS)
def test_a_spoiled_form_is_judged_alike_in_any_cutting(
    parts: list[Part], spoilings: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    form = _form([_part("model", b"whisper-1", file=False), *parts])
    for at, count, junk in spoilings:
        form = form[:at] + junk + form[at + count :]
    outcome = _outcome(form, cuts)
    assert outcome == _outcome(form, []) == _outcome(form, list(range(len(form))))


@pytest.mark.parametrize("model", [b"whisper-1", b""])
def test_a_form_that_is_cut_short_is_never_whole(model: bytes) -> None:
    form = _form([_part("model", model, file=False), _part("file", b"RIFF\r\n", file=True)])
    whole = len(form) - len(b"\r\n")
    for end in range(len(form) + 1):
        assert (_outcome(form[:end], []) is not None) is (end >= whole)
