"""The limits and budgets of a config, found for whoever asks for whatever."""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.config import schema
from gateway.config.zones import zone
from gateway.policy.access import VirtualKey
from gateway.policy.quotas import Rule, Unit, budget_rule, rules
from gateway.policy.turns import CLASSES, Place

_NORMAL: Final = CLASSES.index("normal")
MAX_KNOWN: Final = 10_000  # pairs of key and model that are looked up once


class Rules:
    """Those that hold for one exchange."""

    __slots__ = ("all", "leased", "priced", "wait")

    def __init__(self, all: tuple[Rule, ...]) -> None:
        self.all = all
        self.leased = any(rule.leased for rule in all)  # to be settled
        self.wait = any(rule.max_waiting for rule in all)  # for some of them one may
        self.priced = any(rule.unit is Unit.USD for rule in all)


class Rulebook:
    """Compiled with a snapshot; empty if the config limits nobody."""

    def __init__(self, config: schema.Config) -> None:
        self._everybody = rules("global", "", config.limits)
        self._tenants = _of(
            "tenant", ((name, one.limits, one.budget) for name, one in config.tenants.items())
        )
        self._keys = _of("key", ((one.name, one.limits, one.budget) for one in config.keys))
        self._models = _of(
            "model", ((name, one.limits, one.budget) for name, one in config.models.items())
        )
        backends = _of(
            "backend", ((name, one.limits, None) for name, one in config.backends.items())
        )
        self._backends = {name: Rules(rules) for name, rules in backends.items()}
        limited = (self._everybody, self._tenants, self._keys, self._models, self._backends)
        self._weights = {name: one.weight for name, one in config.tenants.items()}
        self._ranks = {name: CLASSES.index(one.priority) for name, one in config.tenants.items()}
        self._own_ranks = {
            one.name: CLASSES.index(one.priority) for one in config.keys if one.priority
        }
        self.empty = not any(limited)
        self._known: dict[tuple[str, str, str], Rules | None] = {}

    def of(self, key: VirtualKey, model: str) -> Rules | None:
        """None if nothing limits them. model: as configured."""
        which = (key.tenant, key.name, model)
        try:
            return self._known[which]
        except KeyError:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            found = self._known[which] = self._found(*which)
            return found

    def place(self, key: VirtualKey) -> Place:
        """Where it stands among those that wait."""
        tenant = key.tenant
        rank = self._own_ranks.get(key.name, self._ranks.get(tenant, _NORMAL))
        return Place(tenant, self._weights.get(tenant, 1.0), rank)

    def of_backend(self, name: str) -> Rules | None:
        return self._backends.get(name)

    def _found(self, tenant: str, key: str, model: str) -> Rules | None:
        found = (
            *self._keys.get(key, ()),
            *self._tenants.get(tenant, ()),
            *self._models.get(model, ()),
            *self._everybody,
        )
        return Rules(found) if found else None


def _of(
    scope: str, named: Iterable[tuple[str, schema.Limits, schema.Budget | None]]
) -> Mapping[str, tuple[Rule, ...]]:
    found = {}
    for name, limits, budget in named:
        all = rules(scope, name, limits)
        if budget is not None:
            all += (budget_rule(scope, name, budget, zone(budget.zone)),)
        if all:
            found[name] = all
    return found
