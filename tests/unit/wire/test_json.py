"""What is read, what is refused and why, and that size alone makes nothing slow to refuse."""

import json as stdlib

import pytest

from gateway.wire import json


def _read(body: bytes) -> dict[str, bytes]:
    return {key: bytes(raw) for key, raw in json.read(body).items()}


def _refused(body: bytes) -> json.JsonError:
    with pytest.raises(json.JsonError) as told:
        json.read(body)
    return told.value


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"{}", {}),
        (b" \t\r\n{ } \n", {}),
        (b'{"a":1,"b":[2, 3],"c":"x"}', {"a": b"1", "b": b"[2, 3]", "c": b'"x"'}),
        (b'{ "a" : 1.50 , "b" : null }', {"a": b"1.50", "b": b"null"}),
        (b'{"a":-0,"b":1E+2}', {"a": b"-0", "b": b"1E+2"}),
        (b'{"\\u0061":1, "b":2}', {"a": b"1", "b": b"2"}),
        (b'{"":""}', {"": b'""'}),
        ('{"ü":"é😀"}'.encode(), {"ü": '"é😀"'.encode()}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": b'"\\ud83d\\ude00"'}),
        (b'{"a":"}","b":"\\"]"}', {"a": b'"}"', "b": b'"\\"]"'}),
        (b'{"a":12,"b":1}', {"a": b"12", "b": b"1"}),
    ],
)
def test_values_are_what_lay_on_the_wire(body: bytes, fields: dict[str, bytes]) -> None:
    assert _read(body) == fields


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1',
        b"{}{}",
        b"{} x",
        b'{"a":1}\x00',
        b'{"a":1,}',
        b'{"a":[1,]}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":NaN}',
        b'{"a":[Infinity]}',
        b'{"a":[-Infinity]}',
        b'{"a":01}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":+1}',
        b'{"a":0x1}',
        b'{"a":tru}',
        b'{"a":"\x01"}',
        b'{"a":"\n"}',
        b'{"a":"\\x"}',
        b'{"a":"\\u12"}',
        b'{"a":1}//',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xff"}',
        b'{"a":["\xed\xa0\x80"]}',
        b'{"a":"\xc0\xaf"}',
        b'{"a":"\\ud800"}',
        b'{"a":["\\udc00\\ud800"]}',
        b'{"\\ud800":1}',
        b'{"a":{"\\udfff":1}}',
    ],
)
def test_what_is_not_json_in_utf8_is_refused(body: bytes) -> None:
    assert _refused(body).reason == "syntax"


@pytest.mark.parametrize("body", [b"null", b"[]", b"[{}]", b'"{}"', b"1", b"true"])
def test_only_an_object_is_a_document(body: bytes) -> None:
    assert _refused(body).reason == "shape"


def test_an_object_has_a_thousand_fields_at_most() -> None:
    most = {str(number): 0 for number in range(json.MAX_FIELDS)}
    assert len(json.read(stdlib.dumps(most).encode())) == json.MAX_FIELDS
    assert _refused(stdlib.dumps({**most, "more": 0}).encode()).reason == "shape"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":12,"a":1}',
        b'{"a":1,"a":12}',
        b'{"a":1,"b":2,"a":[]}',
        b'{"a":[],"a":[1]}',
        b'{"a":1,"\\u0061":1}',
        b'{"\\u0061":1,"a":1}',
        b'{ "a": 1, "a": 1 }',
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "b": 2, "a": 1}',
        b'{"a": 1, "\\u0061": 1}',
        b'{"a\\": 1, \\"b": 2, "b": 2, "b": 2}',
        b'{"a":1.5,"a":1}',
        b'{"a":12 , ",":1,"a":1}',
        b'{"":0,"":0}',
    ],
)
def test_a_key_that_is_there_twice_is_refused(body: bytes) -> None:
    assert _refused(body).reason == "duplicate"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "b": 2}',
        b'{"a":1, "b": 2}',
        b'{"a": 1,  "b": 2}',
        b'{"a": "x, \\"a\\": 1", "b": {"a": 1}}',
        b'{"\xc3\xa9": 1, "\\u0061": 2}',
        b'{"a\\": 1, \\"b": 2, "b": 2}',
    ],
)
def test_spaces_between_keys_change_nothing(body: bytes) -> None:
    assert stdlib.loads(json.write(json.read(body))) == stdlib.loads(body)


def test_a_long_key_is_not_told_whole() -> None:
    key = b"k" * 100_000
    told = _refused(b'{"%b":1,"%b":2}' % (key, key))
    assert told.reason == "duplicate"
    assert len(str(told)) < 200
    assert told.key is not None
    assert len(told.key) < 100


def test_an_inner_key_may_be_there_twice() -> None:
    assert _read(b'{"a":{"b":1,"b":2}}') == {"a": b'{"b":1,"b":2}'}


def _nested(depth: int, pair: bytes = b"[]") -> bytes:
    """Brackets all around the document counted."""
    inside = depth - 1
    if pair == b"[]":
        return b'{"a":%b1%b}' % (b"[" * inside, b"]" * inside)
    return b'{"a":%b1%b}' % (b'{"b":' * inside, b"}" * inside)


@pytest.mark.parametrize("pair", [b"[]", b"{}"])
def test_nesting_has_a_limit(pair: bytes) -> None:
    assert json.read(_nested(json.MAX_DEPTH, pair))
    for depth in (65, 66, 128, 900, 5_000, 200_000):
        assert _refused(_nested(depth, pair)).reason == "depth"


