"""The snapshot in force, and what outlives it: pools, health, timers, the telling."""

import math
import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.config import schema
from gateway.policy.estimates import Estimate
from gateway.providers.base import Provider
from gateway.runtime.lasting import Lasting
from gateway.runtime.oidc import Verifier
from gateway.runtime.rooms import Rooms
from gateway.runtime.snapshot import Snapshot, compile
from gateway.stores.base import Values
from gateway.stores.desk import Desk, OwnDesk
from gateway.stores.memory import MemoryStore
from gateway.strain import Strain, most_memory
from gateway.sweep import Sweep
from gateway.telemetry.sink import Sink
from gateway.upstream.names import Name
from gateway.upstream.pool import Dial, Pool, tcp
from gateway.upstream.proxy import Proxy, tunnel


def with_minted(config: schema.Config, minted: tuple[schema.Key, ...]) -> schema.Config:
    """The config as if its file had these keys, too. A name that it has itself is its own."""
    own = {key.name for key in config.keys}
    more = tuple(key for key in minted if key.name not in own)
    if not more:
        return config
    tenants = {key.tenant: schema.Tenant(name=key.tenant) for key in more}
    return msgspec.structs.replace(
        config, keys=(*config.keys, *more), tenants={**tenants, **config.tenants}
    )


RECALLED: Final = 8  # of the bytes for what is remembered, one in so many

DialSimulated = Callable[[schema.Simulated], Dial]


class Runtime:
    """What an exchange finds when it begins. It reads `snapshot` once."""

    def __init__(
        self, providers: Mapping[str, Provider], sink: Sink, dial_simulated: DialSimulated
    ) -> None:
        self.providers = providers
        self.sink = sink
        self.sweep = Sweep()
        self.strain = Strain()
        self.draining = False
        self.memory = MemoryStore(lease_s=math.inf)  # nobody but this process can die
        self.desk: Desk = OwnDesk(self.memory)
        self.rooms = Rooms(lambda: self.desk, sink.metrics)
        self._estimates: dict[str, Estimate] = {}
        self.near = MemoryStore()
        self.values: Values = self.near  # what is remembered of answers
        self.recalled_bytes = 0  # for answers in the words in which they were given
        self.shares = False  # other processes remember in the same place
        self.followers: list[Callable[[schema.Config], None]] = []  # called with each new config
        self._dial_simulated = dial_simulated
        self._lasting = Lasting(self._open)
        self._contexts: dict[str | None, ssl.SSLContext] = {}
        self._snapshot: Snapshot | None = None
        self._config: schema.Config | None = None  # as the file has it
        self._minted: tuple[schema.Key, ...] = ()
        self.verifier: Verifier | None = None

    @property
    def snapshot(self) -> Snapshot:
        if self._snapshot is None:
            raise RuntimeError("no config is in force yet")
        return self._snapshot

    def estimate(self, model: str) -> Estimate:
        """What is known of a configured model's requests."""
        known = self._estimates.get(model)
        if known is None:
            known = self._estimates[model] = Estimate()
        return known

    def swap(self, config: schema.Config) -> Snapshot:
        """Compiles, then puts into force in one step; exchanges under way end on what they read.

        Raises OSError when a backend's ca_file cannot be read: then nothing has changed.
        """
        lasting = self._lasting.next()
        verifier = self.verifier
        if verifier is None or verifier.said != config.oidc:
            verifier = Verifier(config.oidc) if config.oidc.issuer else None
        snapshot = compile(with_minted(config, self._minted), self.providers, lasting)
        snapshot = replace(snapshot, tokens=verifier)
        if verifier is not None:
            verifier.tenants = snapshot.config.tenants.keys()
        self.verifier = verifier
        lasting.settle(config)
        self._lasting, self._snapshot, self._config = lasting, snapshot, config
        self.recalled_bytes = config.cache.max_bytes // RECALLED
        self.near.max_bytes = config.cache.max_bytes - self.recalled_bytes
        shed = config.server.shed
        self.strain.max_lag_s = shed.loop_lag_s
        self.strain.max_memory_bytes = shed.memory_bytes or most_memory()
        for follow in self.followers:
            follow(config)
        return snapshot

    def mint(self, keys: tuple[schema.Key, ...]) -> None:
        """Further keys than the config's, instead of those so far."""
        self._minted = keys
        if self._config is not None:
            self.swap(self._config)

    def _open(self, backend: schema.Backend, base_url: str, proxy: Proxy | None) -> Pool:
        if backend.simulated is not None:
            dial, name = self._dial_simulated(backend.simulated), None
        else:
            url = urlsplit(base_url)
            host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
            name = Name(proxy.host, proxy.port) if proxy else Name(host, port)
            context = self._context(backend.ca_file) if url.scheme == "https" else None
            if proxy is not None and context is not None:
                dial = tunnel(proxy, host, port, context, name)
            else:
                dial = tcp(name, context)
        return Pool(dial, max_in_flight=backend.max_in_flight, sweep=self.sweep, name=name)

    def _context(self, ca_file: str | None) -> ssl.SSLContext:
        context = self._contexts.get(ca_file)
        if context is None:
            try:
                context = ssl.create_default_context(cafile=ca_file)
            except OSError as error:  # it does not say which file
                raise OSError(error.errno, f"ca_file {ca_file}: {error.strerror}") from None
            self._contexts[ca_file] = context
        return context

    def close(self) -> None:
        self._lasting.close()
