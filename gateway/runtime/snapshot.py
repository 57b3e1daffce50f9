"""A config compiled: every name resolved, every head written, nothing that changes.

An exchange reads one snapshot at its start and ends on it. What it refers to (pools, health) may be
shared with the next one.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

import msgspec

import gateway
from gateway.chat.operation import Operation
from gateway.config import schema
from gateway.policy import caching, pricing
from gateway.policy.access import Keyring, virtual_key
from gateway.policy.failures import Cause
from gateway.policy.routing import resolve
from gateway.providers.base import Provider, bearer
from gateway.runtime.health import Health, Standing
from gateway.runtime.languages import AnyDoor, taught
from gateway.runtime.lasting import Lasting
from gateway.runtime.oidc import Verifier
from gateway.runtime.prices import Prices
from gateway.runtime.rulebook import Rulebook
from gateway.runtime.tokens import bears
from gateway.runtime.ways import Prove, Way, per_model, showing, signing, ways
from gateway.upstream.credentials import Credential
from gateway.upstream.pool import Pool, Timeouts
from gateway.upstream.proxy import Proxy, from_environment, parsed
from gateway.wire import json
from gateway.wire.http import lines

_AGENT: Final = b"llm-gateway/" + gateway.__version__.encode()


@dataclass(frozen=True, slots=True, eq=False)
class Backend:
    name: str
    provider: Provider
    pool: Pool
    ways: Mapping[Operation, Way]  # of what is understood, unless they differ with the model
    doors: Mapping[Operation, AnyDoor]
    paths: Mapping[Operation, bytes]  # of what is relayed
    base_path: bytes  # of the base URL; all of it, where a proxy reads it
    common: bytes = field(repr=False)  # the header lines of every request
    prove: Prove | None = field(repr=False)  # further ones, made for each anew
    token: Credential | None = field(repr=False)  # a credential that does not last
    masks: tuple[str, ...] = field(repr=False)  # what its errors must not show
    standing: Standing
    continues_prefix: bool  # it goes on where a given assistant message ends
    prices: Prices


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
    doors: Mapping[Operation, AnyDoor]
    ways: Mapping[Operation, Way]
    renames: Mapping[str, str]  # top-level fields that its vendor calls otherwise
    health: Health
    identity: bytes  # the same as long as its name is
    price: schema.Price | None  # None if not known
    mixed_price: float  # dollars for a million tokens, input and output mixed; inf if not known

    def offers(self, operation: Operation) -> bool:
        return operation in self.ways or operation in self.backend.paths


@dataclass(frozen=True, slots=True)
class Retrying:
    """How a failed attempt is followed by another."""

    attempts: int  # in all, over retries and fallbacks
    base_s: float
    cap_s: float
    max_retry_after_s: float


@dataclass(frozen=True, slots=True)
class Stickiness:
    """How a session is known, and when it may leave its target."""

    header: bytes
    load_bound: float


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    model: str  # as configured; metrics and logs use this, never what a client wrote
    beginning: str | None  # of a wildcard: what stands before its "*"
    targets: tuple[Target, ...]
    offering: Mapping[Operation, tuple[Target, ...]]  # the targets for each operation
    strategy: str
    sticky: Stickiness
    retrying: Retrying
    fallbacks: Mapping[Cause, tuple[str, ...]]  # further models, by why they are asked
    deadline_s: float
    defaults: json.Fields  # for fields that the request leaves out
    force: json.Fields  # over whatever the request says
    caching: caching.Rule
    drops: bool  # what a target's language cannot say is left out, and told
    learns: bool  # somebody wants to know how fast its targets are
    hedging: schema.Hedging
    continuation: schema.Continuation
    shadow: "Shadow | None"


@dataclass(frozen=True, slots=True, eq=False)
class Shadow:
    """Where a share of the requests is copied to; nobody waits for its answers."""

    target: Target
    ratio: float
    max_in_flight: int


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    hash: str
    config: schema.Config = field(repr=False)
    keys: Keyring = field(repr=False)
    backends: Mapping[str, Backend]
    routes: Mapping[str, Route]
    wildcards: tuple[tuple[str, Route], ...]  # longest beginning first
    since: int  # unix seconds
    rulebook: Rulebook
    tokens: Verifier | None = field(default=None, repr=False)  # for callers that have no key

    def route(self, model: str) -> Route | None:
        return resolve(model, self.routes, self.wildcards)


def compile(config: schema.Config, providers: Mapping[str, Provider], lasting: Lasting) -> Snapshot:
    """What the config says, ready for requests. Its names have been checked when it was loaded."""
    backends = {
        name: _backend(backend, providers[backend.provider], lasting, config.prices)
        for name, backend in config.backends.items()
    }
    routes = {
        name: _route(model, config, backends, lasting) for name, model in config.models.items()
    }
    wildcards = [
        (route.beginning, route) for route in routes.values() if route.beginning is not None
    ]
    return Snapshot(
        hash=config.hash,
        config=config,
        keys=_keyring(config),
        backends=backends,
        routes={name: route for name, route in routes.items() if route.beginning is None},
        wildcards=tuple(sorted(wildcards, key=lambda pair: -len(pair[0]))),
        since=int(time.time()),
        rulebook=Rulebook(config),
    )


def _keyring(config: schema.Config) -> Keyring:
    keys = {
        key.digest: virtual_key(
            key.name, key.tenant, key.models, key.operations, key.caps, caches=key.cache
        )
        for key in config.keys
    }
    kept = config.keys_file
    nobody = not (keys or kept.path or config.oidc.issuer)
    return Keyring(keys, kept.secret.reveal().encode(), anonymous=nobody)


def _backend(
    backend: schema.Backend,
    provider: Provider,
    lasting: Lasting,
    said: Mapping[str, schema.Price],
) -> Backend:
    if backend.api_version is not None and provider.versioned is not None:
        provider = provider.versioned(backend.api_version)
    base_url = url_of(backend, provider)
    url = urlsplit(base_url)
    secret, token = backend.credential.reveal(), lasting.token(backend)
    common = lines(
        [
            (b"host", url.netloc.encode()),
            *provider.authorize(secret if token is None else ""),
            (b"user-agent", _AGENT),
            (b"accept-encoding", b"identity"),
        ]
    )
    proxy = proxy_of(backend, base_url)
    base_path = url.path.encode()
    if proxy is not None and url.scheme == "http":  # it reads the request itself
        common += proxy.authorization
        base_path = base_url.encode()
    paths = {
        operation: base_path + path.encode()
        for operation, path in provider.paths.items()
        if offers(backend, operation)
    }
    doors = taught(
        {
            operation: door
            for operation, door in provider.doors.items()
            if offers(backend, operation)
        },
        backend.template,
        backend.stops,
    )
    masks = (secret, base_url, url.netloc, url.hostname or "")
    return Backend(
        name=backend.name,
        provider=provider,
        pool=lasting.pool(backend, base_url, proxy),
        ways=ways(provider, doors, base_path, common, ""),
        doors=doors,
        paths=paths,
        base_path=base_path,
        common=common,
        prove=signing(provider, secret, url.netloc.encode(), backend.region or "")
        if token is None
        else showing(token, bearer if bears(backend) else provider.authorize),
        token=token,
        masks=tuple(mask for mask in masks if len(mask) > 3),
        standing=lasting.standing(backend, base_url),
        continues_prefix=backend.continues_prefix,
        prices=Prices(backend.name, provider.name, said),
    )


def offers(backend: schema.Backend, operation: Operation) -> bool:
    return backend.operations is None or operation.value in backend.operations


def url_of(backend: schema.Backend, provider: Provider) -> str:
    """The base URL in effect."""
    url = backend.base_url or provider.address(backend.region or "", backend.project or "")
    return url.rstrip("/")


def proxy_of(backend: schema.Backend, base_url: str) -> Proxy | None:
    """The proxy on the way to a backend: the config's, else the environment's."""
    if backend.simulated is not None:
        return None
    if backend.proxy is None:
        return from_environment(base_url)
    url = backend.proxy.reveal()
    return parsed(url) if url else None


def _route(
    model: schema.Model,
    config: schema.Config,
    backends: Mapping[str, Backend],
    lasting: Lasting,
) -> Route:
    def target(one: schema.Target) -> Target:
        backend = config.backends[one.backend]
        base_url = url_of(backend, backends[one.backend].provider)
        health = lasting.health(one, base_url, backends[one.backend].standing)
        return _target(one, backends[one.backend], health)

    targets = tuple(target(one) for one in model.targets)
    attempts, shadow = model.attempts, model.shadow
    return Route(
        model=model.name,
        beginning=model.name[:-1] if model.name.endswith("*") else None,
        targets=targets,
        offering={
            operation: tuple(one for one in targets if one.offers(operation))
            for operation in Operation
        },
        strategy=model.strategy,
        sticky=Stickiness(model.sticky.header.lower().encode(), model.sticky.load_bound),
        retrying=Retrying(
            attempts.max,
            attempts.backoff_base_s,
            attempts.backoff_cap_s,
            attempts.max_retry_after_s,
        ),
        fallbacks={Cause(cause): names for cause, names in model.fallbacks.items()},
        deadline_s=model.timeouts.total_s,
        defaults=_raw(model.defaults),
        force=_raw(model.force),
        caching=_caching(model),
        drops=model.untranslatable == "drop",
        learns=model.strategy == "fastest" or model.hedging.enabled,
        hedging=model.hedging,
        continuation=model.continuation,
        shadow=None
        if shadow is None
        else Shadow(target(shadow.target), shadow.ratio, shadow.max_in_flight),
    )


def _caching(model: schema.Model) -> caching.Rule:
    """What holds at the first target: the model's word over the backend's over the file's."""
    said = model.targets[0].cache
    return caching.Rule(
        enabled=said.enabled,
        seeded=said.seed,
        shared=said.share or "",
        ttl_s=said.ttl_s,
        max_entry_bytes=said.max_entry_bytes,
        verify=said.verify,
        usage=said.usage,
        replay_tokens_per_s=said.replay_tokens_per_s,
    )


