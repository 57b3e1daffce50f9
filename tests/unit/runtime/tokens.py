"""An identity provider: its private keys, the tokens it signs, the public keys it shows."""

import json
import time
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER: Final = "https://login.example"
AUDIENCE: Final = "llm-gateway"
AN_HOUR: Final = 3600  # longer than a run of the tests: some are made as they are collected

RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC: Final = ec.generate_private_key(ec.SECP256R1())
ED: Final = ed25519.Ed25519PrivateKey.generate()
STRANGER: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def jwks() -> bytes:
    keys = [
        {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "rsa", "alg": "RS256"},
        {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "ec", "alg": "ES256"},
        {**OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True), "kid": "ed", "alg": "EdDSA"},
    ]
    return json.dumps({"keys": keys}).encode()


def token(
    key: Private | str = RSA,
    algorithm: str = "RS256",
    kid: str | None = "rsa",
    **claims: object,
) -> str:
    """claims: over those of a good token; None leaves one out."""
    said: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": time.time() + AN_HOUR,
        "sub": "user-1",
        "tenant": "search",
        **claims,
    }
    kept = {name: value for name, value in said.items() if value is not None}
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(kept, key, algorithm, headers=headers)
