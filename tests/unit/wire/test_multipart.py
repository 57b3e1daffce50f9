"""One model, seen by us as any backend would see it; each refusal is some parser's way to differ.

That python-multipart, Werkzeug, Go and busboy read what is let pass here alike was tried with some
thirty thousand forms made of the pieces below.
"""

import pytest

from gateway.wire.multipart import MAX_PART_HEAD, MAX_VALUE, ModelField, MultipartError, boundary

FILE = b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav'
MODEL = b'Content-Disposition: form-data; name="model"'
NOT_MODEL = b'Content-Disposition: form-data; name="x"'


def _form(*parts: tuple[bytes, bytes]) -> bytes:
    """(headers, content) each."""
    body = b"".join(b"--abc\r\n%b\r\n\r\n%b\r\n" % part for part in parts)
    return body + b"--abc--\r\n"


def _found(form: bytes) -> bytes | None:
    """The model, seen alike whole and byte by byte."""
    whole, bytewise = ModelField(b"abc"), ModelField(b"abc")
    whole.feed(form)
    whole.close()
    for at in range(len(form)):
        bytewise.feed(form[at : at + 1])
    bytewise.close()
    assert (bytewise.value, bytewise.span) == (whole.value, whole.span)
    if whole.value is not None:
        assert form[slice(*whole.span)] == whole.value
    return whole.value


def _refused(form: bytes) -> bool:
    for chunks in ([form], [form[at : at + 1] for at in range(len(form))]):
        field = ModelField(b"abc")
        with pytest.raises(MultipartError):
            _feed(field, chunks)
    return True


def _feed(field: ModelField, chunks: list[bytes]) -> None:
    for chunk in chunks:
        field.feed(chunk)
    field.close()


# ---- the boundary


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'multipart/form-data; boundary="abc"', b"abc"),
        (b"Multipart/Form-Data;BOUNDARY=aBc", b"aBc"),
        (b"multipart/form-data; charset=utf-8; boundary=abc", b"abc"),
        (b"multipart/form-data; boundary=abc; charset=utf-8", b"abc"),
        (b"multipart/form-data; boundary=" + b"x" * 70, b"x" * 70),
        (b"multipart/form-data; boundary=----WebKitFormBoundary7MA", b"----WebKitFormBoundary7MA"),
        (b'multipart/form-data; boundary="----=_Part_1_2.3"', b"----=_Part_1_2.3"),
        (b'multipart/form-data; boundary="uuid:a(b)+c,d/e?f"', b"uuid:a(b)+c,d/e?f"),
    ],
)
def test_the_boundary_is_found(content_type: bytes, found: bytes) -> None:
    assert boundary(content_type) == found


@pytest.mark.parametrize(
    "content_type",
    [b"", b"application/json", b"multipart/mixed; boundary=abc", b"multipart", b"text/plain"],
)
def test_what_is_no_form_has_no_boundary(content_type: bytes) -> None:
    assert boundary(content_type) is None


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/form-data",
        b"multipart/form-data;",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary=""',
        b"multipart/form-data; boundary",
        b"multipart/form-data boundary=abc",
        b"multipart/form-datax; boundary=abc",
        b"multipart/form-data; boundary=" + b"x" * 71,
        b"multipart/form-data; xboundary=abc",
        b"multipart/form-data; boundary=abc; boundary=xyz",
        b"multipart/form-data; boundary=abc; Boundary=abc",
        b"multipart/form-data; boundary=abc; boundary*=utf-8''xyz",
        b"multipart/form-data; boundary*=utf-8''abc",
        b"multipart/form-data; boundary*0=a; boundary*1=bc",
        b"multipart/form-data; boundary=a c",
        b"multipart/form-data; boundary=abc, multipart/form-data; boundary=xyz",
        b"multipart/form-data, text/plain; boundary=abc",
        b"multipart/form-data; boundary = abc",
        b"multipart/form-data; boundary='a b'",
        b'multipart/form-data; boundary="a\\bc"',
        b'multipart/form-data; boundary="abc',
        b'multipart/form-data; boundary="abc"x',
        b'multipart/form-data; boundary="a\tc"',
        b"multipart/form-data; boundary=\xe4bc",
        b'multipart/form-data; x="a\\"; boundary=xyz; y=\\""; boundary=abc',
    ],
)
def test_a_boundary_that_could_be_another_is_refused(content_type: bytes) -> None:
    with pytest.raises(MultipartError):
        boundary(content_type)


def test_a_boundary_within_quotes_is_none() -> None:
    assert boundary(b'multipart/form-data; x="; boundary=xyz"; boundary=abc') == b"abc"


# ---- the field


