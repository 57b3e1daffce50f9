"""Which backend has a credential that does not last."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.config import schema
from gateway.config.secret import Secret
from gateway.runtime.tokens import bears, credential_of
from gateway.upstream.credentials import Filed, Renewed
from gateway.wire import json


def backend(
    provider: str, credential: str = "", token: schema.Token | None = None
) -> schema.Backend:
    return schema.Backend(
        name="b", provider=provider, credential=Secret(credential), token=token or schema.Token()
    )


def account() -> str:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    whole = {"client_email": "a@b.test", "private_key": key.decode(), "token_uri": "http://t.test"}
    return json.write(whole).decode()


@pytest.mark.parametrize(
    "one",
    [
        backend("openai", "sk-a"),
        backend("azure", "k"),
        backend("vertex", "ya29.x"),
        backend("vertex", "", schema.Token(source="none")),
    ],
)
def test_most_are_shown_as_they_are(one: schema.Backend) -> None:
    assert credential_of(one) is None
    assert not bears(one)


@pytest.mark.parametrize(
    "one",
    [
        backend("vertex"),
        backend("vertex", account()),
        backend("azure", "s", schema.Token(source="azure_client", tenant="t", client_id="c")),
        backend("azure", "", schema.Token(source="azure_metadata")),
        backend("openai_compatible", "", schema.Token(source="google_metadata")),
    ],
)
def test_a_cloud_s_are_renewed(one: schema.Backend) -> None:
    assert isinstance(credential_of(one), Renewed)
    assert bears(one)


def test_a_file_s_is_shown_as_the_provider_shows_its_own(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k-1\n")
    one = backend("azure", "", schema.Token(source="file", file=str(tmp_path / "key")))
    credential = credential_of(one)
    assert isinstance(credential, Filed)
    assert credential.current() == "k-1"
    assert not bears(one)


def test_what_is_no_account_is_refused_with_its_place() -> None:
    with pytest.raises(OSError, match="backend b: the credential is not a service account's JSON"):
        credential_of(backend("vertex", '{"type": "authorized_user"}'))
