"""The signature is the one that botocore makes, for whatever may be asked."""

from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.http import Headers
from gateway.wire.sigv4 import Keys, sign

NOW = datetime(2026, 11, 25, 4, 5, 6, tzinfo=UTC)
HOST = "bedrock-runtime.eu-central-1.amazonaws.com"


def _ours(path: str, body: bytes, keys: Keys, region: str = "eu-central-1") -> Headers:
    return sign(
        b"POST",
        HOST.encode(),
        path.encode(),
        body,
        keys=keys,
        region=region,
        service="bedrock",
        now=NOW,
    )


def _theirs(path: str, body: bytes, keys: Keys, region: str = "eu-central-1") -> Headers:
    request = AWSRequest("POST", f"https://{HOST}{path}", data=body)
    credentials = Credentials(keys.access, keys.secret, keys.session or None)
    with patch("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None)):
        SigV4Auth(credentials, "bedrock", region).add_auth(request)
    return [
        (name.lower().encode(), value.encode())
        for name, value in request.headers.items()
        if name.lower() in ("authorization", "x-amz-date", "x-amz-security-token")
    ]


_text = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=20)


@given(
    st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4),
    st.binary(max_size=50),
    _text,
    _text,
    st.just("") | _text,
)
def test_botocore_signs_the_same(
    steps: list[str], body: bytes, access: str, secret: str, session: str
) -> None:
    path = "/" + "/".join(quote("m" + step, safe="") for step in steps)
    keys = Keys(access, secret, session)
    assert sorted(_ours(path, body, keys)) == sorted(_theirs(path, body, keys))


@pytest.mark.parametrize(
    "path",
    [
        "/model/anthropic.claude-sonnet-4-20250514-v1%3A0/converse",
        "/model/anthropic.claude-sonnet-4-20250514-v1:0/converse-stream",
        "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Fx/converse",
        "/x?b=2&a=1&c=",
        "/x?a=%2F%20x&a=%26",
    ],
)
def test_the_paths_that_there_are(path: str) -> None:
    keys = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    assert sorted(_ours(path, b"{}", keys)) == sorted(_theirs(path, b"{}", keys))


def test_secrets_do_not_show() -> None:
    assert "hidden" not in repr(Keys("AKID", "hidden", "hidden too"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (_ours("/a", b"", Keys("a", "b")), _ours("/b", b"", Keys("a", "b"))),
        (_ours("/a", b"", Keys("a", "b")), _ours("/a", b"x", Keys("a", "b"))),
        (_ours("/a", b"", Keys("a", "b")), _ours("/a", b"", Keys("a", "c"))),
        (_ours("/a", b"", Keys("a", "b")), _ours("/a", b"", Keys("a", "b"), "us-east-1")),
    ],
)
def test_whatever_differs_has_another_signature(first: Headers, second: Headers) -> None:
    assert first != second
