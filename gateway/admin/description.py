"""The keeper's API, described: one table of its routes, and OpenAPI made from it."""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

import gateway
from gateway.policy.minting import Wanted

OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # all else needs the admin's token


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    overlap_s: Annotated[float, Meta(ge=0, le=31_536_000)] = 86_400.0  # the old key stays good


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


Body = type[Wanted] | type[Rotation] | type[Nothing]


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    method: str
    path: str
    meaning: str
    body: Body | None = None  # what a write may say; no other fields
    query: tuple[str, ...] = ()


ROUTES: Final = (
    Route("openapi", "GET", "/admin/openapi.json", "This description."),
    Route("config", "GET", "/admin/config", "The config in force, secrets masked; each worker's."),
    Route("keys", "GET", "/admin/keys", "All keys: of the config, and of the keys file."),
    Route("mint", "POST", "/admin/keys", "Makes a key: in the answer, and never again.", Wanted),
    Route(
        "rotate", "POST", "/admin/keys/{name}/rotate", "Replaces a key; the old one stays a while.",
        Rotation,
    ),
    Route("revoke", "DELETE", "/admin/keys/{name}", "Ends a key; all keys of that name."),
    Route(
        "usage", "GET", "/admin/usage", "The ledger, summed up.", None, ("by", "since", "until")
    ),
    Route(
        "purge", "DELETE", "/admin/cache", "Forgets answers: a tenant's, a model's, one, all.",
        query=("tenant", "model", "entry"),
    ),
    Route("drain", "POST", "/admin/drain", "Stops, as SIGTERM does; answers may end.", Nothing),
)  # fmt: skip


def openapi() -> dict[str, object]:
    bodies = [one.body for one in ROUTES if one.body is not None]
    schemas, components = msgspec.json.schema_components(
        bodies, ref_template="#/components/schemas/{name}"
    )
    written = dict(zip(bodies, schemas, strict=True))
    paths: dict[str, dict[str, object]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, written)
    return {
        "openapi": "3.1.0",
        "info": {"title": "The gateway's admin API", "version": gateway.__version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, written: dict[Body, dict[str, object]]) -> dict[str, object]:
    asked = [_parameter(name, "query") for name in route.query]
    if "{name}" in route.path:
        asked.append(_parameter("name", "path"))
    said: dict[str, object] = {
        "operationId": route.name,
        "summary": route.meaning,
        "parameters": asked,
        "responses": {
            "default": {"description": "An error, or what the summary says.", "content": _JSON}
        },
    }
    if route.body is not None:
        content = {"application/json": {"schema": written[route.body]}}
        said["requestBody"] = {"required": True, "content": content}
    return said


_JSON: Final = {"application/json": {"schema": {"type": "object"}}}


def _parameter(name: str, place: str) -> dict[str, object]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}