def test_kinds_of_brackets_in_turn_count_each() -> None:
    assert json.read(b'{"a":' + b'[{"b":' * 31 + b"1" + b"}]" * 31 + b"}")
    assert _refused(b'{"a":' + b'[{"b":' * 32 + b"1" + b"}]" * 32 + b"}").reason == "depth"


def test_brackets_in_strings_nest_nothing() -> None:
    assert json.read(b'{"a":"%b"}' % (b"[{" * 5_000))
    assert json.read(stdlib.dumps({"a": ['"[' * 100, "\\", "[" * 100]}).encode())


def test_many_brackets_side_by_side_are_not_deep() -> None:
    body = {"messages": [{"content": 'said: "no"\n'}] * 500, "tools": [{}] * 500}
    assert json.read(stdlib.dumps(body).encode())


def test_a_million_brackets_are_refused() -> None:
    assert json.read(b'{"a":[%b[]]}' % (b"[]," * 400_000))
    assert _refused(b'{"a":[%b[]]}' % (b"[]," * 500_000)).reason == "depth"


@pytest.mark.parametrize("number", ["9" * 39, "-" + "9" * 39, "0." + "1" * 39, "1e" + "0" * 20])
def test_a_number_that_can_be_held_rides_along(number: str) -> None:
    assert _read(b'{"a":%b,"b":[%b]}' % (number.encode(), number.encode()))["a"] == number.encode()


@pytest.mark.parametrize(
    "number", ["9" * 40, "9" * 10_000, "0." + "1" * 40, "1e" + "0" * 40, "-" + "1" * 40]
)
@pytest.mark.parametrize("around", ["%s", "[%s]", '{"x":[0, %s]}'])
def test_a_number_of_too_many_digits_is_refused(number: str, around: str) -> None:
    told = _refused(f'{{"b":1,"a":{around % number}}}'.encode())
    assert (told.reason, told.key) == ("number", "a")


def test_digits_in_strings_are_no_number() -> None:
    digits = "3" * 10_000
    body = {"a": digits, "b": [digits, f'"{digits}', digits + "\\"], "c": {digits: "\\"}}
    assert json.read(stdlib.dumps(body).encode())
    assert json.read(stdlib.dumps(body | {"d": "x" * 100_000}).encode())


def test_in_a_large_body_a_number_that_chokes_a_reader_is_refused() -> None:
    filler = '"' + "x" * 100_000 + '"'
    for digits, refused in ((json.MONSTER - 1, False), (json.MONSTER, True), (50_000, True)):
        for body in (
            f'{{"a":[{filler},{"9" * digits}]}}',
            f'{{"a":[{"9" * digits}],"b":{filler}}}',
            f'{{"a":["{"1" * 5_000}"],"b":["\\"",{"9" * digits}],"c":{filler}}}',
        ):
            if refused:
                assert _refused(body.encode()).reason == "number"
            else:
                assert json.read(body.encode())


@pytest.mark.parametrize("size", [100, 1_000, 50_000])
def test_a_long_number_is_found_wherever_it_begins(size: int) -> None:
    for offset in range(16):
        before = b"x" * (size + offset)
        assert _refused(b'{"s":"%b","a":[%b]}' % (before, b"9" * 40)).reason == "number"
        assert json.read(b'{"s":"%b","a":[%b]}' % (before, b"9" * 39))


def test_a_monster_is_found_wherever_it_begins() -> None:
    for offset in range(0, 2 * json.MONSTER, 61):
        before = b"x" * (70_000 + offset)
        assert json.has_monster(b'["%b",%b]' % (before, b"9" * json.MONSTER))
        assert not json.has_monster(b'["%b",%b]' % (before, b"9" * (json.MONSTER - 1)))


@pytest.mark.parametrize("filler", [b"", b"x" * 1_000])
def test_nesting_has_the_same_limit_in_short_and_long_bodies(filler: bytes) -> None:
    for depth, refused in ((json.MAX_DEPTH, False), (json.MAX_DEPTH + 1, True)):
        for left in (b"[", b'{"b":'):
            right = b"]" if left == b"[" else b"}"
            inside = depth - 1
            body = b'{"s":"%b","a":%b1%b}' % (filler, left * inside, right * inside)
            if refused:
                assert _refused(body).reason == "depth"
            else:
                assert json.read(body)


def test_an_escaped_key_beside_a_long_number_surprises_nobody() -> None:
    body = b'{"\\u0061":1, "b":[%b], "c":"%b"}' % (b"9" * 5_000, b"x" * 70_000)
    assert _refused(body).reason == "number"


def test_what_is_read_is_written_again() -> None:
    body = b'{"b":1e2,"a":[1, 2.50],"c":"\\u00e9"}'
    assert json.write(json.read(body)) == body
    assert json.write({"a": "é", "b": None}) == '{"a":"é","b":null}'.encode()


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'{"a":"\xff"}', b'{"a":%b}' % (b"9" * 5000)])
def test_what_an_upstream_sends_is_a_whole_document_or_nothing(body: bytes) -> None:
    assert json.document(b'{"a":{"b":1.5}}') == {"a": {"b": 1.5}}
    with pytest.raises(json.JsonError):
        json.document(body)
