"""The keeper's API: look at the config, make and end keys, sum up usage, drain. Data only.

Whatever is not listed as open needs the admin's token; without one configured there is no API. Each
write says in the log what it did; no answer but that of a new key holds one.
"""

import asyncio
import calendar
import hashlib
import hmac
import math
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar, get_args

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.admin.description import OPEN, Nothing, Rotation, openapi
from gateway.config.schema import Config
from gateway.config.shown import shown
from gateway.dialects.openai import error_body
from gateway.errors import Code, GatewayError
from gateway.policy import caching, minting
from gateway.policy.access import unauthenticated
from gateway.policy.minting import Entries, Minted, Refused, Wanted
from gateway.runtime import keysfile
from gateway.runtime.keysfile import KeysFileError
from gateway.stores.base import StoreError
from gateway.telemetry import ledger, sums
from gateway.telemetry.logs import Log
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.sums import By
from gateway.wire import json

MAX_BODY: Final = 64 * 1024
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'self'",
    "x-content-type-options": "nosniff",
}
T = TypeVar("T")
Answer = Callable[[web.Request], Awaitable[web.Response]]


class House(Protocol):
    """What is asked about: one worker by itself, or a supervisor of several."""

    def ready(self) -> tuple[bool, dict[str, object]]:
        """Whether traffic is wanted, and what there is to say about it."""

    async def metrics(self) -> Sequence[Metrics]:
        """The numbers of all processes, up to date."""

    @property
    def log(self) -> Log: ...

    def config(self) -> Config:
        """The one in force."""

    def hashes(self) -> list[str]:
        """Of the config that is in force in each process."""

    async def purge(self, pattern: bytes) -> int:
        """Forgets what is remembered under keys that a glob matches. Raises StoreError."""

    def drain(self) -> None:
        """Stop, as SIGTERM would; asked twice, it is no more than once."""


