"""Which backend has a credential that does not last, and where that comes from."""

from pathlib import Path
from typing import Final

from gateway.config import schema
from gateway.upstream import credentials
from gateway.upstream.credentials import Credential, CredentialError, Fetch, Filed, Renewed

_GOOGLES: Final = frozenset({"vertex", "vertex_anthropic"})
_LOGIN: Final = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"


def credential_of(backend: schema.Backend) -> Credential | None:
    """None where the config's is shown as it is. Raises OSError where it can be of no use."""
    source = backend.token.source or _usual(backend)
    if source == "none":
        return None
    if source == "file":
        return Filed(Path(backend.token.file))
    try:
        return Renewed(_fetch(source, backend))
    except CredentialError as error:
        raise OSError(0, f"backend {backend.name}: {error}") from None


def bears(backend: schema.Backend) -> bool:
    """Whether it is a bearer's token, whatever else the provider's credentials are."""
    return (backend.token.source or _usual(backend)) not in ("none", "file")


def _usual(backend: schema.Backend) -> str:
    """What Google gives out is known by its look; none at all is the machine's own."""
    secret = backend.credential.reveal().lstrip()
    if backend.provider not in _GOOGLES or (secret and not secret.startswith("{")):
        return "none"
    return "google_account" if secret else "google_metadata"


def _fetch(source: str, backend: schema.Backend) -> Fetch:
    """Raises CredentialError."""
    token, secret = backend.token, backend.credential.reveal()
    match source:
        case "google_account":
            return credentials.google_account(secret, token.scope or credentials.GOOGLE_SCOPE)
        case "google_metadata":
            return credentials.google_metadata(token.url or credentials.GOOGLE_METADATA)
        case "azure_client":
            url = token.url or _LOGIN.format(tenant=token.tenant)
            scope = token.scope or credentials.AZURE_SCOPE
            return credentials.azure_client(url, token.client_id, secret, scope)
        case _:
            return credentials.azure_metadata(token.url or credentials.AZURE_METADATA)
