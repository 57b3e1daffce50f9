"""Credentials that change while the gateway runs: a file's, a cloud's tokens.

`current()` never waits; `run()` keeps it fresh and belongs to whoever owns background tasks. A
token is renewed well before its end, and kept until then if renewing fails.
Sources: cloud.google.com/compute/docs/access/authenticate-workloads, RFC 7523 as in
developers.google.com/identity/protocols/oauth2/service-account, learn.microsoft.com/entra
(v2-oauth2-client-creds-grant-flow, managed-identities-azure-resources), 2026-11.
"""

import asyncio
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec

from gateway.errors import Code
from gateway.upstream.reply import UpstreamDown
from gateway.wire import json
from gateway.wire.http import printable

TIMEOUT_S: Final = 10.0  # of one request for a token
MAX_ANSWER: Final = 64 * 1024  # bytes; a token of Azure's with many groups has some 8 kB
GOOGLE_METADATA: Final = (
    "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
)
GOOGLE_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
AZURE_METADATA: Final = (
    "http://169.254.169.254/metadata/identity/oauth2/token"
    "?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com"
)
AZURE_SCOPE: Final = "https://cognitiveservices.azure.com/.default"
_MAX_LIFE_S: Final = 366 * 86400
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class CredentialError(Exception):
    """No credential could be had. The message is safe to log: never a secret."""


class NoCredential(UpstreamDown):
    """There is none to show now."""

    def __init__(self, credential: "Credential") -> None:
        super().__init__(Code.UPSTREAM_AUTH)
        self.credential = credential


class Credential(Protocol):
    tried: asyncio.Event  # set as soon as it is known whether there is one

    @property
    def error(self) -> str:
        """Why there is none, or no newer one; "" if all is well. Safe to log."""

    def current(self) -> str:
        """What to show now; "" where there is none. Never waits."""

    def refused(self) -> None:
        """The vendor did not take it: it is looked at again soon."""

    async def run(self) -> None:
        """Keeps it fresh until cancelled."""


def shown(credential: Credential) -> str:
    """What to show now. Raises NoCredential."""
    secret = credential.current()
    if not secret:
        raise NoCredential(credential)
    return secret


# ---- a file


