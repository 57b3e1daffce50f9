"""What the file may say where its written form differs from the values that come of it.

The reader, the JSON Schema and docs/configuration.md are all driven by these types: a key is added
here (or in `schema.py`) and nowhere else. `object` stands for any JSON value.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.config.schema import (
    Admin,
    Attempts,
    Budget,
    Cache,
    Caps,
    Circuit,
    Continuation,
    Count,
    HealthCheck,
    Hedging,
    KeysFile,
    Ledger,
    Limits,
    Logging,
    Oidc,
    OnStoreError,
    Operation,
    Priority,
    Ratio,
    Seconds,
    Server,
    Simulated,
    Sticky,
    Stops,
    Strategy,
    TemplateName,
    Timeouts,
    Token,
    Untranslatable,
)
from gateway.config.secret import Secret

Name = Annotated[str, Meta(min_length=1, max_length=128)]
UsdPerMtok = Annotated[float, Meta(ge=0, le=1_000_000)]


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """Who is charged and limited. A tenant that a key names need not stand here."""

    limits: Annotated[Limits, Meta(description="Limits of all its keys together.")] = Limits()
    budget: Annotated[
        Budget | None, Meta(description="Money that all its keys together may spend.")
    ] = None
    weight: Annotated[
        Annotated[float, Meta(ge=0.01, le=1000)],
        Meta(
            description="Its share of what comes free while several tenants wait for the same "
            "limit (`on_limit: wait`)."
        ),
    ] = 1.0
    priority: Annotated[
        Priority, Meta(description="Class of its requests that wait: `high` goes first.")
    ] = "normal"


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key: what a client presents."""

    name: Annotated[Name, Meta(description="How logs and metrics call it; each name once.")]
    tenant: Annotated[Name, Meta(description="Who is charged and limited.")]
    key: Annotated[
        Secret,
        Meta(description="The key itself, 16 visible characters or more; or give `digest`."),
    ] = Secret("")
    digest: Annotated[
        str,
        Meta(description='"sha256:" and the 64 hex digits of the key\'s SHA-256; or give `key`.'),
    ] = ""
    models: Annotated[
        tuple[Name, ...],
        Meta(description="Names that may be asked for; a last `*` stands for any rest."),
    ] = ("*",)
    operations: Annotated[
        tuple[Operation, ...] | None,
        Meta(description="Endpoints that may be used; if not given, all."),
    ] = None
    caps: Annotated[Caps, Meta(description="What one request may ask for at most.")] = Caps()
    cache: Annotated[
        bool, Meta(description="Its answers may be remembered, and remembered ones answer it.")
    ] = True
    limits: Annotated[Limits, Meta(description="Limits of this key.")] = Limits()
    budget: Annotated[Budget | None, Meta(description="Money that this key may spend.")] = None
    priority: Annotated[
        Priority | None,
        Meta(description="Class of its requests that wait; if not given, its tenant's."),
    ] = None


