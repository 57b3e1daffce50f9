"""A config compiled: every name resolved, every head written, nothing that changes.

An exchange reads one snapshot at its start and ends on it. What it refers to (a pool) may be shared
with the next one.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import msgspec

import gateway
from gateway.chat.operation import Operation
from gateway.config import schema
from gateway.policy.access import VirtualKey, virtual_key
from gateway.policy.routing import resolve
from gateway.providers.base import Provider
from gateway.upstream.pool import Pool, Timeouts
from gateway.wire import json
from gateway.wire.http import lines

_AGENT: Final = b"llm-gateway/" + gateway.__version__.encode()


@dataclass(frozen=True, slots=True, eq=False)
class Backend:
    name: str
    provider: Provider
    pool: Pool
    heads: Mapping[Operation, bytes] = field(repr=False)  # from "POST /path" on; the credential too
    paths: Mapping[Operation, bytes]
    common: bytes = field(repr=False)  # the header lines of every request
    masks: tuple[str, ...] = field(repr=False)  # what its errors must not show


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    backend: Backend
    model: str  # the backend's name; "*": the rest of the name asked for
    weight: int
    tier: int
    timeouts: Timeouts
    name: str  # "backend/model", as the config and the response header say it
    model_json: msgspec.Raw
    model_header: bytes  # the ready line x-gateway-model


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    model: str  # as configured; metrics and logs use this, never what a client wrote
    beginning: str | None  # of a wildcard: what stands before its "*"
    targets: tuple[Target, ...]
    attempts: int
    deadline_s: float
    defaults: json.Fields  # for fields that the request leaves out
    force: json.Fields  # over whatever the request says


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    hash: str
    config: schema.Config = field(repr=False)
    keys: Mapping[bytes, VirtualKey] = field(repr=False)  # by digest
    backends: Mapping[str, Backend]
    routes: Mapping[str, Route]
    wildcards: tuple[tuple[str, Route], ...]  # longest beginning first
    since: int  # unix seconds

    def route(self, model: str) -> Route | None:
        return resolve(model, self.routes, self.wildcards)


PoolFor = Callable[[schema.Backend, str], Pool]  # and the base URL in effect


def compile(
    config: schema.Config, providers: Mapping[str, Provider], pool_for: PoolFor
) -> Snapshot:
    """What the config says, ready for requests. Its names have been checked when it was loaded."""
    backends = {
        name: _backend(backend, providers[backend.provider], pool_for)
        for name, backend in config.backends.items()
    }
    routes = {name: _route(model, backends) for name, model in config.models.items()}
    wildcards = [
        (route.beginning, route) for route in routes.values() if route.beginning is not None
    ]
    return Snapshot(
        hash=config.hash,
        config=config,
        keys={key.digest: virtual_key(key.name, key.tenant, key.models) for key in config.keys},
        backends=backends,
        routes={name: route for name, route in routes.items() if route.beginning is None},
        wildcards=tuple(sorted(wildcards, key=lambda pair: -len(pair[0]))),
        since=int(time.time()),
    )


def _backend(backend: schema.Backend, provider: Provider, pool_for: PoolFor) -> Backend:
    base_url = (backend.base_url or provider.base_url or "").rstrip("/")
    url = urlsplit(base_url)
    secret = backend.credential.reveal()
    common = lines(
        [
            (b"host", url.netloc.encode()),
            *provider.authorize(secret),
            (b"user-agent", _AGENT),
            (b"accept-encoding", b"identity"),
        ]
    )
    paths = {
        operation: (url.path + path).encode()
        for operation, path in provider.paths.items()
        if backend.operations is None or operation.value in backend.operations
    }
    masks = (secret, base_url, url.netloc, url.hostname or "")
    return Backend(
        name=backend.name,
        provider=provider,
        pool=pool_for(backend, base_url),
        heads={
            operation: b"POST %b HTTP/1.1\r\n%bcontent-type: application/json\r\n" % (path, common)
            for operation, path in paths.items()
        },
        paths=paths,
        common=common,
        masks=tuple(mask for mask in masks if len(mask) > 3),
    )


def _route(model: schema.Model, backends: Mapping[str, Backend]) -> Route:
    return Route(
        model=model.name,
        beginning=model.name[:-1] if model.name.endswith("*") else None,
        targets=tuple(_target(target, backends[target.backend]) for target in model.targets),
        attempts=model.attempts.max,
        deadline_s=model.timeouts.total_s,
        defaults=_raw(model.defaults),
        force=_raw(model.force),
    )


def _target(target: schema.Target, backend: Backend) -> Target:
    timeouts = target.timeouts
    name = f"{target.backend}/{target.model}"
    return Target(
        backend=backend,
        model=target.model,
        weight=target.weight,
        tier=target.tier,
        timeouts=Timeouts(
            timeouts.connect_s, timeouts.first_content_s, timeouts.idle_s, timeouts.total_s
        ),
        name=name,
        model_json=msgspec.Raw(json.write(target.model)),
        model_header=_model_header(name),
    )


def _model_header(name: str) -> bytes:
    visible = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    return b"x-gateway-model: %b\r\n" % visible.encode()


def named(target: Target, route: Route, asked: str) -> Target:
    """The target with its "*" filled in: the rest of the name that was asked for."""
    if target.model != "*" or route.beginning is None:
        return target
    rest = asked[len(route.beginning) :]
    name = f"{target.backend.name}/{rest}"
    return Target(
        backend=target.backend,
        model=rest,
        weight=target.weight,
        tier=target.tier,
        timeouts=target.timeouts,
        name=name,
        model_json=msgspec.Raw(json.write(rest)),
        model_header=_model_header(name),
    )


def _raw(fields: Mapping[str, object]) -> json.Fields:
    return {name: msgspec.Raw(json.write(value)) for name, value in fields.items()}
