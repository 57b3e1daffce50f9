"""A text that is never shown by accident: only reveal() gives it.

repr, str, format, JSON, pickle and state dumps give three stars; a copy is the same secret.
"""

import hmac
from typing import Self, final

HIDDEN = "***"


@final
class Secret:
    """True when there is something to hide."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        return self.__text

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self.__text), _bytes(other.__text))

    def __hash__(self) -> int:
        return hash((Secret, self.__text))

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, _spec: str) -> str:
        return HIDDEN

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        return Secret, (HIDDEN,)

    def __getstate__(self) -> str:
        return HIDDEN

    # Copying goes through __reduce__ unless told otherwise, and would lose the secret.
    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, object]) -> Self:
        return self


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
