"""Whose key it is: by its digest only, and with one answer for all that are wrong."""

import hashlib
import json

import pytest

from gateway.dialects.openai import error_body
from gateway.errors import Code, GatewayError
from gateway.policy.access import (
    ANONYMOUS,
    Keyring,
    identify,
    keyed,
    presented,
    unauthenticated,
    virtual_key,
)

KEY = b"sk-team-search-0123456789"
DIGEST = hashlib.sha256(KEY).digest()
SEARCH = virtual_key("search-prod", "search", ("fast", "smart*"))
KEYS = Keyring({DIGEST: SEARCH})


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (b"Bearer " + KEY, None),
        (b"bearer " + KEY, None),
        (b"BEARER " + KEY, None),
        (None, KEY),
        (b"Bearer " + KEY, KEY),
    ],
)
def test_a_key_is_known_by_its_digest(authorization: bytes | None, api_key: bytes | None) -> None:
    assert presented(authorization, api_key) == DIGEST
    assert identify(DIGEST, KEYS) is SEARCH


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (None, None),
        (b"", None),
        (None, b""),
        (b"Bearer", None),
        (b"Bearer ", None),
        (KEY, None),
        (b"Basic " + KEY, None),
        (b"Bearer\t" + KEY, None),
        (b" Bearer " + KEY, None),
        (b"Bearer:" + KEY, None),
        (b"Token " + KEY, KEY),
        (b"Bearer " + KEY, b"another"),
        (b"Bearer another", KEY),
        (b"Bearer " + KEY, b""),
        (b"Bearer ", KEY),
        (b"", KEY),
    ],
)
def test_no_key_or_two_of_them_are_nothing(
    authorization: bytes | None, api_key: bytes | None
) -> None:
    assert presented(authorization, api_key) is None


@pytest.mark.parametrize(
    "authorization",
    [
        b"Bearer  " + KEY,
        b"Bearer " + KEY + b" ",
        b"Bearer " + KEY[:-1],
        b"Bearer " + KEY + b"x",
        b"Bearer " + KEY.upper(),
        b"Bearer " + KEY + b", Bearer " + KEY,
        b"Bearer " + DIGEST.hex().encode(),
        b"Bearer " + DIGEST,
        b"Bearer \xff\x00",
        b"Bearer ' OR 1=1 --",
        b"Bearer " + b"x" * 100_000,
        b"Basic " + KEY,
        b"",
    ],
)
def test_all_wrong_keys_are_told_alike(authorization: bytes) -> None:
    with pytest.raises(GatewayError) as told:
        identify(presented(authorization, None), KEYS)
    missing = unauthenticated()
    assert told.value.code is Code.INVALID_API_KEY
    assert told.value.status == 401
    assert told.value.headers == missing.headers == b"www-authenticate: Bearer\r\n"
    assert error_body(told.value) == error_body(missing)
    assert "sk-" not in json.dumps(error_body(told.value).decode())


def test_without_keys_everybody_is_anonymous() -> None:
    for digest in (None, DIGEST, presented(b"Basic x", None), presented(b"Bearer ", b"x")):
        assert identify(digest, Keyring({}, anonymous=True)) is ANONYMOUS
    assert ANONYMOUS.may_use("anything")


@pytest.mark.parametrize("model", ["fast", "smart", "smarter", "smart/x", "smart*"])
def test_a_key_may_use_its_models(model: str) -> None:
    assert SEARCH.may_use(model)


@pytest.mark.parametrize("model", ["", "fas", "faster", "Fast", "smar", "a-smart", "*", " fast"])
def test_and_no_others(model: str) -> None:
    assert not SEARCH.may_use(model)


def test_a_key_without_models_may_use_none() -> None:
    assert not virtual_key("k", "t", ()).may_use("fast")
    assert not virtual_key("k", "t", ()).may_use("")


def test_a_key_does_not_hold_what_was_presented() -> None:
    assert KEY.decode() not in repr(KEYS)


def test_no_keys_at_all_let_nobody_in_unless_that_is_meant() -> None:
    with pytest.raises(GatewayError):
        identify(DIGEST, Keyring({}))


def test_a_keyed_digest_is_found_with_its_secret_only() -> None:
    ring = {keyed(b"secret-secret-secret", DIGEST): SEARCH}
    assert identify(DIGEST, Keyring(ring, b"secret-secret-secret")) is SEARCH
    for other in (Keyring(ring), Keyring(ring, b"another-secret-another")):
        with pytest.raises(GatewayError):
            identify(DIGEST, other)


def test_plain_digests_count_beside_keyed_ones() -> None:
    assert identify(DIGEST, Keyring({DIGEST: SEARCH}, b"secret-secret-secret")) is SEARCH


def test_a_keyed_digest_is_no_key_itself() -> None:
    """Whoever reads the file cannot present what stands there."""
    stored = keyed(b"secret-secret-secret", DIGEST)
    with pytest.raises(GatewayError):
        identify(presented(b"Bearer " + stored.hex().encode(), None), Keyring({stored: SEARCH}))


def test_a_key_does_what_it_may() -> None:
    assert SEARCH.may_do("chat")
    chat = virtual_key("k", "t", ("*",), ("chat",))
    assert (chat.may_do("chat"), chat.may_do("images")) == (True, False)
