"""Credentials that change: kept fresh in the background, never waited for, never shown."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.upstream.credentials import (
    MAX_ANSWER,
    Credential,
    CredentialError,
    Filed,
    Renewed,
    Token,
    _look,
    azure_client,
    azure_metadata,
    google_account,
    google_metadata,
)
from tests.vendors.looped import looped
from tests.vendors.scripted import Close, Send, Vendor, closed_port, response

TOKEN = response(body=b'{"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}')


@asynccontextmanager
async def running(credential: Credential) -> AsyncIterator[None]:
    task = asyncio.create_task(credential.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0.002)


# ---- a file


def _file(tmp_path: Path, text: str) -> Path:
    """As secrets are changed: a new file in the old one's place."""
    path, other = tmp_path / "secret", tmp_path / "new"
    other.write_text(text)
    os.replace(other, path)
    return path


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    @looped
    async def changes() -> None:
        credential = Filed(_file(tmp_path, "one\n"), every_s=0.005)
        assert credential.current() == "one"
        async with running(credential):
            _file(tmp_path, "two\n")
            await until(lambda: credential.current() == "two")

    changes()


def test_a_file_that_is_gone_leaves_what_was_known(tmp_path: Path) -> None:
    @looped
    async def goes() -> None:
        path = _file(tmp_path, "one")
        credential = Filed(path, every_s=3600)
        path.unlink()
        async with running(credential):
            credential.refused()  # it is looked at before its time
            await asyncio.sleep(0)
            assert credential.current() == "one"
            _file(tmp_path, "two")
            credential.refused()
            await until(lambda: credential.current() == "two")

    goes()


def test_a_file_that_is_just_being_written_leaves_what_was_known(tmp_path: Path) -> None:
    path = _file(tmp_path, "one")
    credential = Filed(path)
    _file(tmp_path, "\n")
    credential._take(_look(path, None))
    assert credential.current() == "one"


def test_a_file_that_never_was_is_no_credential(tmp_path: Path) -> None:
    assert Filed(tmp_path / "none").current() == ""


@pytest.mark.parametrize("text", ["one\r\nx-admin: yes", "# a note\none", "sk-\xe9", "a\0b"])
def test_what_would_be_more_than_a_credential_in_a_head_is_none(tmp_path: Path, text: str) -> None:
    credential = Filed(_file(tmp_path, text))
    assert credential.current() == ""
    assert credential.error


# ---- a token is renewed


class Source:
    """Tokens, in the test's own hands: seconds to live, or what goes wrong."""

    def __init__(self, *lives: float | CredentialError) -> None:
        self._lives = list(lives)
        self.given = 0

    async def __call__(self) -> Token:
        life = self._lives.pop(0) if len(self._lives) > 1 else self._lives[0]
        if isinstance(life, CredentialError):
            raise life
        self.given += 1
        return Token(f"t{self.given}", life)


@looped
async def test_a_token_is_renewed_before_it_ends() -> None:
    credential = Renewed(Source(0.4, 3600))
    assert credential.current() == ""
    async with running(credential):
        await credential.tried.wait()
        seen = {credential.current()}
        while "t2" not in seen:
            seen.add(credential.current())
            await asyncio.sleep(0.002)
        assert seen == {"t1", "t2"}  # and never none


@looped
async def test_a_token_is_kept_while_there_is_no_new_one() -> None:
    credential = Renewed(Source(0.2, CredentialError("down")), backoff_s=(0.005, 0.02))
    async with running(credential):
        await until(lambda: credential.failures > 3)
        assert credential.error == "down"
        assert credential.current() in ("t1", "")
        await until(lambda: credential.current() == "")  # it has ended, and is shown no more


@looped
async def test_a_token_comes_once_its_server_is_back() -> None:
    down = CredentialError("down")
    credential = Renewed(Source(down, down, 3600), backoff_s=(0.001, 0.01))
    async with running(credential):
        await credential.tried.wait()
        await until(lambda: credential.current() == "t1")
        assert (credential.failures, credential.error) == (0, "")


@looped
async def test_a_server_that_is_away_for_days_is_asked_all_the_same() -> None:
    credential = Renewed(Source(CredentialError("down")), backoff_s=(1.0, 0.0))
    credential.failures = 2000
    async with running(credential):
        await until(lambda: credential.failures > 2001)


