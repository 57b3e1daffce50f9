"""Signatures that go through clients which decode them and encode them again."""

from base64 import b64decode, b64encode, urlsafe_b64encode

import pytest

from gateway.dialects.gemini_seals import Sealed, opened, seal, standard

SEALED = Sealed(signature="EqQB+/ü==", redacted="x", blocks=[{"type": "thinking"}])


def test_what_is_sealed_comes_back_to_the_letter() -> None:
    written = seal(SEALED)
    raw = b64decode(standard(written))
    for encoded in (written, b64encode(raw).decode(), urlsafe_b64encode(raw).decode()):
        assert opened(encoded) == SEALED


@pytest.mark.parametrize("own", ["", "CiQB+/8=", "not base64!", "Z2F0ZXdheTp7", "a"])
def test_any_other_signature_is_googles(own: str) -> None:
    assert opened(own) is None
