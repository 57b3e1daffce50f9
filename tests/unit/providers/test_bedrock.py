"""Bedrock's door: what signs, what is shown, whose failure it is."""

from datetime import UTC, datetime

import pytest

from gateway.dialects.base import Said
from gateway.errors import Code
from gateway.providers.base import Signable
from gateway.providers.bedrock import PROVIDER, sign
from gateway.wire.http import printable

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ASKED = Signable(b"POST", b"bedrock-runtime.eu-central-1.amazonaws.com", b"/x", b"", "eu-central-1")


@pytest.mark.parametrize("credential", ["AKID:secret+/=", "AKID:secret+/=:session+/=="])
def test_keys_sign_and_do_not_show(credential: str) -> None:
    lines = dict(sign(ASKED, credential, NOW))
    assert lines[b"authorization"].startswith(b"AWS4-HMAC-SHA256 Credential=AKID/20261125/")
    assert b"secret" not in b"".join(lines.values())
    assert lines.get(b"x-amz-security-token") == (
        b"session+/==" if credential.count(":") == 2 else None
    )
    assert all(map(printable, lines.values()))
    assert PROVIDER.authorize(credential) == []


def test_an_api_key_is_shown_as_it_is() -> None:
    shown = [(b"authorization", b"Bearer bedrock-api-key-x")]
    assert sign(ASKED, "bedrock-api-key-x", NOW) == shown
    assert PROVIDER.authorize("bedrock-api-key-x") == shown


def test_the_models_failure_is_not_the_callers() -> None:
    assert PROVIDER.classify(424, Said(), None).code is Code.UPSTREAM_ERROR
    assert PROVIDER.classify(400, Said(), None).code is Code.UPSTREAM_REFUSED
