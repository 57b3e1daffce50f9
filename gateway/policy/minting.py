"""Keys of our own making: minted, rotated, revoked, and which of them are good at a moment.

A key is 256 random bits behind a prefix by which people and scanners know it. It is shown once;
kept is its SHA-256, or with a secret the HMAC of that. Several entries may bear one name: a key and
the one that replaces it, which share all that is counted by name.
"""

import base64
import hashlib
import math
import re
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from gateway.config.schema import Budget, Caps, Key, Limits, Operation, Priority
from gateway.policy.access import NO_CAPS, keyed

PREFIX: Final = "gwk_"
RANDOM_BYTES: Final = 32
SHOWN: Final = len(PREFIX) + 6  # characters that lists may show: 36 of the 256 bits
FORGOTTEN_S: Final = 90 * 86_400  # how long an entry stays that is good no more
PLAIN, KEYED = "sha256:", "hmac-sha256:"
_DIGEST: Final = re.compile(f"(?:{PLAIN}|{KEYED})([0-9a-f]{{64}})")

Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[!-~]([ -~]*[!-~])?$")]
Pattern = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^*]*\*?$")]


class _Caps(Caps, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Limits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Budget(Budget, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a new key is to be."""

    name: Name
    tenant: Name
    models: tuple[Pattern, ...] = ("*",)
    operations: tuple[Operation, ...] | None = None
    caps: _Caps = _Caps()
    limits: _Limits = _Limits()
    budget: _Budget | None = None
    priority: Priority | None = None
    expires_in_s: Annotated[float, Meta(gt=0, le=10 * 366 * 86_400)] | None = None


class Minted(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An entry of the keys file. Times are unix seconds."""

    name: Name
    tenant: Name
    digest: str
    prefix: str = ""  # how the key begins
    models: tuple[Pattern, ...] = ("*",)
    operations: tuple[Operation, ...] | None = None
    caps: Caps = NO_CAPS
    limits: Limits = Limits()
    budget: Budget | None = None
    priority: Priority | None = None
    created_at: float = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None

    @property
    def ends_at(self) -> float:
        """From then on it is good no more."""
        ends = [at for at in (self.expires_at, self.revoked_at) if at is not None]
        return min(ends, default=math.inf)

    @property
    def octets(self) -> bytes:
        """The digest. Raises ValueError."""
        found = _DIGEST.fullmatch(self.digest)
        if found is None:
            raise ValueError(f"key {self.name!r}: its digest must be sha256: and 64 hex digits")
        return bytes.fromhex(found[1])


Entries = tuple[Minted, ...]


class Refused(ValueError):
    """Why a change to the keys cannot be made; for whoever asked for it."""


def clear_key(random: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def digest_of(clear: str, secret: str) -> str:
    digest = hashlib.sha256(clear.encode()).digest()
    if secret:
        return KEYED + keyed(secret.encode(), digest).hex()
    return PLAIN + digest.hex()


def create(entries: Entries, wanted: Wanted, clear: str, secret: str, now: float) -> Entries:
    """Raises Refused."""
    if any(one.name == wanted.name and now < one.ends_at for one in entries):
        raise Refused(f"there is a key {wanted.name!r} already; rotate or revoke it")
    made = Minted(
        name=wanted.name,
        tenant=wanted.tenant,
        digest=digest_of(clear, secret),
        prefix=clear[:SHOWN],
        models=wanted.models,
        operations=wanted.operations,
        caps=Caps(**msgspec.structs.asdict(wanted.caps)),
        limits=Limits(**msgspec.structs.asdict(wanted.limits)),
        budget=None if wanted.budget is None else Budget(**msgspec.structs.asdict(wanted.budget)),
        priority=wanted.priority,
        created_at=now,
        expires_at=None if wanted.expires_in_s is None else now + wanted.expires_in_s,
    )
    return (*_kept(entries, now), made)


def rotate(
    entries: Entries, name: str, clear: str, secret: str, overlap_s: float, now: float
) -> Entries:
    """A new key that may do the same; those so far are good for overlap_s more. Raises Refused."""
    live = [one for one in entries if one.name == name and now < one.ends_at]
    if not live:
        raise Refused(f"there is no key {name!r}")
    newest = max(live, key=lambda one: one.created_at)
    made = msgspec.structs.replace(
        newest, digest=digest_of(clear, secret), prefix=clear[:SHOWN], created_at=now
    )

    def ended(one: Minted) -> Minted:
        ends_at = min(one.ends_at, now + overlap_s)
        return msgspec.structs.replace(one, expires_at=ends_at) if one in live else one

    return (*map(ended, _kept(entries, now)), made)


def revoke(entries: Entries, which: str, now: float) -> Entries:
    """which: a name, or the beginning of one key as lists show it. Raises Refused."""

    def meant(one: Minted) -> bool:
        return which in (one.name, one.prefix) and now < one.ends_at

    if not any(map(meant, entries)):
        raise Refused(f"there is no key {which!r}")
    return tuple(
        msgspec.structs.replace(one, revoked_at=now) if meant(one) else one
        for one in _kept(entries, now)
    )


def good(entries: Entries, now: float) -> tuple[Key, ...]:
    """Raises ValueError for an entry that cannot be right."""
    return tuple(
        Key(
            name=one.name,
            tenant=one.tenant,
            digest=one.octets,
            models=one.models,
            operations=one.operations,
            caps=one.caps,
            limits=one.limits,
            budget=one.budget,
            priority=one.priority,
        )
        for one in entries
        if now < one.ends_at
    )


def next_end(entries: Iterable[Minted], now: float) -> float:
    """When the next of them ends; inf if none does."""
    return min((one.ends_at for one in entries if now < one.ends_at), default=math.inf)


def _kept(entries: Entries, now: float) -> Entries:
    return tuple(one for one in entries if now < one.ends_at + FORGOTTEN_S)
