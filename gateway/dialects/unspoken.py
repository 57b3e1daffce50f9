"""What an upstream dialect is that no client speaks: nothing can pass through it as it came."""

from typing import NoReturn

import msgspec

from gateway.dialects.base import Head
from gateway.wire import json


class Unspoken:
    """The part of UpstreamDialect that is for clients of the same language."""

    __slots__ = ()

    def addressed(self, fields: json.Fields, model: msgspec.Raw) -> NoReturn:
        raise LookupError("no client speaks this language")

    def read_answer(self, body: bytes) -> NoReturn:
        raise LookupError("no client speaks this language")

    def watch(self, head: Head) -> NoReturn:
        raise LookupError("no client speaks this language")
