"""How long a backend asks to be left alone: a number of seconds, or nothing. Never an exception.

An input is a retry-after, a line feed, and a retry-after-ms.
"""

import math
from collections.abc import Hashable
from random import Random
from typing import Final

from gateway.policy.failures import retry_after
from tests.fuzz.parser import Parser

_NOW: Final = 1_800_000_000.0


def check(data: bytes, dice: Random) -> Hashable:
    seconds, _, milliseconds = data.partition(b"\n")
    told = retry_after(seconds, milliseconds, _NOW)
    assert told == retry_after(seconds, milliseconds, _NOW)
    if told is None:
        return None
    assert 0 <= told < math.inf
    plain = b"%.6f" % told
    if len(plain) < 20:
        again = retry_after(plain, None, _NOW)
        assert again is not None
        assert math.isclose(again, told, abs_tol=1e-6)
    return told == 0, told > 86_400, milliseconds != b""


WAITS: Final = Parser(
    "retry_after",
    check,
    (
        b"0", b"1", b"-1", b"+1", b".", b"1.5", b"1e9", b"9" * 20, b"9" * 21, b"inf", b"nan", b" ",
        b"\n", b"\t", b"\0", b"\xff", b"Mon, ", b"Nov", b"GMT", b"UTC", b"+0000", b"-2359", b"+9999",
        b"Fri, 15 Jan 2027 08:00:10 GMT", b"Friday, 15-Jan-27 08:00:10 GMT",
        b"Fri Jan 15 08:00:10 2027", b"99", b"0000", b"99999", b":", b"24:60:60", b"(", b")", b",",
    ),
)  # fmt: skip
