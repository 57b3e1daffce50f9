"""Keeps the credentials fresh that do not last, beside the traffic: one task for each.

A request shows what is in hand. Only where none has ever been asked for does one wait, and no
longer than that first question takes; so a start waits a moment for the first ones.
"""

import asyncio
from typing import Final

from gateway.runtime.snapshot import Backend
from gateway.runtime.state import Runtime
from gateway.upstream.credentials import Credential

LOOK_S: Final = 0.1
FIRST_S: Final = 3.0  # that a start waits
AGAIN_S: Final = 60.0  # after a fault of ours


class TokenWatch:
    def __init__(self, runtime: Runtime, *, first_s: float = FIRST_S) -> None:
        self._runtime = runtime
        self._first_s = first_s
        self._kept: dict[Credential, asyncio.Task[None]] = {}
        self._told: dict[Credential, str] = {}  # what is wrong, as the log has it

    async def first(self) -> None:
        """Until each has been asked for, or the start would take too long."""
        try:
            async with asyncio.timeout(self._first_s):
                for credential in self._named():
                    await credential.tried.wait()
        except TimeoutError:
            pass

    async def watch(self) -> None:
        """Keeps whatever the config has, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                named = self._named()
                for credential in named.keys() - self._kept.keys():
                    self._kept[credential] = group.create_task(self._keep(credential))
                for credential in self._kept.keys() - named.keys():
                    self._kept.pop(credential).cancel()
                    self._told.pop(credential, None)
                for credential, backend in named.items():
                    self._tell(credential, backend)
                await asyncio.sleep(LOOK_S)

    def _named(self) -> dict[Credential, Backend]:
        backends = self._runtime.snapshot.backends.values()
        return {one.token: one for one in backends if one.token is not None}

    async def _keep(self, credential: Credential) -> None:
        while True:
            try:
                await credential.run()
            except Exception as error:  # noqa: BLE001 - a background loop: it must go on
                self._runtime.sink.log.surprise("token_failed", error)
                credential.tried.set()
                await asyncio.sleep(AGAIN_S)

    def _tell(self, credential: Credential, backend: Backend) -> None:
        """A change, once. With a credential again, the next request shows whether all is well."""
        error = credential.error
        if error == self._told.get(credential, ""):
            return
        self._told[credential] = error
        log = self._runtime.sink.log
        if error:
            log.say("error", "token_failed", backend=backend.name, reason=error)
        else:
            backend.standing.credential.probe_now()
            log.say("info", "token_renewed", backend=backend.name)
