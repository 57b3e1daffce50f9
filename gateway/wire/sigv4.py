"""AWS Signature Version 4 for requests with a body in hand. Knows no clock and no service.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, 2026-11.
"""

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, quote

from gateway.wire.http import Headers

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-_.~"


@dataclass(frozen=True, slots=True)
class Keys:
    access: str
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)  # of temporary keys


def sign(
    method: bytes,
    host: bytes,
    path: bytes,  # with its query, as it stands in the request line
    body: bytes,
    *,
    keys: Keys,
    region: str,
    service: str,
    now: datetime,  # UTC
) -> Headers:
    """The header lines that prove the request."""
    at = now.strftime("%Y%m%dT%H%M%SZ")
    signed = {"host": host.decode("ascii"), "x-amz-date": at}
    if keys.session:
        signed["x-amz-security-token"] = keys.session
    names = ";".join(signed)
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    uri, _, query = path.decode("ascii").partition("?")
    request = "\n".join(
        # Every service but S3 has what is already encoded encoded once more.
        (
            method.decode("ascii"),
            quote(uri, safe="/" + _UNRESERVED),
            _query(query),
            lines,
            names,
            sha256(body).hexdigest(),
        )
    )
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    told = f"{_ALGORITHM}\n{at}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    proof = hmac.new(_key(keys.secret, at[:8], region, service), told.encode(), sha256).hexdigest()
    authorization = (
        f"{_ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={proof}"
    )
    headers = [(b"x-amz-date", at.encode()), (b"authorization", authorization.encode())]
    if keys.session:
        headers.append((b"x-amz-security-token", keys.session.encode()))
    return headers


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    encoded = [
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in pairs
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _key(secret: str, *scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (*scope, "aws4_request"):
        key = hmac.new(key, part.encode(), sha256).digest()
    return key
