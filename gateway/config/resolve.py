"""What the file says, as a Config: sections merged, names checked against each other.

Every check notes its fault and goes on; the caller refuses the config if there is any.
"""

import hashlib
import re
from collections.abc import Collection
from urllib.parse import urlsplit

import msgspec

from gateway.config import backends, models, prices, schema, waiting, written
from gateway.config.faults import Path
from gateway.config.findings import Findings
from gateway.config.secret import Secret
from gateway.config.zones import zone

MIN_KEY_LENGTH = 16  # characters; a shorter one can be guessed
_STORES = ("redis", "rediss", "redis+cluster", "rediss+cluster")
_DIGEST = re.compile(r"sha256:([0-9A-Fa-f]{64})")
_LOOKED_AT = re.compile(r"https://[^/\s]|http://(127\.0\.0\.1|localhost|\[::1\])[:/]")
_VISIBLE = re.compile(r"[!-~]*")


def config(
    file: written.File, findings: Findings, known_providers: Collection[str]
) -> schema.Config:
    _check_doors(file, findings)
    _check_store(file, findings)
    _check_zones(file, findings)
    keys = _keys(findings)
    found_backends = backends.resolved(file, findings, known_providers)
    whole = schema.Config(
        server=file.server,
        admin=file.admin,
        store=file.store,
        on_store_error=file.on_store_error,
        limits=file.limits,
        tenants=_tenants(file, keys),
        keys=keys,
        keys_file=file.keys_file,
        oidc=file.oidc,
        backends=found_backends,
        models=models.resolved(file, found_backends, findings),
        attempts=file.attempts,
        timeouts=file.timeouts,
        circuit=file.circuit,
        cache=file.cache,
        prices=_prices(file, findings),
        ledger=file.ledger,
        logging=file.logging,
    )
    return msgspec.structs.replace(whole, hash=_hash(whole), waiting=waiting.sentences(findings))


def _check_doors(file: written.File, findings: Findings) -> None:
    callers, keeper = file.server.listen, file.admin.listen
    known = findings.given(("keys", 0)) or bool(file.keys_file.path or file.oidc.issuer)
    _check_oidc(file, findings)
    if not callers.loopback and not known:
        message = (
            "without keys, callers are anonymous and the gateway listens on loopback only; "
            "add keys or listen on 127.0.0.1"
        )
        findings.blame_at(("server", "listen"), message)
    if callers == keeper and callers.port:
        findings.blame_at(("admin", "listen"), "is the same address as server.listen")
    for path, secret in (
        (("admin", "token"), file.admin.token),
        (("keys_file", "secret"), file.keys_file.secret),
    ):
        fault = _presented_fault(secret) if secret else None
        if fault:
            findings.blame_at(path, fault)


def _check_oidc(file: written.File, findings: Findings) -> None:
    said = file.oidc
    if not said.issuer:
        return
    if not said.audience:
        findings.blame_at(("oidc",), "needs an audience: a token for others is none for us")
    if bool(said.jwks_file) == bool(said.jwks_url):
        findings.blame_at(("oidc",), "must have either jwks_file or jwks_url")
    if said.jwks_url and not _LOOKED_AT.match(said.jwks_url):
        findings.blame_at(("oidc", "jwks_url"), "must be https://…, or http:// on this machine")


def _check_store(file: written.File, findings: Findings) -> None:
    if file.store == "memory":
        return
    try:
        url = urlsplit(file.store)
        sound = url.scheme in _STORES and bool(url.netloc) and not re.search(r"\s", file.store)
    except ValueError:
        sound = False
    if not sound:
        message = "must be memory, redis://host:6379/0, rediss://… or redis+cluster://a:6379,b:6379"
        findings.blame_at(("store",), message)


def _check_zones(file: written.File, findings: Findings) -> None:
    budgets: list[tuple[Path, schema.Budget | None]] = [
        *((("tenants", name, "budget"), one.budget) for name, one in file.tenants.items()),
        *(
            (("models", name, "budget"), one.budget)
            for name, one in file.models.items()
            if isinstance(one, written.Model)
        ),
        *(((*path, "budget"), key.budget) for path, key in findings.items(("keys",), written.Key)),
    ]
    for path, budget in budgets:
        if budget is not None:
            try:
                zone(budget.zone)
            except ValueError as error:
                findings.blame_at((*path, "zone"), str(error))