class Keeper:
    """The answers to ROUTES, by their names, behind one guard."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.answers: Mapping[str, Answer] = {
            "openapi": self._openapi,
            "config": self._config,
            "keys": self._keys,
            "mint": self._mint,
            "rotate": self._rotate,
            "revoke": self._revoke,
            "usage": self._usage,
            "purge": self._purge,
            "drain": self._drain,
        }

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """In front of every route, also of those that do not exist."""
        if request.path in OPEN:
            return await handler(request)
        try:
            self._identify(request)
            return await handler(request)
        except GatewayError as error:
            return _told(error)
        except web.HTTPMethodNotAllowed as error:
            return _told(GatewayError(Code.METHOD_NOT_ALLOWED, f"{error.method} has no place here"))
        except web.HTTPRequestEntityTooLarge:
            return _told(GatewayError(Code.BODY_TOO_LARGE, f"more than {MAX_BODY} bytes"))
        except web.HTTPException:
            return _told(_not_found())

    def _identify(self, request: web.Request) -> None:
        """Raises GatewayError."""
        token = self._house.config().admin.token
        if not token:
            raise _not_found()
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        good = hmac.compare_digest(_digest(presented), _digest(token.reveal()))
        if not good or scheme.lower() != "bearer":
            raise unauthenticated()

    # ---- reading

    async def _openapi(self, request: web.Request) -> web.Response:
        return _json(openapi())

    async def _config(self, request: web.Request) -> web.Response:
        config = self._house.config()
        facts = {"hash": config.hash, "workers": self._house.hashes(), "waiting": config.waiting}
        return _json({**facts, "config": shown(config)})

    async def _keys(self, request: web.Request) -> web.Response:
        config, now = self._house.config(), time.time()
        path = config.keys_file.path
        entries = await _off_loop(lambda: keysfile.read(Path(path))) if path else ()
        kept = {entry.name for entry in entries}
        own = [
            {"name": key.name, "tenant": key.tenant, "models": key.models, "source": "config"}
            for key in config.keys
            if key.name not in kept
        ]
        return _json({"keys": [*own, *(_listed(entry, now) for entry in entries)]})

    async def _usage(self, request: web.Request) -> web.Response:
        path = self._house.config().ledger.path
        if not path:
            raise _refused("there is no ledger; ledger.path in the config says where")
        asked = request.query
        for name in asked.keys() - {"by", "since", "until"}:
            raise GatewayError(Code.INVALID_VALUE, "it is by, since or until", param=name)
        by = _by(asked.get("by", "tenant,key,model,day"))
        since, until = _day(asked.get("since"), 0.0), _day(asked.get("until"), math.inf)
        found = await _off_loop(lambda: sums.summed(ledger.read(Path(path)), by, since, until))
        return _json({"usage": sums.rows(found, by)})

    # ---- writing

    async def _mint(self, request: web.Request) -> web.Response:
        wanted = await _said(request, Wanted)
        clear, now = _new_key(), time.time()
        secret = self._house.config().keys_file.secret.reveal()
        own = {key.name for key in self._house.config().keys}

        def created(entries: Entries) -> Entries:
            if wanted.name in own - {entry.name for entry in entries}:
                raise Refused(f"the config has a key {wanted.name!r} itself")
            return minting.create(entries, wanted, clear, secret, now)

        entries = await self._change(created)
        self._audit(request, wanted.name, after=_listed(entries[-1], now))
        return _json({"key": clear, **_listed(entries[-1], now)}, status=201)

    async def _rotate(self, request: web.Request) -> web.Response:
        name, rotation = request.match_info["name"], await _said(request, Rotation)
        clear, now = _new_key(), time.time()
        secret = self._house.config().keys_file.secret.reveal()
        entries = await self._change(
            lambda entries: minting.rotate(entries, name, clear, secret, rotation.overlap_s, now)
        )
        self._audit(request, name, after=_listed(entries[-1], now))
        return _json({"key": clear, **_listed(entries[-1], now)}, status=201)

    async def _revoke(self, request: web.Request) -> web.Response:
        name, now = request.match_info["name"], time.time()
        entries = await self._change(lambda entries: minting.revoke(entries, name, now))
        ended = [_listed(entry, now) for entry in entries if entry.revoked_at == now]
        self._audit(request, name, after=ended)
        return _json({"keys": ended})

    async def _purge(self, request: web.Request) -> web.Response:
        """Of a tenant, a model, an entry, or all; other workers forget soon after."""
        asked = request.query
        for name in asked:
            if name not in ("tenant", "model", "entry"):
                raise GatewayError(Code.INVALID_VALUE, "only tenant, model, entry", param=name)
        entry = asked.get("entry")
        if entry is not None and not caching.is_entry(entry):
            raise GatewayError(
                Code.INVALID_VALUE, "entry: what x-gateway-cache-key says", param="entry"
            )
        pattern = caching.places(asked.get("tenant"), asked.get("model"), entry)
        try:
            purged = await self._house.purge(pattern.encode())
        except StoreError as error:
            raise GatewayError(
                Code.INTERNAL, f"the store could not be asked: {error.kind}"
            ) from None
        self._audit(request, "", purged=purged)
        return _json({"purged": purged})

    async def _drain(self, request: web.Request) -> web.Response:
        await _said(request, Nothing)
        self._audit(request, "")
        self._house.drain()
        return _json({"status": "draining"}, status=202)

    async def _change(self, changed: Callable[[Entries], Entries]) -> Entries:
        """Raises GatewayError."""
        path = self._house.config().keys_file.path
        if not path:
            raise _refused("there is no keys file; keys_file.path in the config says where")
        return await _off_loop(lambda: keysfile.change(Path(path), changed))

    def _audit(self, request: web.Request, name: str, **facts: object) -> None:
        route = f"{request.method} {request.path}"
        self._house.log.say(
            "info", "admin_write", route=route, name=name or None, peer=request.remote, **facts
        )


def _listed(entry: Minted, now: float) -> dict[str, object]:
    """What may be shown of a key."""
    said = msgspec.to_builtins(entry)
    said.pop("digest", None)
    return {**said, "good": now < entry.ends_at, "source": "file"}


def _new_key() -> str:
    return minting.clear_key(secrets.token_bytes(minting.RANDOM_BYTES))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


async def _off_loop(done: Callable[[], T]) -> T:
    """Files are slow. Raises GatewayError."""
    try:
        return await asyncio.to_thread(done)
    except (Refused, KeysFileError) as error:
        raise _refused(str(error)) from None
    except (OSError, sqlite3.Error) as error:
        raise GatewayError(Code.INTERNAL, f"{type(error).__name__} on the gateway's disk") from None


async def _said(request: web.Request, kind: type[T]) -> T:
    """The body, if it says what it may and no more. Raises GatewayError."""
    if request.content_type != "application/json":
        raise GatewayError(
            Code.INVALID_BODY, "the content-type must be application/json", param="content-type"
        )
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.ValidationError as error:
        raise GatewayError(Code.INVALID_VALUE, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise GatewayError(Code.INVALID_JSON, "the body is not JSON in UTF-8") from None


def _by(text: str) -> tuple[By, ...]:
    known: tuple[By, ...] = get_args(By)
    by = tuple(name for name in known if name in text.split(","))
    if len(by) < len(text.split(",")):
        raise GatewayError(Code.INVALID_VALUE, f"by: any of {', '.join(known)}", param="by")
    return by


def _day(text: str | None, otherwise: float) -> float:
    try:
        return otherwise if text is None else calendar.timegm(time.strptime(text, sums.DAY))
    except ValueError:
        raise GatewayError(Code.INVALID_VALUE, "a day is written 2026-11-30") from None


def _refused(why: str) -> GatewayError:
    return GatewayError(Code.INVALID_VALUE, why)


def _not_found() -> GatewayError:
    return GatewayError(Code.NOT_FOUND, "there is no such path")


def _told(error: GatewayError) -> web.Response:
    headers = dict(_HEADERS)
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return web.Response(
        status=error.status,
        body=error_body(error),
        content_type="application/json",
        headers=headers,
    )


def _json(document: object, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=json.write(document),
        content_type="application/json",
        headers=_HEADERS,
    )