class Backend(Simulated, frozen=True, kw_only=True):
    """One configured place at a provider."""

    provider: Annotated[
        Name, Meta(description="Whose door it is: `openai`, `openai_compatible`, `simulated`, …")
    ]
    base_url: Annotated[
        str | None,
        Meta(
            description="http(s) URL that stands before the operation's path, "
            "such as http://127.0.0.1:8000/v1. `openai_compatible` needs one."
        ),
    ] = None
    credential: Annotated[
        Secret, Meta(description="What we present to the vendor; may be empty.")
    ] = Secret("")
    token: Annotated[
        Token, Meta(description="Where the credential comes from, if it does not last.")
    ] = Token()
    region: Annotated[
        str | None,
        Meta(
            description="The vendor's region, if it has some; Vertex has also `global`, `us`, `eu`."
        ),
    ] = None
    project: Annotated[
        str | None, Meta(description="Google's project, for `vertex` and `vertex_anthropic`.")
    ] = None
    api_version: Annotated[
        str | None,
        Meta(
            description="Of `azure`: asks each deployment by its own path, in this version of the "
            "API (such as 2024-10-21). If not given, the v1 API is used."
        ),
    ] = None
    operations: Annotated[
        tuple[Operation, ...] | None,
        Meta(description="What it serves, if less than its provider can."),
    ] = None
    max_in_flight: Annotated[Count, Meta(description="Requests under way to it at once.")] = 256
    max_queued: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)],
        Meta(description="Requests that may wait until it has a place for them."),
    ] = 128
    queue_wait_s: Annotated[Seconds, Meta(description="How long they wait.")] = 1.0
    proxy: Annotated[
        Secret | None,
        Meta(
            description="URL of an HTTP proxy on the way to it, such as http://proxy:3128; empty: "
            "none. If not given, HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment count, "
            "but for a backend on this machine."
        ),
    ] = None
    health_check: Annotated[
        HealthCheck, Meta(description="Asking it now and then whether it is there.")
    ] = HealthCheck()
    continues_prefix: Annotated[
        bool,
        Meta(
            description="It goes on where a last message of the assistant's ends, as vLLM and "
            "DeepSeek can."
        ),
    ] = False
    template: Annotated[
        TemplateName | None,
        Meta(
            description="How a chat is written for models of it that only continue texts "
            "(`operations: [completion]`). If not given, by the model's name."
        ),
    ] = None
    stops: Annotated[
        Stops, Meta(description="Where such a text ends, beside where its template says.")
    ] = ()
    ca_file: Annotated[
        str | None, Meta(description="PEM file of the authorities to trust, instead of the usual.")
    ] = None
    limits: Annotated[Limits, Meta(description="Limits of this backend.")] = Limits()
    attempts: Annotated[
        Attempts, Meta(description="Wins here over the file's `attempts`, key by key.")
    ] = Attempts()
    timeouts: Annotated[
        Timeouts, Meta(description="Wins here over the file's `timeouts`, key by key.")
    ] = Timeouts()
    circuit: Annotated[
        Circuit, Meta(description="Wins here over the file's `circuit`, key by key.")
    ] = Circuit()
    cache: Annotated[Cache, Meta(description="Wins here over the file's `cache`, key by key.")] = (
        Cache()
    )


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One choice within a model."""

    use: Annotated[
        Name,
        Meta(
            description="backend/model: the backend's name, and what the backend calls the model. "
            "The model may be `*` where our name ends in `*`: the rest of the name is passed on."
        ),
    ]
    weight: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)],
        Meta(description="Its share among the targets of its tier; 0: none."),
    ] = 1
    tier: Annotated[
        Annotated[int, Meta(ge=1, le=100)],
        Meta(description="A higher tier is used only when all lower ones cannot."),
    ] = 1
    template: Annotated[
        TemplateName | None,
        Meta(description="Wins here over the backend's `template`."),
    ] = None
    stops: Annotated[Stops, Meta(description="Win here over the backend's `stops`.")] = ()


class Fallbacks(msgspec.Struct, frozen=True, kw_only=True):
    """Models to try when all targets failed, by cause."""

    context_length: Annotated[
        tuple[Name, ...], Meta(description="When the prompt is too long.")
    ] = ()
    content_policy: Annotated[
        tuple[Name, ...], Meta(description="When the vendor refuses the content.")
    ] = ()
    rate_limit: Annotated[tuple[Name, ...], Meta(description="When the vendor says 429.")] = ()
    any: Annotated[
        tuple[Name, ...], Meta(description="When anything else that may pass elsewhere failed.")
    ] = ()


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of some requests for another target, whose answers nobody waits for."""

    use: Annotated[Name, Meta(description="backend/model, as in `targets`.")]
    ratio: Annotated[Ratio, Meta(description="Share of the requests that are copied.")] = 0.01
    max_in_flight: Annotated[
        Count, Meta(description="Copies under way at once; beyond that none is made.")
    ] = 8


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A name that clients ask for. `NAME: backend/model` is the short form for one target."""

    targets: Annotated[
        Annotated[tuple[Target, ...], Meta(min_length=1)],
        Meta(description="Where requests go; one or more."),
    ]
    strategy: Annotated[
        Strategy, Meta(description="How one of the targets of a tier is chosen.")
    ] = "weighted"
    attempts: Annotated[
        Annotated[int, Meta(ge=1, le=20)] | Attempts,
        Meta(
            description="Wins here over the file's `attempts`, key by key; "
            "a number alone means `max`."
        ),
    ] = Attempts()
    deadline_s: Annotated[
        Seconds | None, Meta(description="For the whole exchange; the same as `timeouts.total_s`.")
    ] = None
    timeouts: Annotated[
        Timeouts,
        Meta(description="Wins here over the file's and the backend's `timeouts`, key by key."),
    ] = Timeouts()
    fallbacks: Annotated[
        Fallbacks, Meta(description="Other models to try, by cause of failure.")
    ] = Fallbacks()
    defaults: Annotated[
        Mapping[str, object],
        Meta(description="Fields of the request that hold when the caller leaves them out."),
    ] = {}
    force: Annotated[
        Mapping[str, object],
        Meta(description="Fields of the request that hold whatever the caller says."),
    ] = {}
    untranslatable: Annotated[
        Untranslatable,
        Meta(
            description="What becomes of a field that a target's language has no word for: the "
            "request is refused, or the field dropped and named in `x-gateway-dropped`."
        ),
    ] = "refuse"
    cache: Annotated[
        Cache,
        Meta(description="Wins here over the file's and the backend's `cache`, key by key."),
    ] = Cache()
    circuit: Annotated[
        Circuit,
        Meta(description="Wins here over the file's and the backend's `circuit`, key by key."),
    ] = Circuit()
    hedging: Annotated[
        Hedging, Meta(description="A second target is asked when the first takes too long.")
    ] = Hedging()
    continuation: Annotated[
        Continuation, Meta(description="Streams that break are continued by another target.")
    ] = Continuation()
    sticky: Annotated[Sticky, Meta(description="For the strategy `sticky`.")] = Sticky()
    shadow: Annotated[
        Shadow | None, Meta(description="Where a share of the requests is copied to.")
    ] = None
    limits: Annotated[Limits, Meta(description="Limits of all who ask for it together.")] = Limits()
    budget: Annotated[
        Budget | None, Meta(description="Money that all who ask for it together may spend.")
    ] = None


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What a million tokens cost, in dollars, by what they are."""

    input_usd_per_mtok: Annotated[UsdPerMtok | None, Meta(description="Tokens sent.")] = None
    cached_usd_per_mtok: Annotated[
        UsdPerMtok | None,
        Meta(description="Tokens sent that the vendor had cached; as those sent, if not given."),
    ] = None
    cache_write_usd_per_mtok: Annotated[
        UsdPerMtok | None,
        Meta(description="Tokens sent that it puts into its cache; as those sent, if not given."),
    ] = None
    output_usd_per_mtok: Annotated[UsdPerMtok | None, Meta(description="Tokens answered.")] = None
    reasoning_usd_per_mtok: Annotated[
        UsdPerMtok | None,
        Meta(description="Tokens of its reasoning; as those answered, if not given."),
    ] = None
    input_audio_usd_per_mtok: Annotated[
        UsdPerMtok | None,
        Meta(description="Tokens sent that are audio; as those sent, if not given."),
    ] = None
    output_audio_usd_per_mtok: Annotated[
        UsdPerMtok | None,
        Meta(description="Tokens answered that are audio; as those answered, if not given."),
    ] = None
    input_image_usd_per_mtok: Annotated[
        UsdPerMtok | None,
        Meta(description="Tokens sent that are images; as those sent, if not given."),
    ] = None
    output_image_usd_per_mtok: Annotated[
        UsdPerMtok | None,
        Meta(description="Tokens answered that are images; as those answered, if not given."),
    ] = None