@pytest.mark.parametrize(
    "head",
    [
        MODEL,
        b'content-disposition:form-data;name="model"',
        b"Content-Disposition: form-data; name=model",
        b'Content-Disposition: Form-Data; NAME="model"',
        MODEL + b"\r\nContent-Type: text/plain; charset=utf-8",
        MODEL + b'\r\nContent-Type: text/plain; charset="UTF-8"\r\nContent-Length: 9',
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n" + MODEL,
    ],
)
def test_the_model_is_found(head: bytes) -> None:
    assert _found(_form((FILE, b"RIFF"), (head, b"whisper-1"))) == b"whisper-1"
    assert _found(_form((head, b"whisper-1"), (FILE, b"RIFF"))) == b"whisper-1"


@pytest.mark.parametrize("value", [b"", b"a", b"a b", b"\r\n", b"\r\r\n", b"-", b"--", b"\r\n--ab"])
def test_a_value_is_every_byte_up_to_its_line_end(value: bytes) -> None:
    assert _found(_form((MODEL, value))) == value


def test_a_form_may_name_no_model() -> None:
    assert _found(_form((FILE, b"RIFF"), (NOT_MODEL, b"y"))) is None
    assert _found(b"--abc--") is None


def test_a_form_may_end_without_a_line_end() -> None:
    assert _found(_form((MODEL, b"a")).removesuffix(b"\r\n")) == b"a"


def test_the_model_is_there_as_soon_as_it_has_passed() -> None:
    field = ModelField(b"abc")
    field.feed(b"--abc\r\n" + MODEL + b"\r\n\r\nwhisper-1\r\n--abc")
    assert field.value is None
    field.feed(b"\r\n")
    assert bytes(field.value or b"") == b"whisper-1"
    with pytest.raises(MultipartError):
        field.close()


@pytest.mark.parametrize(
    "content",
    [
        MODEL,
        b'name="model"\r\n\r\nother',
        b'\r\n\r\nContent-Disposition: form-data; name="model"\r\n\r\nother\r\n',
        b"\r\n--xyz\r\n" + MODEL + b"\r\n\r\nother\r\n--xyz--\r\n",
        b"\r\n-- abc\r\n" + MODEL + b"\r\n\r\nother",
        b"\r\n--ab\r\nc" + MODEL,
    ],
)
def test_what_stands_in_a_file_is_no_field(content: bytes) -> None:
    assert _found(_form((FILE, content), (MODEL, b"a"))) == b"a"
    assert _found(_form((MODEL, b"a"), (FILE, content))) == b"a"


@pytest.mark.parametrize(
    "filename",
    [
        b'filename="; name=x"',
        b'filename="name=model"',
        b"filename=\"; name='model'\"",
        b'filename="C:\\dir\\model.wav"',
        b'filename="a\\\\"',
        b"filename*=utf-8''%22%3b%20name%3dmodel",
        'filename="Übung.wav"'.encode(),
    ],
)
def test_a_file_may_have_an_odd_name(filename: bytes) -> None:
    for order in (b'name="file"; ' + filename, filename + b'; name="file"'):
        head = b"Content-Disposition: form-data; " + order
        assert _found(_form((head, b"RIFF"), (MODEL, b"a"))) == b"a"


@pytest.mark.parametrize(
    "name",
    [
        b'name="x"; filename="; name=\\"model\\""',
        b'x="; name="; name="model"; y="',
        b'name="x"; name="model"',
        b'name="model"; name="x"',
        b'name="x"; NAME="model"',
        b"name*=utf-8''model",
        b"name=\"x\"; name*=utf-8''model",
        b'name="x"; name*0=mod; name*1=el',
        b'name="mod\\el"',
        b'name="mod\\',
        b"name='model'",
        b'name="%6dodel"',
        b'name="=?utf-8?q?model?="',
        b'name=" model"',
        b'name="model "',
        b'name="model\t"',
        b'name="model\x00"',
        b'name="Model"',
        b'name="MODEL"',
        b'name="model[]"',
        b'name="model[0]"',
        b'name="model"; filename="x"',
        b"name=\"model\"; filename*=utf-8''x",
        b'name = "model"',
        b'name="model";',
        b'name="model" x',
        b'name="model", x',
        b'name=""',
        b'name="model',
        b"filename=x",
        b'(c) name="model"',
    ],
)
def test_a_name_that_could_be_another_is_refused(name: bytes) -> None:
    head = b"Content-Disposition: form-data; " + name
    assert _refused(_form((head, b"b"), (MODEL, b"a")))
    assert _refused(_form((head, b"b")))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\r\n" + MODEL,
        b"Content-Type: text/plain",
        b'Content-Disposition: attachment; name="model"',
        b'Content-Disposition: name="model"',
        b'Content-Disposition : form-data; name="model"',
        b' Content-Disposition: form-data; name="model"',
        b'Content-Disposition: form-data;\r\n name="model"',
        b'Content-Disposition: form-data;\r\n\tname="model"',
        NOT_MODEL + b'\r\n; name="model"',
        NOT_MODEL + b'\r\n ; name="model"',
        NOT_MODEL + b"\n" + MODEL,
        NOT_MODEL + b"\r" + MODEL,
        NOT_MODEL + b"\n\nb",
        NOT_MODEL + b"\r\n" + MODEL,
        NOT_MODEL + b"\r\ncontent-DISPOSITION: form-data",
        NOT_MODEL + b"\r\nno colon",
        NOT_MODEL + b"\r\nX: --abc",
        NOT_MODEL + b"\r\n--abc",
        NOT_MODEL + b"\r\nX: " + b"x" * MAX_PART_HEAD,
        MODEL + b"\r\nContent-Type: text/plain; charset=utf-16",
        MODEL + b"\r\nContent-Type: text/plain; charset=utf-7",
        MODEL + b"\r\nContent-Type: multipart/mixed; boundary=xyz",
        MODEL + b"\r\nContent-Type: application/octet-stream",
        MODEL + b"\r\nContent-Transfer-Encoding: base64",
        MODEL + b"\r\nContent-Transfer-Encoding: quoted-printable",
    ],
)
def test_headers_that_parsers_read_in_two_ways_are_refused(head: bytes) -> None:
    assert _refused(_form((head, b"b"), (MODEL, b"a")))
    assert _refused(_form((head, b"b")))


