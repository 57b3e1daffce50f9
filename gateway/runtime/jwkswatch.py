"""Keeps the identity provider's public keys up to date, beside the traffic: from a file that is
looked at, or from the config's URL, fetched now and then. What cannot be read changes nothing.
"""

import asyncio
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO, Final
from urllib.error import HTTPError

from gateway.runtime import keysfile
from gateway.runtime.oidc import Verifier
from gateway.runtime.state import Runtime

LOOK_S: Final = 1.0
FETCH_S: Final = 300.0  # between two fetches
AGAIN_S: Final = 5.0  # after one that failed
TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 1 << 20


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Where the keys are is the config's to say, and nobody else's."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
        headers: object, newurl: str,
    ) -> None:  # fmt: skip
        return None


class JwksWatch:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._verifier: Verifier | None = None
        self._seen: keysfile.Signature | None = None
        self._due_at = 0.0

    async def watch(self) -> None:
        """Looks for changes until cancelled."""
        while True:
            try:
                await self.look()
            except (OSError, HTTPException) as error:  # URLError is one of the first
                self._due_at = time.monotonic() + AGAIN_S
                reason = f"{type(error).__name__}: {error}"
                self._runtime.sink.log.say("error", "jwks_failed", reason=reason)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Once. Raises OSError, HTTPException."""
        verifier = self._runtime.verifier
        if verifier is not self._verifier:
            self._verifier, self._seen, self._due_at = verifier, None, 0.0
        if verifier is None:
            return
        said = verifier.said
        if said.jwks_file:
            path = Path(said.jwks_file)
            seen = await asyncio.to_thread(keysfile.signature, path)
            if seen != self._seen:
                self._seen = seen
                verifier.take(await asyncio.to_thread(path.read_bytes))
        elif time.monotonic() >= self._due_at:
            verifier.take(await asyncio.to_thread(_fetched, said.jwks_url))
            self._due_at = time.monotonic() + FETCH_S


def _fetched(url: str) -> bytes:
    """The config has checked that it is https, or on this machine."""
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            text: bytes = answer.read(MAX_BYTES + 1)
    except HTTPError as error:  # which holds the connection
        error.close()
        raise OSError(f"answered {error.code}") from None
    if len(text) > MAX_BYTES:
        raise OSError(f"more than {MAX_BYTES} bytes")
    return text
