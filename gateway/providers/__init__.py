"""Vendors: every module here offers PROVIDER. The entry points of `gateway.providers` add more."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from gateway.providers.base import Provider


class BadProvider(RuntimeError):
    """A module without PROVIDER, or two providers of one name."""


@cache
def discover() -> Mapping[str, Provider]:
    """All providers by name. Raises BadProvider."""
    found: dict[str, Provider] = {}
    offered = [
        getattr(importlib.import_module(f"{__name__}.{module.name}"), "PROVIDER", module.name)
        for module in pkgutil.iter_modules(__path__)
        if module.name != "base"
    ]
    offered += [entry.load() for entry in entry_points(group="gateway.providers")]
    for provider in offered:
        if not isinstance(provider, Provider):
            raise BadProvider(f"{provider}: offers no PROVIDER")
        if provider.name in found:
            raise BadProvider(f"two providers are called {provider.name!r}")
        found[provider.name] = provider
    return found
