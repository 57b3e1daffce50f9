"""What outlives a snapshot: pools, and what is known of health. Found again for what is still the
same, made for what is new.

A snapshot is compiled over a generation; nothing changes before that generation is settled.
"""

from collections.abc import Callable

from gateway.config import schema
from gateway.policy.circuit import Rule
from gateway.policy.retries import Budget
from gateway.runtime.health import Health, Standing
from gateway.runtime.tokens import credential_of
from gateway.upstream.credentials import Credential
from gateway.upstream.pool import Pool
from gateway.upstream.proxy import Proxy

Open = Callable[[schema.Backend, str, Proxy | None], Pool]  # a pool to a base URL
_Key = tuple[object, ...]


class Lasting:
    """One generation."""

    def __init__(self, open: Open, before: "Lasting | None" = None) -> None:
        self._open = open
        self._before = before
        self.pools: dict[_Key, Pool] = {}
        self.standings: dict[_Key, Standing] = {}
        self.healths: dict[_Key, Health] = {}
        self.tokens: dict[_Key, Credential | None] = {}
        self._rules: dict[_Key, tuple[Rule, Standing, float]] = {}

    def next(self) -> "Lasting":
        return Lasting(self._open, self)

    # ---- for a snapshot that is being compiled

    def pool(self, backend: schema.Backend, base_url: str, proxy: Proxy | None) -> Pool:
        key = (backend.name, base_url, backend.ca_file, proxy, backend.simulated)
        known = None if self._before is None else self._before.pools.get(key)
        pool = self.pools[key] = known or self._open(backend, base_url, proxy)
        return pool

    def token(self, backend: schema.Backend) -> Credential | None:
        """What is in hand stays in hand. Raises OSError where it can be of no use."""
        secret = backend.credential.reveal()
        key = (backend.name, backend.provider, backend.token, secret)
        if self._before is not None and key in self._before.tokens:
            token = self._before.tokens[key]
        else:
            token = credential_of(backend)
        self.tokens[key] = token
        return token

    def standing(self, backend: schema.Backend, base_url: str) -> Standing:
        """Another credential gets another chance."""
        key = (backend.name, base_url, backend.credential.reveal())
        known = None if self._before is None else self._before.standings.get(key)
        attempts = backend.attempts
        standing = self.standings[key] = known or Standing(
            Budget(attempts.retry_budget_ratio, attempts.retry_budget_per_s)
        )
        return standing

    def health(self, target: schema.Target, base_url: str, standing: Standing) -> Health:
        """The same for every route that has this target."""
        key = (target.backend, base_url, target.model)
        known = None if self._before is None else self._before.healths.get(key)
        rule = _rule(target.circuit)
        health = self.healths.get(key) or known or Health(standing, rule)
        self.healths[key] = health
        self._rules[key] = rule, standing, target.attempts.max_hold_s
        return health

    # ---- in force

    def settle(self, config: schema.Config) -> None:
        """This generation is in force now; what only the last one had closes behind its use."""
        for key, health in self.healths.items():
            health.circuit.rule, health.standing, health.max_hold_s = self._rules[key]
        for key, standing in self.standings.items():
            backend = config.backends[str(key[0])]
            attempts = backend.attempts
            standing.remember(refusals=backend.circuit.enabled)
            standing.budget.ratio = attempts.retry_budget_ratio
            standing.budget.per_s = attempts.retry_budget_per_s
        for key, pool in self.pools.items():
            backend = config.backends[str(key[0])]
            pool.max_in_flight = backend.max_in_flight
            pool.max_queued, pool.queue_wait_s = backend.max_queued, backend.queue_wait_s
        before, self._before = self._before, None
        if before is not None:
            for key in before.pools.keys() - self.pools.keys():
                before.pools[key].close()

    def close(self) -> None:
        for pool in self.pools.values():
            pool.close()


def _rule(circuit: schema.Circuit) -> Rule:
    return Rule(
        enabled=circuit.enabled,
        failure_ratio=circuit.failure_ratio,
        min_requests=circuit.min_requests,
        window_s=circuit.window_s,
        open_s=circuit.open_s,
        open_max_s=circuit.open_max_s,
        connect_failures=circuit.connect_failures,
        slow_start_s=circuit.slow_start_s,
    )
