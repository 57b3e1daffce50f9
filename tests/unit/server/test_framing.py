"""One reading or none: what makes a head ambiguous is refused by name."""

import pytest

from gateway.errors import Code, GatewayError
from gateway.server import framing
from gateway.wire.http import Headers, RequestHead

HOST = (b"host", b"gateway")


def read(
    *headers: tuple[bytes, bytes],
    url: bytes = b"/v1/models",
    method: bytes = b"POST",
    version: str = "1.1",
    host: Headers | None = None,
) -> RequestHead:
    fields = [HOST] if host is None else host
    return framing.head(method, url, version, [*fields, *headers])


def refused(*headers: tuple[bytes, bytes], **line: object) -> Code:
    with pytest.raises(GatewayError) as caught:
        read(*headers, **line)  # type: ignore[arg-type]  # the parts of a request line
    return caught.value.code


def test_a_head_is_its_method_path_query_fields_and_length() -> None:
    head = read((b"content-length", b"12"), (b"x", b"1"), url=b"/v1/files?a=b?c")
    assert (head.method, head.path, head.query) == (b"POST", b"/v1/files", b"a=b?c")
    assert (head.length, head.header(b"x"), head.header(b"y")) == (12, b"1", None)


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ([], 0),
        ([(b"content-length", b"0")], 0),
        ([(b"content-length", b"000123")], 123),
        ([(b"content-length", b"9" * 18)], 10**18 - 1),
        ([(b"transfer-encoding", b"chunked")], None),
        ([(b"transfer-encoding", b"Chunked")], None),
    ],
)
def test_the_length_is_what_is_declared(headers: Headers, length: int | None) -> None:
    assert read(*headers).length == length


@pytest.mark.parametrize(
    "value",
    [b"", b"+5", b"-5", b"5_0", b"0x5", b"5,5", b"5 5", b" 5", b"5.0", b"1e3", b"9" * 19,
     b"\xd9\xa5", b"\xb2"],
)  # fmt: skip
def test_a_length_is_decimal_digits_and_nothing_else(value: bytes) -> None:
    assert refused((b"content-length", value)) is Code.BAD_FRAMING


@pytest.mark.parametrize(
    "value",
    [b"", b"identity", b"gzip, chunked", b"chunked, identity", b"chunked,", b"xchunked",
     b"chunked;q=1", b'"chunked"', b"\x0bchunked"],
)  # fmt: skip
def test_a_transfer_encoding_is_chunked_and_nothing_else(value: bytes) -> None:
    assert refused((b"transfer-encoding", value)) is Code.BAD_FRAMING


def test_http_1_0_knows_no_chunks() -> None:
    assert refused((b"transfer-encoding", b"chunked"), version="1.0") is Code.BAD_FRAMING


def test_a_length_beside_chunks_is_refused() -> None:
    both = (b"content-length", b"5"), (b"transfer-encoding", b"chunked")
    assert refused(*both) is Code.BAD_FRAMING


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (b"host", Code.BAD_HOST),
        (b"content-length", Code.BAD_FRAMING),
        (b"transfer-encoding", Code.BAD_FRAMING),
        (b"content-type", Code.BAD_FRAMING),
        (b"content-encoding", Code.BAD_FRAMING),
        (b"expect", Code.BAD_FRAMING),
        (b"upgrade", Code.BAD_FRAMING),
        (b"x-request-id", Code.BAD_FRAMING),
        (b"authorization", Code.INVALID_API_KEY),
        (b"x-api-key", Code.INVALID_API_KEY),
    ],
)
def test_what_may_stand_once_stands_once(name: bytes, code: Code) -> None:
    assert refused((name, b"1"), (name, b"1")) is code


def test_other_names_may_stand_twice() -> None:
    assert read((b"accept", b"a"), (b"accept", b"b")).length == 0


def test_http_1_1_names_its_host_and_http_1_0_need_not() -> None:
    assert refused(host=[]) is Code.BAD_HOST
    assert read(host=[], version="1.0").path == b"/v1/models"


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "9.9", ""])
def test_other_versions_are_refused(version: str) -> None:
    assert refused(version=version) is Code.BAD_VERSION


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE"])
def test_tunnels_and_echoes_are_refused(method: bytes) -> None:
    assert refused(method=method) is Code.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "url",
    [b"*", b"http://elsewhere/v1/models", b"elsewhere:443", b"v1/models", b"", b"/v1/models#top",
     b"/v1/models?a#b", b"?"],
)  # fmt: skip
def test_a_target_is_a_path(url: bytes) -> None:
    assert refused(url=url) is Code.BAD_TARGET


def test_upgrades_are_refused() -> None:
    assert refused((b"upgrade", b"h2c")) is Code.BAD_HEADER


# ---- sizes: each limit holds, and one less passes


def test_a_target_may_be_as_long_as_a_line() -> None:
    assert len(read(url=b"/" + b"a" * (framing.MAX_LINE - 1)).path) == framing.MAX_LINE
    assert refused(url=b"/" + b"a" * framing.MAX_LINE) is Code.URL_TOO_LONG


def test_a_header_may_be_as_long_as_a_line() -> None:
    room = framing.MAX_LINE - len(b"x: \r\n")
    assert read((b"x", b"v" * room)).length == 0
    assert refused((b"x", b"v" * (room + 1))) is Code.HEADERS_TOO_LARGE


def test_all_headers_together_have_a_limit() -> None:
    lines = [(b"x%d" % number, b"v" * 4000) for number in range(9)]
    assert read(*lines[:8]).length == 0
    assert refused(*lines) is Code.HEADERS_TOO_LARGE


@pytest.mark.parametrize("name", [b"x", b"x%d"], ids=["same", "different"])
def test_headers_are_counted(name: bytes) -> None:
    """Short ones too: what came after the last that is read would frame the body unseen."""
    lines = [(name % number if b"%" in name else name, b"") for number in range(framing.MAX_LINES)]
    assert read(*lines[:-1]).length == 0
    assert refused(*lines) is Code.HEADERS_TOO_LARGE


def test_a_head_without_end_is_refused_for_what_makes_it_long() -> None:
    assert framing.endless(b"/" * (framing.MAX_LINE + 1)).code is Code.URL_TOO_LONG
    assert framing.endless(b"/").code is Code.HEADERS_TOO_LARGE


# ---- expectations


@pytest.mark.parametrize(
    ("headers", "expects"),
    [
        ([], False),
        ([(b"expect", b"100-continue")], False),  # there is nothing to send
        ([(b"expect", b"100-Continue"), (b"content-length", b"1")], True),
        ([(b"expect", b"100-continue"), (b"transfer-encoding", b"chunked")], True),
    ],
)
def test_a_100_is_expected_only_for_a_body(headers: Headers, expects: bool) -> None:
    assert framing.expects_continue(read(*headers)) is expects


@pytest.mark.parametrize("value", [b"", b"200-ok", b"100-continue, x", b"100-continue;q=1"])
def test_other_expectations_are_refused(value: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        framing.expects_continue(read((b"expect", value), (b"content-length", b"1")))
    assert caught.value.code is Code.EXPECTATION
