"""Tokens of an identity provider (JWT, RFC 7519; JWKS, RFC 7517), verified without asking anybody.

The provider's public keys come from the config's file, or from its URL by a task beside the traffic
(`jwkswatch`); a token never says where to look. Needs the extra `oidc`, imported when asked for.
"""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.config.schema import Oidc
from gateway.policy.access import VirtualKey, virtual_key

if TYPE_CHECKING:
    pass

# What may have signed a token: never nothing, never a secret that two sides share.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
MAX_TOKEN: Final = 8192  # bytes
MAX_KNOWN: Final = 4096  # tokens that were found good, not to be verified again; then anew
LEEWAY_S: Final = 30.0  # between the provider's clock and ours


class _Claims(msgspec.Struct):
    exp: float


class Verifier:
    """For one `oidc` section. Raises OSError when its file or the extra is not there."""

    def __init__(self, said: Oidc) -> None:
        try:
            import jwt
        except ImportError:
            raise OSError("oidc needs the extra: llm-gateway[oidc]") from None
        self._jwt = jwt
        self.said = said
        self.tenants: Collection[str] = ()  # those that a token may name
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._known: dict[bytes, tuple[VirtualKey, float]] = {}  # by digest; until when
        if said.jwks_file:
            self.take(Path(said.jwks_file).read_bytes())

    def take(self, jwks: bytes) -> None:
        """Other public keys than so far. Raises OSError for what are none."""
        try:
            found = self._jwt.PyJWKSet.from_json(jwks.decode()).keys
        except (self._jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError):
            raise OSError("oidc: no set of keys (JWKS) that can be read") from None
        self._keys = {key.key_id: key for key in found}
        self._known.clear()

    def verified(self, token: bytes, digest: bytes, now: float) -> VirtualKey | None:
        """Whose token it is; None if it is none, or no good one. digest: the token's."""
        known = self._known.get(digest)
        if known is not None and now < known[1] and known[0].tenant in self.tenants:
            return known[0]
        if token.count(b".") != 2 or len(token) > MAX_TOKEN:
            return None
        try:
            claims = self._claims(token)
            until = msgspec.convert(claims, _Claims, strict=False).exp
        except (self._jwt.PyJWTError, ValueError, TypeError, msgspec.ValidationError):
            return None
        tenant = claims.get(self.said.tenant_claim)
        if not isinstance(tenant, str) or tenant not in self.tenants:
            return None
        made = virtual_key(f"oidc:{tenant}", tenant, self.said.models)
        key = VirtualKey(made.name, tenant, made.exact, made.prefixes, lasting=False)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[digest] = key, until
        return key

    def _claims(self, token: bytes) -> dict[str, object]:
        """Raises jwt.PyJWTError."""
        head = self._jwt.get_unverified_header(token)
        key = self._keys.get(head.get("kid"))
        if key is None or head.get("alg") not in ALGORITHMS:
            raise self._jwt.InvalidTokenError
        claims: dict[str, object] = self._jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm_name],
            audience=self.said.audience,
            issuer=self.said.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims
