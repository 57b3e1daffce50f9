"""What the rest of the gateway reads: the config as frozen values, every default filled in.

Sections that stand in the file as they stand here carry the sentence of the docs at each field;
`written.py` has those whose written form differs.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from gateway.config.secret import Secret

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Dollars = Annotated[float, Meta(gt=0)]
Ratio = Annotated[float, Meta(ge=0, le=1)]

Operation = Literal[
    "chat",
    "completion",
    "embeddings",
    "responses",
    "messages",
    "count_tokens",
    "generate_content",
    "count_content_tokens",
    "rerank",
    "moderations",
    "images",
    "audio",
    "files",
]
Untranslatable = Literal["refuse", "drop"]
Priority = Literal["high", "normal", "low"]
Strategy = Literal["weighted", "least_busy", "fastest", "cheapest", "sticky"]

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z][0-9A-Za-z._-]*)):([0-9]{1,5})", re.A)


class Address(msgspec.Struct, frozen=True):
    """Where to listen. Port 0 lets the system choose one."""

    host: str  # a name or an IP address, without the brackets of IPv6
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, with what would be right."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ValueError("must be host:port, such as 127.0.0.1:8080 or [::1]:8080")
        bracketed, plain, port = found.groups()
        if bracketed is not None and not _is_ipv6(bracketed):
            raise ValueError("has no IPv6 address between the brackets")
        if int(port) > 65_535:
            raise ValueError("has a port above 65535")
        return cls(bracketed or plain, int(port))

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


class Shed(msgspec.Struct, frozen=True, kw_only=True):
    """When requests are refused at once, so that those under way are served well."""

    loop_lag_s: Annotated[
        Seconds, Meta(description="The event loop is so late; new requests get a 503.")
    ] = 0.5
    memory_bytes: Annotated[
        Count | None,
        Meta(
            description="The process has grown so large; if not given, 85 % of what the machine "
            "or container has for it."
        ),
    ] = None


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """The door for callers."""

    listen: Annotated[
        Address,
        Meta(
            description="Address for callers, host:port. Anything but loopback needs `keys`. "
            "A change needs a restart."
        ),
    ] = Address("127.0.0.1", 8080)
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=256)],
        Meta(description="Processes; limits stay exact across them. A change needs a restart."),
    ] = 1
    max_body_bytes: Annotated[
        Count, Meta(description="Largest request body; a larger one is refused unread.")
    ] = 32 << 20
    max_upload_bytes: Annotated[
        Count,
        Meta(description="Largest upload that is streamed through and never held, such as audio."),
    ] = 512 << 20
    max_connections: Annotated[
        Count, Meta(description="Callers' connections at once; one more is answered 503.")
    ] = 10_000
    header_timeout_s: Annotated[
        Seconds, Meta(description="For a request's line and headers to arrive.")
    ] = 10.0
    body_timeout_s: Annotated[Seconds, Meta(description="For a request's body to arrive.")] = 30.0
    keep_alive_s: Annotated[
        Seconds, Meta(description="How long an idle connection is kept open.")
    ] = 75.0
    write_timeout_s: Annotated[
        Seconds, Meta(description="How long a caller may stop reading before it is cut off.")
    ] = 60.0
    drain_timeout_s: Annotated[
        Annotated[float, Meta(ge=0, le=86_400)],
        Meta(description="How long open answers may run on after a stop is asked for."),
    ] = 600.0
    heartbeat_s: Annotated[
        Annotated[float, Meta(ge=0, le=3600)],
        Meta(description="A stream that is silent for so long gets a comment; 0: never."),
    ] = 15.0
    shed: Annotated[Shed, Meta(description="When requests are refused at once.")] = Shed()


class Admin(msgspec.Struct, frozen=True, kw_only=True):
    """The keeper's door: page, API, metrics and health on their own port."""

    listen: Annotated[
        Address, Meta(description="Address of the keeper's door, host:port. Needs a restart.")
    ] = Address("127.0.0.1", 9090)
    token: Annotated[
        Secret,
        Meta(
            description="What the admin API asks for, 16 characters or more; "
            "empty: the API is off (404), metrics and health stay."
        ),
    ] = Secret("")


class OnStoreError(msgspec.Struct, frozen=True, kw_only=True):
    """What happens while the shared store is slow or down, per feature."""

    limits: Annotated[
        Literal["local", "allow", "deny"],
        Meta(description="Hold a local share of each limit, let all pass, or refuse."),
    ] = "local"
    budgets: Annotated[
        Literal["deny", "allow", "local"],
        Meta(description="Refuse, let all pass, or go on with what this process knows."),
    ] = "deny"
    cache: Annotated[Literal["miss"], Meta(description="Ask the backend.")] = "miss"


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much may be used. All that are given hold at once; one continuous bucket each."""

    requests_per_second: Annotated[Count | None, Meta(description="Requests a second.")] = None
    requests_per_minute: Annotated[Count | None, Meta(description="Requests a minute.")] = None
    requests_per_hour: Annotated[Count | None, Meta(description="Requests an hour.")] = None
    requests_per_day: Annotated[Count | None, Meta(description="Requests a day.")] = None
    requests_per_month: Annotated[Count | None, Meta(description="Requests a month.")] = None
    tokens_per_second: Annotated[Count | None, Meta(description="All tokens, a second.")] = None
    tokens_per_minute: Annotated[Count | None, Meta(description="All tokens, a minute.")] = None
    tokens_per_hour: Annotated[Count | None, Meta(description="All tokens, an hour.")] = None
    tokens_per_day: Annotated[Count | None, Meta(description="All tokens, a day.")] = None
    tokens_per_month: Annotated[Count | None, Meta(description="All tokens, a month.")] = None
    input_tokens_per_second: Annotated[Count | None, Meta(description="Tokens sent, a second.")] = (
        None
    )
    input_tokens_per_minute: Annotated[Count | None, Meta(description="Tokens sent, a minute.")] = (
        None
    )
    input_tokens_per_hour: Annotated[Count | None, Meta(description="Tokens sent, an hour.")] = None
    input_tokens_per_day: Annotated[Count | None, Meta(description="Tokens sent, a day.")] = None
    input_tokens_per_month: Annotated[Count | None, Meta(description="Tokens sent, a month.")] = (
        None
    )
    output_tokens_per_second: Annotated[
        Count | None, Meta(description="Tokens answered, a second.")
    ] = None
    output_tokens_per_minute: Annotated[
        Count | None, Meta(description="Tokens answered, a minute.")
    ] = None
    output_tokens_per_hour: Annotated[
        Count | None, Meta(description="Tokens answered, an hour.")
    ] = None
    output_tokens_per_day: Annotated[Count | None, Meta(description="Tokens answered, a day.")] = (
        None
    )
    output_tokens_per_month: Annotated[
        Count | None, Meta(description="Tokens answered, a month.")
    ] = None
    usd_per_second: Annotated[Dollars | None, Meta(description="Dollars a second.")] = None
    usd_per_minute: Annotated[Dollars | None, Meta(description="Dollars a minute.")] = None
    usd_per_hour: Annotated[Dollars | None, Meta(description="Dollars an hour.")] = None
    usd_per_day: Annotated[Dollars | None, Meta(description="Dollars a day.")] = None
    usd_per_month: Annotated[Dollars | None, Meta(description="Dollars a month.")] = None
    concurrent: Annotated[Count | None, Meta(description="Exchanges under way at once.")] = None
    mode: Annotated[
        Literal["enforce", "shadow"],
        Meta(description="`shadow` refuses nothing, and counts what it would have refused."),
    ] = "enforce"
    on_limit: Annotated[
        Literal["refuse", "wait"],
        Meta(
            description="`wait`: a request waits for room in these limits, by its tenant's weight "
            "and its class, before it is refused."
        ),
    ] = "refuse"
    max_wait_s: Annotated[
        Annotated[float, Meta(gt=0, le=3600)], Meta(description="How long it waits at most.")
    ] = 10.0
    max_waiting: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)],
        Meta(description="Requests that may wait for one of them, in each worker."),
    ] = 1000


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Money that may be spent."""

    usd: Annotated[
        Annotated[float, Meta(ge=0)], Meta(description="Dollars that may be spent in a period.")
    ]
    per: Annotated[
        Literal["day", "week", "month", "year", "total"],
        Meta(description="The period, from the calendar in `zone`; `total` never starts again."),
    ]
    zone: Annotated[
        str, Meta(description="Whose midnight begins a period, such as Europe/Berlin.")
    ] = "UTC"
    rolling: Annotated[
        bool,
        Meta(
            description="What was spent comes free bit by bit over the period's length, instead of "
            "all at once with the calendar."
        ),
    ] = False
    mode: Annotated[
        Literal["enforce", "shadow"],
        Meta(description="`shadow` refuses nothing, and counts what it would have refused."),
    ] = "enforce"


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """Who is charged and limited; owns keys."""

    name: str
    limits: Limits = Limits()
    budget: Budget | None = None
    weight: float = 1.0  # of what comes free while others wait, too
    priority: Priority = "normal"


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """What one request of a key may ask for at most."""

    n: Annotated[Count | None, Meta(description="Choices, such as `n` or `best_of`.")] = None
    max_tokens: Annotated[
        Count | None,
        Meta(description="`max_tokens` and its like, where the request says it."),
    ] = None
    messages: Annotated[
        Count | None, Meta(description="Messages, or items of the input or prompt.")
    ] = None
    body_bytes: Annotated[Count | None, Meta(description="Size of the request's body.")] = None


class KeysFile(msgspec.Struct, frozen=True, kw_only=True):
    """Keys kept in a file of their own: made and revoked while the gateway runs."""

    path: Annotated[
        str,
        Meta(
            description="The file of digests that `gateway keys` and the admin API write; a change "
            "is in effect within a second. Empty: there is none."
        ),
    ] = ""
    secret: Annotated[
        Secret,
        Meta(
            description="What the file's digests are keyed with (HMAC), 16 characters or more, so "
            "that the file alone is of no use. Keys made with another secret are unknown."
        ),
    ] = Secret("")


class Oidc(msgspec.Struct, frozen=True, kw_only=True):
    """Callers who present a signed token (JWT) of an identity provider instead of a key."""

    issuer: Annotated[
        str, Meta(description="The `iss` that a token must have. Empty: no tokens are taken.")
    ] = ""
    audience: Annotated[str, Meta(description="The `aud` that it must have.")] = ""
    jwks_file: Annotated[
        str, Meta(description="File of the provider's public keys (JWKS); or give `jwks_url`.")
    ] = ""
    jwks_url: Annotated[
        str, Meta(description="Where they are fetched, beside the traffic: https, or loopback.")
    ] = ""
    tenant_claim: Annotated[
        Annotated[str, Meta(min_length=1)],
        Meta(description="The claim that names the tenant; the config must know it."),
    ] = "tenant"
    models: Annotated[
        tuple[str, ...], Meta(description="Names that may be asked for, as those of a key.")
    ] = ("*",)


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key. The clear key is not kept."""

    name: str
    tenant: str
    digest: bytes  # SHA-256 of what the client presents, 32 bytes
    models: tuple[str, ...] = ("*",)  # names; a last "*" stands for any rest
    operations: tuple[Operation, ...] | None = None  # None: all
    caps: Caps = Caps()
    cache: bool = True
    limits: Limits = Limits()
    budget: Budget | None = None
    priority: Priority | None = None  # None: its tenant's


class Attempts(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how soon a failed attempt is followed by another."""

    max: Annotated[
        Annotated[int, Meta(ge=1, le=20)],
        Meta(description="Attempts of one exchange, over retries and fallbacks."),
    ] = 3
    retry_budget_ratio: Annotated[
        Ratio, Meta(description="Retries of a backend, as a share of its recent requests.")
    ] = 0.2
    backoff_base_s: Annotated[
        Seconds, Meta(description="Upper end of the first random wait; it doubles each time.")
    ] = 0.25
    backoff_cap_s: Annotated[Seconds, Meta(description="Longest random wait.")] = 8.0
    retry_budget_per_s: Annotated[
        Annotated[float, Meta(ge=0, le=1000)],
        Meta(description="Retries of a backend that are always granted, a second."),
    ] = 1.0
    max_retry_after_s: Annotated[
        Seconds, Meta(description="A backend that asks for a longer wait is not waited for.")
    ] = 120.0
    max_hold_s: Annotated[
        Annotated[float, Meta(ge=0, le=3600)],
        Meta(
            description="How long a target is left alone at most when it says that a limit of its "
            "is reached; 0: not at all."
        ),
    ] = 60.0


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long a backend may be silent."""

    connect_s: Annotated[Seconds, Meta(description="To connect, TLS included.")] = 5.0
    first_content_s: Annotated[
        Seconds, Meta(description="From the request sent to the first content of the answer.")
    ] = 60.0
    idle_s: Annotated[Seconds, Meta(description="Between two events of an answer.")] = 30.0
    total_s: Annotated[
        Seconds, Meta(description="For the whole exchange, all attempts included.")
    ] = 600.0


class Circuit(msgspec.Struct, frozen=True, kw_only=True):
    """When a target that keeps failing is left alone for a while."""

    enabled: Annotated[bool, Meta(description="Whether targets have circuits.")] = True
    failure_ratio: Annotated[
        Annotated[float, Meta(gt=0, le=1)],
        Meta(description="Share of failures within the window that opens the circuit."),
    ] = 0.5
    min_requests: Annotated[
        Count, Meta(description="Requests within the window before the share counts.")
    ] = 10
    window_s: Annotated[Seconds, Meta(description="The window.")] = 10.0
    open_s: Annotated[
        Seconds, Meta(description="How long it stays open first; it doubles each time.")
    ] = 5.0
    open_max_s: Annotated[Seconds, Meta(description="How long it stays open at most.")] = 60.0
    connect_failures: Annotated[
        Count, Meta(description="Failed connections in a row that open it, too.")
    ] = 5
    slow_start_s: Annotated[
        Annotated[float, Meta(ge=0, le=3600)],
        Meta(description="How long its share of the requests grows after it was open."),
    ] = 10.0


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Asking a backend now and then whether it is there, beside the traffic."""

    enabled: Annotated[bool, Meta(description="Whether it is asked.")] = False
    path: Annotated[
        Annotated[str, Meta(pattern="^/[!-~]*$", max_length=1024)],
        Meta(description="What is asked for by GET, below the base URL; any 2xx is well."),
    ] = "/models"
    every_s: Annotated[Seconds, Meta(description="How often, give or take a fifth.")] = 10.0
    timeout_s: Annotated[Seconds, Meta(description="How long an answer may take.")] = 2.0
    unhealthy_after: Annotated[
        Count, Meta(description="Bad answers in a row until it is down.")
    ] = 3
    healthy_after: Annotated[Count, Meta(description="Good ones in a row until it is up.")] = 2


class Hedging(msgspec.Struct, frozen=True, kw_only=True):
    """Asking a second target when the first has nothing to say for unusually long."""

    enabled: Annotated[bool, Meta(description="Whether a second target is asked.")] = False
    after_s: Annotated[
        Seconds | None,
        Meta(
            description="How long the first may take; if not given, what 95 of 100 of its first "
            "contents took."
        ),
    ] = None
    budget_ratio: Annotated[Ratio, Meta(description="Share of requests that may be hedged.")] = 0.05


class Continuation(msgspec.Struct, frozen=True, kw_only=True):
    """Having a stream that breaks continued by another target that can."""

    enabled: Annotated[bool, Meta(description="Whether broken streams are continued.")] = False
    max: Annotated[
        Annotated[int, Meta(ge=1, le=10)], Meta(description="How often in one answer.")
    ] = 1


class Sticky(msgspec.Struct, frozen=True, kw_only=True):
    """How the strategy `sticky` knows a session, and when it may leave its target."""

    header: Annotated[
        Annotated[str, Meta(pattern="^[A-Za-z0-9-]+$", max_length=64)],
        Meta(
            description="Request header with the session's id; without one `prompt_cache_key` "
            "counts, then how the conversation begins."
        ),
    ] = "x-session-id"
    load_bound: Annotated[
        Annotated[float, Meta(ge=1, le=100)],
        Meta(description="A target this many times as busy as the average takes no more."),
    ] = 1.25


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """Remembering answers that are the same each time."""

    enabled: Annotated[bool, Meta(description="Whether answers are remembered.")] = False
    ttl_s: Annotated[
        Annotated[float, Meta(gt=0, le=31_536_000)],
        Meta(description="How long an answer is remembered."),
    ] = 3600.0
    max_bytes: Annotated[
        Count, Meta(description="All that is remembered; the least used goes first.")
    ] = 256 << 20
    max_entry_bytes: Annotated[Count, Meta(description="Largest answer remembered.")] = 1 << 20
    compress: Annotated[
        bool, Meta(description="Answers take less room in a shared store, for some CPU of each.")
    ] = False
    verify: Annotated[
        Ratio,
        Meta(description="Share of hits that are asked again, to learn how equal answers are."),
    ] = 0.0
    seed: Annotated[
        bool,
        Meta(
            description="The backends honour `seed`: with one, answers are remembered at any "
            "temperature."
        ),
    ] = False
    share: Annotated[
        str | None,
        Meta(
            description="Tenants whose models say the same name here share answers; if not given, "
            "each tenant has its own."
        ),
    ] = None
    usage: Annotated[
        Literal["original", "zero"],
        Meta(
            description="What a hit says that it took: what the answer took once, or nothing, with "
            "that in `original_usage`."
        ),
    ] = "original"
    replay_tokens_per_s: Annotated[
        Annotated[float, Meta(gt=0, le=100_000)] | None,
        Meta(description="How fast a streamed hit comes; if not given, at once."),
    ] = None


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """How a backend of `provider: simulated` behaves; written beside its other keys."""

    first_content_s: Annotated[
        Annotated[float, Meta(ge=0, le=86_400)],
        Meta(description="Wait before the first content."),
    ] = 0.2
    tokens_per_second: Annotated[
        Annotated[float, Meta(ge=0)], Meta(description="Speed of the answer; 0: all at once.")
    ] = 50.0
    tokens: Annotated[Count, Meta(description="Length of an answer that nothing cuts.")] = 64
    fail_ratio: Annotated[Ratio, Meta(description="Share of requests that fail.")] = 0.0
    fail_status: Annotated[
        Annotated[int, Meta(ge=400, le=599)], Meta(description="Status of those that fail.")
    ] = 500
    cut_after_tokens: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Break the connection after so many tokens."),
    ] = None
    stall_after_tokens: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Fall silent after so many tokens.")
    ] = None
    retry_after_s: Annotated[
        Annotated[float, Meta(ge=0, le=86_400)] | None,
        Meta(description="The Retry-After header of those that fail."),
    ] = None
    seed: Annotated[int, Meta(description="Another seed gives other texts and failures.")] = 0


TokenSource = Literal[
    "none", "file", "google_account", "google_metadata", "azure_client", "azure_metadata"
]
Told = Annotated[str, Meta(pattern="^[!-~]*$", max_length=1024)]


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """Where a credential comes from that does not last; it is renewed beside the traffic."""

    source: Annotated[
        TokenSource | None,
        Meta(
            description="`file`: `file` holds it, and is read again when it changes. "
            "`google_account`: `credential` is a service account's JSON. `azure_client`: "
            "`credential` is the secret of the application `client_id` in the directory `tenant`. "
            "`google_metadata`, `azure_metadata`: the machine's own. `none`: `credential` is shown "
            "as it is. If not given: for `vertex` and `vertex_anthropic` one of Google's two, "
            "else `none`."
        ),
    ] = None
    file: Annotated[Told, Meta(description="The file, by its whole path.")] = ""
    tenant: Annotated[Told, Meta(description="The directory (tenant) of `azure_client`.")] = ""
    client_id: Annotated[Told, Meta(description="The application of `azure_client`.")] = ""
    scope: Annotated[
        Told, Meta(description="What the token is for, if it is not the provider's usual scope.")
    ] = ""
    url: Annotated[
        Told, Meta(description="Who gives it out, if not the usual server; http or https.")
    ] = ""


TemplateName = Literal[
    "plain",
    "chatml",
    "llama2",
    "llama3",
    "llama4",
    "mistral",
    "gemma",
    "phi",
    "zephyr",
    "deepseek",
    "vicuna",
    "alpaca",
]
# Lines may end in one.
Stops = tuple[Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00]*$")], ...]


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """One configured place at a provider."""

    name: str
    provider: str
    base_url: str | None = None
    credential: Secret = Secret("")
    token: Token = Token()
    region: str | None = None
    project: str | None = None
    api_version: str | None = None
    operations: tuple[Operation, ...] | None = None  # None: all that the provider can
    max_in_flight: int = 256
    ca_file: str | None = None
    limits: Limits = Limits()
    attempts: Attempts = Attempts()
    timeouts: Timeouts = Timeouts()
    circuit: Circuit = Circuit()
    cache: Cache = Cache()
    max_queued: int = 128
    queue_wait_s: float = 1.0
    proxy: Secret | None = None  # an outgoing HTTP proxy's URL; "": none; None: the environment's
    health_check: HealthCheck = HealthCheck()
    continues_prefix: bool = False
    template: TemplateName | None = None  # of chats with its text models; None: by their names
    stops: Stops = ()
    simulated: Simulated | None = None  # of provider "simulated", and only there


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One choice within a model.

    The four sections are those in force for an attempt here: what the model says wins over what
    the backend says, and that over what the whole file says.
    """

    backend: str
    model: str  # the backend's name for it; "*": the rest of the name that was asked for
    weight: int = 1
    tier: int = 1
    template: TemplateName | None = None  # this and the next: the backend's where it says none
    stops: Stops = ()
    attempts: Attempts = Attempts()
    timeouts: Timeouts = Timeouts()
    circuit: Circuit = Circuit()
    cache: Cache = Cache()


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A name that clients ask for, and how it is served. Its sections do not know the backends'."""

    name: str  # a last "*" stands for any rest
    targets: tuple[Target, ...]
    strategy: Strategy = "weighted"
    attempts: Attempts = Attempts()
    timeouts: Timeouts = Timeouts()  # total_s is the exchange's deadline
    fallbacks: Mapping[str, tuple[str, ...]] = {}  # by cause; only causes that have some
    defaults: Mapping[str, object] = {}  # JSON values
    force: Mapping[str, object] = {}  # JSON values
    untranslatable: Untranslatable = "refuse"
    cache: Cache = Cache()
    circuit: Circuit = Circuit()
    hedging: Hedging = Hedging()
    continuation: Continuation = Continuation()
    sticky: Sticky = Sticky()
    shadow: "Shadow | None" = None
    limits: Limits = Limits()
    budget: Budget | None = None


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """Where a share of a model's requests is copied to."""

    target: Target
    ratio: float
    max_in_flight: int


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What a million tokens cost, in dollars, by what they are."""

    input_usd_per_mtok: float
    cached_usd_per_mtok: float  # of the input, read from the vendor's prompt cache
    cache_write_usd_per_mtok: float  # of the input, written to it
    output_usd_per_mtok: float
    reasoning_usd_per_mtok: float  # of the output
    input_audio_usd_per_mtok: float
    output_audio_usd_per_mtok: float
    input_image_usd_per_mtok: float
    output_image_usd_per_mtok: float


class PriceTier(Rates, frozen=True, kw_only=True):
    """The rates of a whole request whose input is larger."""

    above_input_tokens: int


class Price(Rates, frozen=True, kw_only=True):
    """What a backend's model costs."""

    request_usd: float = 0.0  # of each answer, whatever it holds
    image_usd: float = 0.0  # of each image that is made
    tiers: tuple[PriceTier, ...] = ()  # by rising bounds


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Who used what, and what it cost: a file that is only ever added to."""

    path: Annotated[
        str,
        Meta(description="The file; every worker adds to it. Empty: there is none."),
    ] = ""
    format: Annotated[
        Literal["jsonl", "sqlite"],
        Meta(description="JSON lines, or a table `ledger` in an SQLite database."),
    ] = "jsonl"


class Logging(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's own log. Prompts and answers are never in it."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least that is told.")
    ] = "info"
    format: Annotated[
        Literal["json", "text"], Meta(description="One JSON object or one plain text a line.")
    ] = "json"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All that one file says."""

    server: Server = Server()
    admin: Admin = Admin()
    store: str = "memory"  # "memory" or a URL, which may hold a password
    on_store_error: OnStoreError = OnStoreError()
    limits: Limits = Limits()  # of everybody together
    tenants: Mapping[str, Tenant] = {}  # those that only a key names included
    keys: tuple[Key, ...] = ()
    keys_file: KeysFile = KeysFile()
    oidc: Oidc = Oidc()
    backends: Mapping[str, Backend]
    models: Mapping[str, Model]
    attempts: Attempts = Attempts()
    timeouts: Timeouts = Timeouts()
    circuit: Circuit = Circuit()
    cache: Cache = Cache()
    prices: Mapping[str, Price] = {}  # by "backend/model"
    ledger: Ledger = Ledger()
    logging: Logging = Logging()
    hash: str = ""  # 12 hex digits; equal content has an equal hash
    waiting: tuple[str, ...] = ()  # a sentence for each thing configured but not yet in effect

    def __repr__(self) -> str:
        return f"Config({self.hash})"  # the whole would be pages, with the store's password
