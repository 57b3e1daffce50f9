"""Whose key is this, and may it use that model.

A presented key is hashed before anything else touches it: what is looked up, compared and kept is
the digest, so neither timing nor an error can tell one wrong key from another.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.errors import Code, GatewayError


@dataclass(frozen=True, slots=True)
class VirtualKey:
    name: str  # safe to log
    tenant: str
    exact: frozenset[str]  # models it may use
    prefixes: tuple[str, ...]  # and the beginnings of further ones

    def may_use(self, model: str) -> bool:
        return model in self.exact or model.startswith(self.prefixes)


def virtual_key(name: str, tenant: str, models: tuple[str, ...]) -> VirtualKey:
    """models: names, or beginnings that end in *."""
    prefixes = tuple(model[:-1] for model in models if model.endswith("*"))
    return VirtualKey(name, tenant, frozenset(models), prefixes)


ANONYMOUS: Final = virtual_key("anonymous", "anonymous", ("*",))


def presented(authorization: bytes | None, api_key: bytes | None) -> bytes | None:
    """The digest of the one key that the client presents; None for no key, or two different ones.

    authorization: `Bearer KEY`; api_key: the x-api-key header.
    """
    key = api_key
    if authorization is not None:
        scheme, _, key = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or (api_key is not None and api_key != key):
            return None
    return hashlib.sha256(key).digest() if key else None


def identify(digest: bytes | None, keys: Mapping[bytes, VirtualKey]) -> VirtualKey:
    """Without any keys configured, everybody is anonymous. Raises GatewayError."""
    if not keys:
        return ANONYMOUS
    key = None if digest is None else keys.get(digest)
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
