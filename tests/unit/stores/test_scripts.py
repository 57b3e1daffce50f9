"""The scripts: each is known by its digest."""

import hashlib

from gateway.stores import scripts


def test_a_script_is_known_by_the_digest_that_a_server_computes() -> None:
    for script in (scripts.CLAIM, scripts.SETTLE, scripts.RENEW, scripts.HOLD, scripts.RELEASE):
        assert script.sha.decode() == hashlib.sha1(script.text, usedforsecurity=False).hexdigest()