def _target(target: schema.Target, backend: Backend, health: Health) -> Target:
    timeouts = target.timeouts
    price = backend.prices.of(target.model)
    name = f"{target.backend}/{target.model}"
    doors = taught(backend.doors, target.template, target.stops)
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
        model_header=named_header(name),
        doors=doors,
        ways=_ways(backend, doors, target.model),
        renames=backend.provider.renames_for(target.model),
        health=health,
        identity=name.encode(),
        price=price,
        mixed_price=math.inf if price is None else pricing.mixed(price),
    )


def _ways(
    backend: Backend, doors: Mapping[Operation, AnyDoor], model: str
) -> Mapping[Operation, Way]:
    if doors is backend.doors and not per_model(doors):
        return backend.ways
    return ways(backend.provider, doors, backend.base_path, backend.common, model)


def named_header(name: str) -> bytes:
    visible = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    return b"x-gateway-model: %b\r\n" % visible.encode()


def named(target: Target, route: Route, asked: str) -> Target:
    """The target with its "*" filled in: the rest of the name that was asked for."""
    if target.model != "*" or route.beginning is None:
        return target
    rest = asked[len(route.beginning) :]
    name = f"{target.backend.name}/{rest}"
    return replace(
        target,
        model=rest,
        name=name,
        model_json=msgspec.Raw(json.write(rest)),
        model_header=named_header(name),
        price=target.backend.prices.of(rest),
        ways=_ways(target.backend, target.doors, rest),
        renames=target.backend.provider.renames_for(rest),
    )


def _raw(fields: Mapping[str, object]) -> json.Fields:
    return {name: msgspec.Raw(json.write(value)) for name, value in fields.items()}
