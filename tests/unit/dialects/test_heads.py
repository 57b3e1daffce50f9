"""How a body that does not fit is told. What is JSON at all: tests/unit/wire/test_json.py."""

import msgspec
import pytest

from gateway.dialects import heads
from gateway.errors import Code, GatewayError


class _Inner(msgspec.Struct):
    name: str


class _Head(msgspec.Struct):
    model: str
    tools: list[_Inner] | None = None


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", Code.INVALID_JSON, None),
        (b"[]", Code.INVALID_BODY, None),
        (b'{"a":%b}' % (b"[" * 70 + b"]" * 70), Code.TOO_DEEP, None),
        (b'{"a":1,"a":2}', Code.DUPLICATE_KEY, "a"),
        (b'{"a":%b}' % (b"9" * 50), Code.INVALID_VALUE, "a"),
        (b'{"Model":"m"}', Code.INVALID_VALUE, "model"),
    ],
)
def test_a_body_that_two_could_read_differently_is_refused(
    body: bytes, code: Code, param: str | None
) -> None:
    with pytest.raises(GatewayError) as refused:
        heads.fields(body, {"model"})
    assert refused.value.code is code
    assert refused.value.param == param


def test_values_stay_as_they_lay() -> None:
    assert heads.fields(b'{"model": "m", "x": [1,  2]}', {"model"}) == {
        "model": msgspec.Raw(b'"m"'),
        "x": msgspec.Raw(b"[1,  2]"),
    }


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{}", Code.MISSING_VALUE, "model"),
        (b'{"model":1}', Code.INVALID_VALUE, "model"),
        (b'{"model":"m","tools":[{}]}', Code.MISSING_VALUE, "tools[0].name"),
    ],
)
def test_the_field_at_fault_is_named(body: bytes, code: Code, param: str) -> None:
    with pytest.raises(msgspec.ValidationError) as unfit:
        msgspec.json.decode(body, type=_Head)
    error = heads.misfit(unfit.value)
    assert error.code is code
    assert error.param == param