def test_two_models_are_refused() -> None:
    assert _refused(_form((MODEL, b"a"), (MODEL, b"a")))
    assert _refused(_form((MODEL, b"a"), (FILE, b"RIFF"), (MODEL, b"b")))


PART = MODEL + b"\r\n\r\nb\r\n"


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"abc",
        b"preamble\r\n" + _form((MODEL, b"a")),
        b"\r\n" + _form((MODEL, b"a")),
        b"x\n--abc\n" + PART.replace(b"\r", b"") + b"--abc--\n" + _form((MODEL, b"a")),
        _form((MODEL, b"a")).replace(b"\r\n", b"\n"),
        _form((MODEL, b"a")).replace(b"\r\n", b"\r"),
        _form((MODEL, b"a")).removesuffix(b"--\r\n"),
        _form((MODEL, b"a")).removesuffix(b"--abc--\r\n"),
        _form((MODEL, b"a")).replace(b"--abc--", b"--abc-"),
        _form((MODEL, b"a")).replace(b"--abc\r\n", b"--abc \r\n"),
        _form((MODEL, b"a")) + b"\r\n",
        _form((MODEL, b"a")) + b"epilogue",
        _form((MODEL, b"a")) + _form((MODEL, b"b")),
        _form((MODEL, b"a")).removesuffix(b"\r\n") + b"--abc\r\n" + PART,
        _form((FILE, b"\n--abc\n" + PART.replace(b"\r", b"") + b"--abc"), (MODEL, b"a")),
        _form((FILE, b"\r--abc\r" + PART), (MODEL, b"a")),
        _form((FILE, b"\r\n--abcd\r\n" + PART), (MODEL, b"a")),
        _form((FILE, b"\r\n--abc \r\n" + PART), (MODEL, b"a")),
        _form((FILE, b"\r\n--abc\n" + PART), (MODEL, b"a")),
        _form((FILE, b"\r\n--abc-x"), (MODEL, b"a")),
        _form((FILE, b"x--abc\r\n" + PART), (MODEL, b"a")),
        b"--abc\r\n" + FILE + b"\r\n\r\n--abc\r\n" + PART + b"--abc--\r\n",
    ],
)
def test_boundaries_that_parsers_see_in_two_ways_are_refused(form: bytes) -> None:
    assert _refused(form)


def test_a_models_name_has_a_length() -> None:
    assert _found(_form((MODEL, b"x" * MAX_VALUE))) == b"x" * MAX_VALUE
    assert _refused(_form((MODEL, b"x" * (MAX_VALUE + 1))))
    endless = ModelField(b"abc")
    endless.feed(b"--abc\r\n" + MODEL + b"\r\n\r\n")
    with pytest.raises(MultipartError):
        endless.feed(b"x" * (MAX_VALUE + 100))


def test_a_large_file_is_not_kept() -> None:
    field = ModelField(b"abc")
    field.feed(b"--abc\r\n" + FILE + b"\r\n\r\n")
    for _ in range(64):
        field.feed(b"\r\n--ab" * 10_000)
        assert len(field._window) < 10  # the only bound there is on memory
    field.feed(b"\r\n--abc\r\n" + MODEL + b"\r\n\r\na\r\n--abc--\r\n")
    assert field.value == b"a"