class PriceTier(Rates, frozen=True, kw_only=True):
    """Rates of a whole request whose input is larger than that of the tier before."""

    above_input_tokens: Annotated[Count, Meta(description="Input tokens that are not in it yet.")]


class Price(Rates, frozen=True, kw_only=True):
    """What a backend's model costs; what is not given at all costs nothing."""

    request_usd: Annotated[
        Annotated[float, Meta(ge=0, le=10_000)],
        Meta(description="Dollars for each answer, whatever it holds."),
    ] = 0.0
    image_usd: Annotated[
        Annotated[float, Meta(ge=0, le=10_000)],
        Meta(description="Dollars for each image that a request to `images` asks for (`n`)."),
    ] = 0.0
    tiers: Annotated[
        tuple[PriceTier, ...],
        Meta(description="Other rates for long prompts; what they leave out is as without them."),
    ] = ()


class File(msgspec.Struct, frozen=True, kw_only=True):
    """The sections at the top: `backends` and `models` must be there, others may be."""

    server: Annotated[Server, Meta(description="The door for callers.")] = Server()
    admin: Annotated[Admin, Meta(description="The keeper's door.")] = Admin()
    store: Annotated[
        str,
        Meta(
            description="Where limits, budgets and the cache are kept: `memory`, "
            "`redis://host:6379/0`, `rediss://…` or `redis+cluster://a:6379,b:6379`."
        ),
    ] = "memory"
    on_store_error: Annotated[
        OnStoreError, Meta(description="What happens while the store is slow or down.")
    ] = OnStoreError()
    limits: Annotated[Limits, Meta(description="Limits of all callers together.")] = Limits()
    tenants: Annotated[
        Mapping[Name, Tenant], Meta(description="Who is charged and limited, by name.")
    ] = {}
    keys: Annotated[
        tuple[Key, ...],
        Meta(
            description="What clients present. Without any, callers are anonymous, "
            "and the gateway listens on loopback only."
        ),
    ] = ()
    keys_file: Annotated[
        KeysFile, Meta(description="Keys that are made and revoked while the gateway runs.")
    ] = KeysFile()
    oidc: Annotated[
        Oidc, Meta(description="Callers with tokens of an identity provider; extra `oidc`.")
    ] = Oidc()
    backends: Annotated[
        Annotated[Mapping[Name, Backend], Meta(min_length=1)],
        Meta(description="The places that requests are sent to, by name; one or more."),
    ]
    models: Annotated[
        Annotated[Mapping[Name, Name | Model], Meta(min_length=1)],
        Meta(
            description="What clients may ask for, by name; one or more. "
            "A name may end in `*`, which stands for any rest."
        ),
    ]
    attempts: Annotated[Attempts, Meta(description="Retries, for all models.")] = Attempts()
    timeouts: Annotated[Timeouts, Meta(description="Times, for all models.")] = Timeouts()
    circuit: Annotated[Circuit, Meta(description="Circuits, for all targets.")] = Circuit()
    cache: Annotated[Cache, Meta(description="The cache, for all models.")] = Cache()
    prices: Annotated[
        Mapping[Name, Price],
        Meta(
            description="Prices by backend/model, over the built-in ones; backend/* for all others "
            "of a backend."
        ),
    ] = {}
    ledger: Annotated[Ledger, Meta(description="Who used what, and what it cost.")] = Ledger()
    logging: Annotated[Logging, Meta(description="The gateway's own log.")] = Logging()
