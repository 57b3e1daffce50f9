"""Tokens, signed with real keys: which are good, and everything that is not."""

import base64
import hashlib
import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.config.schema import Oidc
from gateway.runtime.oidc import MAX_KNOWN, Verifier
from tests.unit.runtime.tokens import AN_HOUR, AUDIENCE, EC, ED, ISSUER, RSA, STRANGER, jwks, token


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    path: Path = tmp_path_factory.mktemp("oidc") / "jwks.json"
    path.write_bytes(jwks())
    made = Verifier(
        Oidc(issuer=ISSUER, audience=AUDIENCE, jwks_file=str(path), models=("fast", "s*"))
    )
    made.tenants = {"search"}
    return made


def tenant(verifier: Verifier, text: str, now: float | None = None) -> str | None:
    digest = hashlib.sha256(text.encode()).digest()
    key = verifier.verified(text.encode(), digest, time.time() if now is None else now)
    return None if key is None else key.tenant


def unsigned(head: dict[str, object]) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + AN_HOUR, "tenant": "search"}
    parts = (base64.urlsafe_b64encode(json.dumps(x).encode()).rstrip(b"=") for x in (head, claims))
    return b".".join([*parts, b""]).decode()


@pytest.mark.parametrize(
    "good",
    [token(), token(EC, "ES256", "ec"), token(ED, "EdDSA", "ed"), token(aud=["x", AUDIENCE])],
)
def test_a_token_of_the_provider_is_good_once_and_again(verifier: Verifier, good: str) -> None:
    assert tenant(verifier, good) == "search"
    assert tenant(verifier, good) == "search"


def test_it_may_what_the_config_says_and_is_looked_at_each_time(verifier: Verifier) -> None:
    text = token()
    key = verifier.verified(text.encode(), hashlib.sha256(text.encode()).digest(), time.time())
    assert key is not None
    assert (key.name, key.lasting) == ("oidc:search", False)
    assert key.may_use("fast")
    assert key.may_use("smart")
    assert not key.may_use("other")


PUBLIC = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


@pytest.mark.parametrize(
    "bad",
    [
        token(exp=time.time() - 60),
        token(exp=None),
        token(nbf=time.time() + AN_HOUR / 2),
        token(iss="https://evil.example"),
        token(iss=None),
        token(aud="another"),
        token(aud=None),
        token(tenant="nobody"),
        token(tenant=None),
        token(tenant=["search"]),
        token(STRANGER),
        token(STRANGER, kid=None),
        token(kid="unknown"),
        token(EC, "ES256", "rsa"),
        token(PUBLIC, "HS256", "rsa"),  # a public key as a shared secret
        unsigned({"alg": "none", "kid": "rsa"}),
        unsigned({"alg": "RS256", "kid": "rsa", "jku": "https://evil.example/keys"}),
        token()[:-4],
        token() + "A",
        token().replace(".", "", 1),
        "..",
        "a.b.c",
        "x" * 9000 + "..",
    ],
)
def test_every_other_is_none(verifier: Verifier, bad: str) -> None:
    assert tenant(verifier, bad) is None


def test_a_token_that_was_good_ends_with_its_time_and_its_tenant(verifier: Verifier) -> None:
    text = token(exp=time.time() + 5)
    assert tenant(verifier, text) == "search"
    verifier.tenants = ()
    assert tenant(verifier, text) is None
    verifier.tenants = {"search"}
    assert tenant(verifier, text) == "search"


def test_other_keys_end_what_was_known(verifier: Verifier) -> None:
    text = token()
    assert tenant(verifier, text) == "search"
    verifier.take(b'{"keys": [' + json.dumps(json.loads(jwks())["keys"][1]).encode() + b"]}")
    assert tenant(verifier, text) is None
    verifier.take(jwks())
    assert tenant(verifier, text) == "search"


def test_what_is_known_is_bounded(verifier: Verifier) -> None:
    verifier._known.update(dict.fromkeys(map(str.encode, map(str, range(MAX_KNOWN))), None))  # type: ignore[arg-type]
    assert tenant(verifier, token()) == "search"
    assert len(verifier._known) == 1


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"keys": []}', b'{"keys": [{}]}', b"\xff"])
def test_what_is_no_set_of_keys_is_refused_and_changes_nothing(
    verifier: Verifier, text: bytes
) -> None:
    with pytest.raises(OSError, match="JWKS"):
        verifier.take(text)
    assert tenant(verifier, token()) == "search"
