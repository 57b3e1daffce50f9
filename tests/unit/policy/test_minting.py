"""A key's life: made, shown once, replaced, ended. Time and chance are given."""

import hashlib
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import Caps
from gateway.policy import minting
from gateway.policy.access import Keyring, identify, presented, virtual_key
from gateway.policy.minting import Entries, Minted, Refused, Wanted

RANDOM = bytes(range(32))
CLEAR = minting.clear_key(RANDOM)
OTHER = minting.clear_key(RANDOM[::-1])
SECRET = "secret-secret-secret"
WANTED = msgspec.convert(
    {"name": "search", "tenant": "t", "models": ["fast", "s*"], "caps": {"n": 2}}, Wanted
)


def made(secret: str = "", wanted: Wanted = WANTED) -> Entries:
    return minting.create((), wanted, CLEAR, secret, 1000.0)


def test_a_key_is_recognized_and_has_all_its_bits() -> None:
    assert CLEAR.startswith("gwk_")
    assert len(CLEAR) == 47
    assert all(" " < letter <= "~" for letter in CLEAR)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_other_bits_make_another_key(one: bytes, other: bytes) -> None:
    assert (one == other) == (minting.clear_key(one) == minting.clear_key(other))


@pytest.mark.parametrize("secret", ["", SECRET])
def test_an_entry_lets_its_key_in_and_does_not_hold_it(secret: str) -> None:
    (entry,) = made(secret)
    assert CLEAR not in repr(entry) + msgspec.json.encode(entry).decode()
    assert entry.prefix == CLEAR[:10]
    (key,) = minting.good((entry,), 1000.0)
    ring = Keyring({key.digest: virtual_key(key.name, key.tenant, key.models)}, secret.encode())
    assert identify(presented(b"Bearer " + CLEAR.encode(), None), ring).name == "search"
    assert (key.models, key.caps) == (("fast", "s*"), Caps(n=2))


def test_without_the_secret_the_digest_is_the_keys_own() -> None:
    (entry,) = made()
    assert entry.octets == hashlib.sha256(CLEAR.encode()).digest()
    (entry,) = made(SECRET)
    assert entry.octets != hashlib.sha256(CLEAR.encode()).digest()


def test_a_name_is_given_once_until_it_is_free_again() -> None:
    with pytest.raises(Refused, match="already"):
        minting.create(made(), WANTED, OTHER, "", 1001.0)
    gone = minting.revoke(made(), "search", 1001.0)
    assert len(minting.create(gone, WANTED, OTHER, "", 1002.0)) == 2


def test_a_key_expires_when_it_was_said() -> None:
    wanted = msgspec.structs.replace(WANTED, expires_in_s=60.0)
    entries = made(wanted=wanted)
    assert len(minting.good(entries, 1059.0)) == 1
    assert minting.next_end(entries, 1059.0) == 1060
    assert minting.good(entries, 1060.0) == ()
    assert minting.next_end(entries, 1060.0) == math.inf


def test_rotation_lets_both_in_for_a_while() -> None:
    entries = minting.rotate(made(), "search", OTHER, "", 100.0, 2000.0)
    assert [key.name for key in minting.good(entries, 2099.0)] == ["search", "search"]
    (key,) = minting.good(entries, 2100.0)
    assert key.digest == hashlib.sha256(OTHER.encode()).digest()
    assert (key.models, key.caps) == (("fast", "s*"), Caps(n=2))


def test_rotation_lengthens_no_life() -> None:
    wanted = msgspec.structs.replace(WANTED, expires_in_s=60.0)
    entries = minting.rotate(made(wanted=wanted), "search", OTHER, "", 1000.0, 1010.0)
    assert minting.good(entries, 1060.0) == ()


def test_what_is_not_there_can_be_neither_rotated_nor_revoked() -> None:
    gone = minting.revoke(made(), "search", 1001.0)
    with pytest.raises(Refused, match="there is no key"):
        minting.rotate((), "search", OTHER, "", 1.0, 1.0)
    for entries, which in ((made(), "nobody"), (gone, "search")):
        with pytest.raises(Refused, match="there is no key"):
            minting.revoke(entries, which, 1002.0)


def test_one_of_two_of_a_name_is_revoked_by_its_beginning() -> None:
    entries = minting.rotate(made(), "search", OTHER, "", 100.0, 2000.0)
    (key,) = minting.good(minting.revoke(entries, CLEAR[:10], 2001.0), 2001.0)
    assert key.digest == hashlib.sha256(OTHER.encode()).digest()
    assert minting.good(minting.revoke(entries, "search", 2001.0), 2001.0) == ()


def test_what_ended_long_ago_is_forgotten() -> None:
    gone = minting.revoke(made(), "search", 1001.0)
    later = 1002.0 + minting.FORGOTTEN_S
    assert len(minting.create(gone, WANTED, OTHER, "", later)) == 1


@pytest.mark.parametrize("digest", ["", "sha256:00", "md5:" + "0" * 64, "sha256:" + "G" * 64])
def test_a_digest_that_is_none_is_named_by_its_key(digest: str) -> None:
    with pytest.raises(ValueError, match="key 'k'"):
        minting.good((Minted(name="k", tenant="t", digest=digest),), 0.0)


@pytest.mark.parametrize(
    "said",
    [
        {"name": "", "tenant": "t"},
        {"name": "a\nb", "tenant": "t"},
        {"name": "a", "tenant": "t", "models": ["a*b"]},
        {"name": "a", "tenant": "t", "operations": ["admin"]},
        {"name": "a", "tenant": "t", "expires_in_s": 0},
        {"name": "a", "tenant": "t", "role": "admin"},
        {"name": "a", "tenant": "t", "caps": {"m": 1}},
        {"name": "a", "tenant": "t", "limits": {"requests_per_fortnight": 1}},
        {"name": "a", "tenant": "t", "digest": "sha256:" + "0" * 64},
        {"name": "a"},
    ],
)
def test_only_what_a_key_may_have_can_be_wanted(said: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, Wanted)