@looped
async def test_a_token_that_is_refused_is_renewed_unless_it_is_new() -> None:
    source = Source(3600)
    old, new = Renewed(source, trusted_s=-1), Renewed(source)
    async with running(old), running(new):
        await asyncio.gather(old.tried.wait(), new.tried.wait())
        new.refused()
        old.refused()
        await until(lambda: source.given == 3)
        await asyncio.sleep(0.02)
        assert source.given == 3


# ---- where tokens come from


@looped
async def test_metadata_servers_are_asked_with_their_header() -> None:
    async with Vendor([Send(TOKEN)]) as vendor:
        token = await google_metadata(f"{vendor.url}/token")()
        assert (token.secret, token.lasts_s) == ("ya29.x", 3599)
        assert "ya29" not in repr(token)
        await azure_metadata(f"{vendor.url}/azure?resource=x")()
        google, azure = vendor.journal
        assert google.header("metadata-flavor") == "Google"
        assert (azure.header("metadata"), azure.path) == ("true", "/azure?resource=x")


@looped
async def test_azure_tells_the_seconds_as_text() -> None:
    text = response(body=b'{"access_token": "x", "expires_in": "86399"}')
    async with Vendor([Send(text)]) as vendor:
        token = await azure_client(f"{vendor.url}/t", "id", "s&cret")()
        assert token == Token("x", 86399)
        form = parse_qs(vendor.journal[0].body.decode())
        assert form["client_secret"] == ["s&cret"]
        assert form["grant_type"] == ["client_credentials"]


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _account(key: str, url: str) -> str:
    email, kid = "gateway@project.iam.gserviceaccount.com", "kid-1"
    return json.dumps(
        {"client_email": email, "private_key": key, "token_uri": url, "private_key_id": kid}
    )


@looped
async def test_a_service_account_signs_who_it_is() -> None:
    key = rsa.generate_private_key(65537, 2048)
    async with Vendor([Send(TOKEN)]) as vendor:
        url = f"{vendor.url}/token"
        assert (await google_account(_account(_pem(key), url))()).secret == "ya29.x"
        form = parse_qs(vendor.journal[0].body.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        (assertion,) = form["assertion"]
        assert jwt.get_unverified_header(assertion)["kid"] == "kid-1"
        said = jwt.decode(assertion, key.public_key(), algorithms=["RS256"], audience=url)
        assert said["iss"] == "gateway@project.iam.gserviceaccount.com"
        assert said["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        assert said["exp"] - said["iat"] == 3600


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "not a service account"),
        ("sk-secret", "not a service account"),
        (_account("-----BEGIN secret", "u"), "cannot be read"),
        (_account(_pem(ec.generate_private_key(ec.SECP256R1())), "u"), "no RSA key"),
    ],
)
def test_what_is_no_service_account_is_told_without_its_secret(text: str, why: str) -> None:
    with pytest.raises(CredentialError, match=why) as refused:
        google_account(text)
    assert "secret" not in str(refused.value)
    assert "BEGIN" not in str(refused.value)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (Send(response(403, b'{"secret": 1}')), "answered 403"),
        (Send(response(302, b"", b"location: http://127.0.0.1:1/\r\n")), "answered 302"),
        (Send(response(body=b"<html>")), "gave no token"),
        (Send(response(body=b'{"access_token": "x"}')), "gave no token"),
        (Send(response(body=b'{"access_token": "", "expires_in": 5}')), "gave no token"),
        (Send(response(body=b'{"access_token": "a\\r\\nb: c", "expires_in": 5}')), "gave no token"),
        (Send(response(body=b'{"access_token": "x", "expires_in": 0}')), "gave no token"),
        (Send(response(body=b" " * (MAX_ANSWER + 1))), "says too much"),
        (Close(), "no answer"),
    ],
)
def test_what_is_no_token_is_told(script: Send | Close, why: str) -> None:
    @looped
    async def asked() -> None:
        async with Vendor([script]) as vendor:
            with pytest.raises(CredentialError, match=why) as refused:
                await google_metadata(vendor.url)()
            assert "secret" not in str(refused.value)

    asked()


@looped
async def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(CredentialError, match="no answer from the token's server"):
        await google_metadata(f"http://127.0.0.1:{closed_port()}/")()
