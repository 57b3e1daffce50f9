"""Whose key is this, and may it use that model.

A presented key is hashed before anything else touches it: what is looked up, compared and kept is
the digest, so neither timing nor an error can tell one wrong key from another.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.config.schema import Caps
from gateway.errors import Code, GatewayError

NO_CAPS: Final = Caps()
_NO_DIGEST: Final = bytes(32)  # of nothing: looking it up takes as long as any


@dataclass(frozen=True, slots=True)
class VirtualKey:
    name: str  # safe to log
    tenant: str
    exact: frozenset[str]  # models it may use
    prefixes: tuple[str, ...]  # and the beginnings of further ones
    operations: frozenset[str] | None = None  # endpoints it may use; None: all
    caps: Caps | None = None  # None: one request may ask for anything
    lasting: bool = True  # False: it is good for this request only, and to be looked at again
    caches: bool = True  # its answers may be remembered, and remembered ones be its answers

    def may_do(self, operation: str) -> bool:
        return self.operations is None or operation in self.operations

    def may_use(self, model: str) -> bool:
        return model in self.exact or model.startswith(self.prefixes)


def virtual_key(
    name: str,
    tenant: str,
    models: tuple[str, ...],
    operations: tuple[str, ...] | None = None,
    caps: Caps = NO_CAPS,
    *,
    caches: bool = True,
) -> VirtualKey:
    """models: names, or beginnings that end in *."""
    prefixes = tuple(model[:-1] for model in models if model.endswith("*"))
    allowed = None if operations is None else frozenset(operations)
    kept = None if caps == NO_CAPS else caps
    return VirtualKey(name, tenant, frozenset(models), prefixes, allowed, kept, caches=caches)


ANONYMOUS: Final = virtual_key("anonymous", "anonymous", ("*",))


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys that are good at the moment."""

    by_digest: Mapping[bytes, VirtualKey] = field(repr=False)  # SHA-256, or HMAC of that
    secret: bytes = field(default=b"", repr=False)  # what keyed digests are keyed with
    anonymous: bool = False  # nobody has given any keys: everybody may come in

    def find(self, digest: bytes) -> VirtualKey | None:
        """Both ways are looked at, whatever the first one says."""
        plain = self.by_digest.get(digest)
        if not self.secret:
            return plain
        return self.by_digest.get(keyed(self.secret, digest)) or plain


def keyed(secret: bytes, digest: bytes) -> bytes:
    """A key's digest as a file may keep it that others might read."""
    return hmac.digest(secret, digest, "sha256")


def presented(authorization: bytes | None, *api_keys: bytes | None) -> bytes | None:
    """The digest of the one key that the client presents; None for no key, or two different ones.

    authorization: `Bearer KEY`; api_keys: the headers in which other vendors' clients have theirs.
    """
    keys = {key for key in api_keys if key is not None}
    if authorization is not None:
        scheme, _, key = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        keys.add(key)
    if len(keys) != 1:
        return None
    key = keys.pop()
    return hashlib.sha256(key).digest() if key else None


def identify(digest: bytes | None, keys: Keyring) -> VirtualKey:
    """Without any keys configured, everybody is anonymous. Raises GatewayError."""
    if keys.anonymous:
        return ANONYMOUS
    key = keys.find(_NO_DIGEST if digest is None else digest)
    if key is None:
        raise unauthenticated()
    return key


def unauthenticated() -> GatewayError:
    """One answer for all wrong keys: missing, malformed, unknown, revoked."""
    return GatewayError(
        Code.INVALID_API_KEY,
        "a valid key is needed, as in: Authorization: Bearer KEY",
        headers=b"www-authenticate: Bearer\r\n",
    )