def _presented_fault(secret: Secret) -> str | None:
    text = secret.reveal()
    if len(text) < MIN_KEY_LENGTH:
        return f"must have {MIN_KEY_LENGTH} characters or more"
    if not _VISIBLE.fullmatch(text):
        return "must have visible ASCII characters only"
    return None


def _keys(findings: Findings) -> tuple[schema.Key, ...]:
    keys: list[schema.Key] = []
    names: dict[str, int] = {}
    digests: dict[bytes, int] = {}
    for path, key in findings.items(("keys",), written.Key):
        index = int(path[-1])
        digest = _digest(key, path, findings)
        if names.setdefault(key.name, index) != index:
            also = f"keys[{names[key.name]}]"
            findings.blame_at((*path, "name"), f"{also} has this name already")
        if digest is not None and digests.setdefault(digest, index) != index:
            part = "key" if key.key else "digest"
            findings.blame_at((*path, part), f"is the same key as keys[{digests[digest]}]")
        for at, pattern in findings.items((*path, "models"), str):
            if "*" in pattern[:-1]:
                findings.blame_at(at, "a '*' may stand at the end of the name only")
        if digest is not None:
            keys.append(
                schema.Key(
                    name=key.name,
                    tenant=key.tenant,
                    digest=digest,
                    models=key.models,
                    operations=key.operations,
                    caps=key.caps,
                    cache=key.cache,
                    limits=key.limits,
                    budget=key.budget,
                    priority=key.priority,
                )
            )
    return tuple(keys)


def _digest(key: written.Key, path: Path, findings: Findings) -> bytes | None:
    """SHA-256 of what clients present; None when the file does not say it soundly."""
    has_key, has_digest = findings.given((*path, "key")), findings.given((*path, "digest"))
    if has_key == has_digest:
        findings.blame_at(path, "must have either key or digest" + (", not both" * has_key))
        return None
    part: Path = (*path, "key" if has_key else "digest")
    if findings.broken(part):
        return None
    if has_key:
        fault = _presented_fault(key.key)
        if fault is None:
            return hashlib.sha256(key.key.reveal().encode()).digest()
        findings.blame_at(part, f"{fault}; or give its digest")
        return None
    found = _DIGEST.fullmatch(key.digest)
    if found is None:
        findings.blame_at(part, 'must be "sha256:" and 64 hex digits')
        return None
    return bytes.fromhex(found[1])


def _tenants(file: written.File, keys: tuple[schema.Key, ...]) -> dict[str, schema.Tenant]:
    tenants = {
        name: schema.Tenant(
            name=name,
            limits=tenant.limits,
            budget=tenant.budget,
            weight=tenant.weight,
            priority=tenant.priority,
        )
        for name, tenant in file.tenants.items()
    }
    for key in keys:
        tenants.setdefault(key.tenant, schema.Tenant(name=key.tenant))
    return tenants


def _prices(file: written.File, findings: Findings) -> dict[str, schema.Price]:
    found = {}
    for name, price in file.prices.items():
        backend, _, model = name.partition("/")
        if not (backend and model):
            findings.blame_name(("prices", name), "must be named backend/model")
        bounds = [tier.above_input_tokens for tier in price.tiers]
        if bounds != sorted(set(bounds)):
            findings.blame_at(("prices", name, "tiers"), "must stand by rising above_input_tokens")
        found[name] = prices.filled(price)
    return found


def _hash(whole: schema.Config) -> str:
    content = msgspec.json.encode(whole, enc_hook=_hidden, order="sorted")
    return hashlib.sha256(content).hexdigest()[:12]


def _hidden(value: object) -> str:
    if isinstance(value, Secret):
        return hashlib.sha256(value.reveal().encode("utf-8", "surrogatepass")).hexdigest()
    raise TypeError(type(value))
