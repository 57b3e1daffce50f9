"""Nothing passes through a language that no client speaks."""

import msgspec
import pytest

from gateway.dialects.openai import Head
from gateway.dialects.unspoken import Unspoken


def test_there_is_no_way_through() -> None:
    with pytest.raises(LookupError):
        Unspoken().addressed({}, msgspec.Raw(b""))
    with pytest.raises(LookupError):
        Unspoken().read_answer(b"")
    with pytest.raises(LookupError):
        Unspoken().watch(Head("m"))
