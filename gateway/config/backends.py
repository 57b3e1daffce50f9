"""The file's backends as values: known provider, sound URL, sections filled from the file's."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from gateway.config import schema, written
from gateway.config.faults import Path, nearest
from gateway.config.findings import Findings

SIMULATED = "simulated"
_NEED_URL = frozenset({"openai_compatible", "llamacpp", "tgi", "azure"})
# What is a part of a provider's address: needed where no base_url is said.
_GOOGLES = frozenset({"vertex", "vertex_anthropic"})
_PLACES = {"region": frozenset({"bedrock"}) | _GOOGLES, "project": _GOOGLES}
_PLACE = {"region": re.compile(r"[a-z0-9-]{1,40}"), "project": re.compile(r"[a-z0-9.:-]{1,64}")}
_VERSION = re.compile(r"[A-Za-z0-9.-]{1,40}")
_AZURE = "azure"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def resolved(
    file: written.File, findings: Findings, known_providers: Collection[str]
) -> dict[str, schema.Backend]:
    backends = {}
    for name, backend in file.backends.items():
        path: Path = ("backends", name)
        if not _NAME.fullmatch(name):
            message = "a backend's name has letters, digits, '.', '_' and '-' only"
            findings.blame_name(path, message)
        _check_provider(backend, path, findings, known_providers)
        _check_url(backend, path, findings)
        _check_place(backend, path, findings)
        _check_token(backend, path, findings)
        _check_proxy(backend, path, findings)
        backends[name] = schema.Backend(
            name=name,
            provider=backend.provider,
            base_url=backend.base_url,
            credential=backend.credential,
            token=backend.token,
            region=backend.region,
            project=backend.project,
            api_version=backend.api_version,
            operations=backend.operations,
            max_in_flight=backend.max_in_flight,
            ca_file=backend.ca_file,
            limits=backend.limits,
            attempts=findings.over(file.attempts, backend.attempts, (*path, "attempts")),
            timeouts=findings.over(file.timeouts, backend.timeouts, (*path, "timeouts")),
            circuit=findings.over(file.circuit, backend.circuit, (*path, "circuit")),
            cache=findings.over(file.cache, backend.cache, (*path, "cache")),
            max_queued=backend.max_queued,
            queue_wait_s=backend.queue_wait_s,
            proxy=backend.proxy,
            health_check=backend.health_check,
            continues_prefix=backend.continues_prefix,
            template=backend.template,
            stops=backend.stops,
            simulated=_simulated(backend, path, findings),
        )
    return backends


def _check_provider(
    backend: written.Backend, path: Path, findings: Findings, known: Collection[str]
) -> None:
    if backend.provider not in known:
        shown = findings.quoted((*path, "provider"), backend.provider)
        hint = nearest(backend.provider, known)
        findings.blame_at((*path, "provider"), f"unknown provider {shown}{hint}")


def _check_url(backend: written.Backend, path: Path, findings: Findings) -> None:
    if backend.base_url is not None:
        fault = _url_fault(backend.base_url)
        if fault:
            findings.blame_at((*path, "base_url"), fault)
    elif backend.provider in _NEED_URL and not findings.broken((*path, "base_url")):
        findings.blame_at((*path, "base_url"), f"is missing; {backend.provider} needs it")
    if backend.provider == _AZURE and "/openai" in (backend.base_url or ""):
        findings.blame_at(
            (*path, "base_url"), "ends before /openai, such as https://NAME.openai.azure.com"
        )


def _check_place(backend: written.Backend, path: Path, findings: Findings) -> None:
    for name, needing in _PLACES.items():
        at, value = (*path, name), backend.region if name == "region" else backend.project
        asked = backend.provider in needing and (backend.base_url is None or name == "region")
        if not value and asked:
            if not findings.broken(at):
                findings.blame_at(at, f"is missing; {backend.provider} needs it")
        elif value is not None and not _PLACE[name].fullmatch(value):
            findings.blame_at(at, "has lower-case letters, digits and '-' only")
    version = backend.api_version
    if version is not None and backend.provider != _AZURE:
        findings.blame_at((*path, "api_version"), f"only a backend of provider {_AZURE} has this")
    elif version is not None and not _VERSION.fullmatch(version):
        findings.blame_at((*path, "api_version"), "is a version, such as 2024-10-21")


def _check_token(backend: written.Backend, path: Path, findings: Findings) -> None:
    token, at = backend.token, (*path, "token")
    needs = {
        "file": ("file",),
        "azure_client": ("client_id",) if token.url else ("tenant", "client_id"),
    }
    for name in needs.get(token.source or "", ()):
        if not getattr(token, name):
            findings.blame_at((*at, name), f"is missing; {token.source} needs it")
    bare = not backend.credential and not findings.broken((*path, "credential"))
    if token.source in ("azure_client", "google_account") and bare:
        findings.blame_at((*path, "credential"), f"is missing; {token.source} needs it")
    if token.tenant and not _VERSION.fullmatch(token.tenant):
        findings.blame_at((*at, "tenant"), "has letters, digits, '-' and '.' only")
    if token.file and not token.file.startswith("/"):
        findings.blame_at((*at, "file"), "must be a whole path, such as /run/secrets/token")
    if token.url and not re.fullmatch(r"https?://[^/?#@]+(/[^?#]*)?(\?[^#]*)?", token.url):
        findings.blame_at((*at, "url"), "must be an http or https URL")


def _check_proxy(backend: written.Backend, path: Path, findings: Findings) -> None:
    proxy = "" if backend.proxy is None else backend.proxy.reveal()
    if not proxy:
        return
    try:
        parts = urlsplit(proxy)
        sound = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.path not in ("", "/") or parts.query or parts.fragment:
        message = "must be an http URL with host and port, such as http://proxy:3128"
        findings.blame_at((*path, "proxy"), message)


def _url_fault(url: str) -> str | None:
    if not url.isascii() or re.search(r"[\s\\]", url):
        return "must be an http or https URL without spaces"
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        return "must be an http or https URL, such as http://127.0.0.1:8000/v1"
    if "@" in parts.netloc:
        return "must not hold a user or password; that is the credential's place"
    if "?" in url or "#" in url:
        return "must end with its path, without '?' and '#'"
    return None


def _simulated(backend: written.Backend, path: Path, findings: Findings) -> schema.Simulated | None:
    names = schema.Simulated.__struct_fields__
    if backend.provider == SIMULATED:
        return schema.Simulated(**{name: getattr(backend, name) for name in names})
    for name in names:
        if findings.given((*path, name)):
            findings.blame_at((*path, name), f"only a backend of provider {SIMULATED} has this")
    return None