class Filed:
    """A file's text without its last line end, read again whenever the file is another one."""

    def __init__(self, path: Path, *, every_s: float = 5.0) -> None:
        self._path = path
        self._every_s = every_s
        self._wake = asyncio.Event()
        self._seen: _State | None = None
        self._secret = ""
        self.tried = asyncio.Event()
        self.tried.set()
        self._take(_look(path, None))

    @property
    def error(self) -> str:
        return "" if self._secret else f"{self._path} holds none, or cannot be read"

    def current(self) -> str:
        return self._secret

    def refused(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        while True:
            await _pause(self._wake, self._every_s)
            self._take(await asyncio.to_thread(_look, self._path, self._seen))

    def _take(self, found: "tuple[_State, str] | None") -> None:
        if found is not None:
            self._seen, self._secret = found


_State = tuple[int, int, int]


def _look(path: Path, seen: _State | None) -> tuple[_State, str] | None:
    """None where it is as it was, or is nothing to put into a head: then what was known counts."""
    try:
        stat = path.stat()
        state = stat.st_ino, stat.st_mtime_ns, stat.st_size
        if state == seen:
            return None
        text = path.read_bytes().rstrip(b"\r\n")
    except OSError:
        return None
    return (state, text.decode()) if text and printable(text) else None


# ---- a token


@dataclass(frozen=True, slots=True)
class Token:
    secret: str = field(repr=False)
    lasts_s: float


Fetch = Callable[[], Awaitable[Token]]  # raises CredentialError
_AHEAD_S: Final = 300.0  # before its end a token is renewed; of a short one, in its last quarter
_BACKOFF_S: Final = (1.0, 60.0)  # after a failure, at first and at most
_DOUBLINGS: Final = 64  # of the pause: a float takes no more than a thousand
_TRUSTED_S: Final = 60.0  # a younger token that is refused is not the token's fault


class Renewed:
    def __init__(
        self,
        fetch: Fetch,
        *,
        backoff_s: tuple[float, float] = _BACKOFF_S,
        trusted_s: float = _TRUSTED_S,
    ) -> None:
        self._fetch = fetch
        self._backoff_s = backoff_s
        self._trusted_s = trusted_s
        self._wake = asyncio.Event()
        self._token = Token("", 0.0)
        self._since = 0.0
        self.tried = asyncio.Event()  # a first token has come, or has not
        self.failures = 0  # in a row
        self.error = ""  # why the last one did not come

    def current(self) -> str:
        fresh = time.monotonic() < self._since + self._token.lasts_s
        return self._token.secret if fresh else ""

    def refused(self) -> None:
        if time.monotonic() > self._since + self._trusted_s:
            self._wake.set()

    async def run(self) -> None:
        while True:
            await _pause(self._wake, await self._renew())

    async def _renew(self) -> float:
        """Seconds until it is to be renewed."""
        try:
            since = time.monotonic()
            token = await self._fetch()
        except CredentialError as error:
            self.error = str(error)
            first, most = self._backoff_s
            pause: float = min(most, first * 2.0 ** min(self.failures, _DOUBLINGS))
            self.failures += 1
        else:
            self._token, self._since = token, since
            self.failures, self.error = 0, ""
            pause = token.lasts_s - min(_AHEAD_S, token.lasts_s / 4)
        self.tried.set()
        return pause


async def _pause(wake: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        pass
    wake.clear()


# ---- where tokens come from


def google_metadata(url: str = GOOGLE_METADATA) -> Fetch:
    """Of the machine or pod that we run on."""
    return lambda: _asked("GET", url, {"metadata-flavor": "Google"})


def azure_metadata(url: str = AZURE_METADATA) -> Fetch:
    return lambda: _asked("GET", url, {"metadata": "true"})


def azure_client(url: str, client_id: str, secret: str, scope: str = AZURE_SCOPE) -> Fetch:
    """url: https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"""
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret,
        "scope": scope,
    }
    return lambda: _asked("POST", url, {}, form)


class _Account(msgspec.Struct, frozen=True):
    """A service account's JSON, as Google gives it out."""

    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str = ""


def google_account(text: str, scope: str = GOOGLE_SCOPE) -> Fetch:
    """text: the service account's JSON. Raises CredentialError where it is none."""
    try:
        account = msgspec.json.decode(text, type=_Account)
    except msgspec.DecodeError:
        raise CredentialError("the credential is not a service account's JSON") from None
    sign = _signer(account.private_key)

    async def fetch() -> Token:
        assertion = _assertion(account, scope, int(time.time()), sign)
        form = {"grant_type": _GRANT, "assertion": assertion}
        return await _asked("POST", account.token_uri, {}, form)

    return fetch


def _assertion(account: _Account, scope: str, now: int, sign: Callable[[bytes], bytes]) -> str:
    """A signed statement of who we are (RFC 7523). now: unix seconds."""
    head = {"alg": "RS256", "typ": "JWT", "kid": account.private_key_id}
    claims = {
        "iss": account.client_email,
        "scope": scope,
        "aud": account.token_uri,
        "iat": now,
        "exp": now + 3600,
    }
    told = b"%b.%b" % (_base64(json.write(head)), _base64(json.write(claims)))
    return (told + b"." + _base64(sign(told))).decode()


def _signer(key: str) -> Callable[[bytes], bytes]:
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
    except ImportError:
        raise CredentialError(
            "service accounts need the package cryptography: install the extra [vertex]"
        ) from None
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        raise CredentialError("the service account's private_key cannot be read") from None
    if not isinstance(private, rsa.RSAPrivateKey):
        raise CredentialError("the service account's private_key is no RSA key")
    return lambda told: private.sign(told, padding.PKCS1v15(), hashes.SHA256())


def _base64(told: bytes) -> bytes:
    return urlsafe_b64encode(told).rstrip(b"=")


# ---- the request for one


class _Answer(msgspec.Struct):
    access_token: Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[!-~]+$")]
    # Seconds. Azure's metadata server says them as text.
    expires_in: Annotated[float, msgspec.Meta(ge=1, le=_MAX_LIFE_S)]


_answer: Final = msgspec.json.Decoder(_Answer, strict=False).decode


async def _asked(
    method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None
) -> Token:
    """Redirects are not followed: the form has a secret in it."""
    import aiohttp  # not above: 16 MiB that most gateways' workers never need

    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    https = url.startswith("https:")  # the proxy of the environment leads to no metadata server
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=https) as session,
            session.request(
                method, url, headers=headers, data=form, allow_redirects=False
            ) as reply,
        ):
            body = b""
            async for chunk in reply.content.iter_chunked(8192):
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise CredentialError("the token's server says too much")
            if reply.status != 200:
                raise CredentialError(f"the token's server answered {reply.status}")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise CredentialError(
            f"no answer from the token's server: {type(error).__name__}"
        ) from None
    try:
        answer = _answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CredentialError("the token's server gave no token") from None
    return Token(answer.access_token, answer.expires_in)
