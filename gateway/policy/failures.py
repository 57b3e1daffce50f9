"""How an attempt can end badly, and the one table that says what follows.

A failure is a value. Nobody else decides on a status code, and nobody searches for words in a
message.
"""

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from gateway.errors import SITUATIONS, Code, GatewayError


@dataclass(frozen=True, slots=True)
class Failure:
    code: Code
    status: int | None = None  # the upstream's, where it answered
    said: str = ""  # the upstream's words, masked; shown to the caller where the rule says so
    param: str | None = None
    retry_after_s: float | None = None


class Mark(StrEnum):
    """What a failure says of the health of the target that it came from."""

    CONNECT = "connect"  # it could not be reached
    TRIPS = "trips"  # it failed: enough of these open its circuit
    ALIVE = "alive"  # it did its work, and refused: as good as an answer
    NOTHING = "nothing"


class Cause(StrEnum):
    """Why another model is asked, where a route has fallbacks for that."""

    CONTEXT_LENGTH = "context_length"
    CONTENT_POLICY = "content_policy"
    RATE_LIMIT = "rate_limit"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Rule:
    again: bool  # the same target may be tried again, after a pause
    elsewhere: bool  # another target may be tried
    mark: Mark
    fallback: Cause | None  # the models that may be asked when no target is left
    shows: str  # what the client reads; {said} where the upstream's words are for the caller


def _rule(
    shows: str,
    *,
    again: bool = True,
    mark: Mark = Mark.TRIPS,
    fallback: Cause | None = Cause.ANY,
    elsewhere: bool = True,
) -> Rule:
    return Rule(again, elsewhere, mark, fallback, shows)


def _callers(shows: str, fallback: Cause | None = None) -> Rule:
    """The caller's fault: it would be refused again, and elsewhere."""
    return Rule(again=False, elsewhere=False, mark=Mark.ALIVE, fallback=fallback, shows=shows)


# One row a code that an attempt can end with.
RULES: Final[dict[Code, Rule]] = {
    Code.CONNECT_FAILED: _rule("the backend could not be reached", mark=Mark.CONNECT),
    Code.CONNECT_TIMEOUT: _rule("the backend could not be reached in time", mark=Mark.CONNECT),
    Code.TLS_ERROR: _rule(
        "no trusted connection to the backend could be made", again=False, mark=Mark.CONNECT
    ),
    Code.FIRST_TOKEN_TIMEOUT: _rule("the backend sent nothing in time", again=False),
    Code.IDLE_TIMEOUT: _rule("the backend fell silent", again=False),
    Code.TOTAL_TIMEOUT: _rule(
        "the request took longer than it may",
        again=False,
        elsewhere=False,
        mark=Mark.NOTHING,
        fallback=None,
    ),
    Code.UPSTREAM_TIMEOUT: _rule("the backend gave up waiting"),
    Code.UPSTREAM_RESET: _rule("the backend broke off"),
    Code.STREAM_INTERRUPTED: _rule("the backend broke the stream off"),
    Code.STREAM_TRUNCATED: _rule("the backend ended the stream before its answer was complete"),
    Code.PROTOCOL_ERROR: _rule("the backend did not speak proper HTTP", again=False),
    Code.BAD_RESPONSE: _rule("the backend's answer was not understood"),
    Code.RESPONSE_TOO_LARGE: _rule(
        "the backend's answer was too large",
        again=False,
        elsewhere=False,
        mark=Mark.ALIVE,
        fallback=None,
    ),
    Code.UPSTREAM_REDIRECT: _rule("the backend answered with a redirect", again=False),
    Code.UPSTREAM_ERROR: _rule("the backend failed"),
    Code.UPSTREAM_UNSUPPORTED: _rule(
        "the backend does not do what was asked of it", again=False, mark=Mark.NOTHING
    ),
    Code.UPSTREAM_OVERLOADED: _rule("the backend is overloaded"),
    Code.UPSTREAM_RATE_LIMITED: _rule(
        "the backend's rate limit is reached", mark=Mark.NOTHING, fallback=Cause.RATE_LIMIT
    ),
    Code.UPSTREAM_QUOTA: _rule(
        "the gateway's quota at the backend is used up",
        again=False,
        mark=Mark.NOTHING,
        fallback=Cause.RATE_LIMIT,
    ),
    Code.UPSTREAM_AUTH: _rule(
        "the backend refused the gateway's credential", again=False, mark=Mark.NOTHING
    ),
    Code.UPSTREAM_CONFLICT: _rule("{said}", mark=Mark.ALIVE),
    Code.UPSTREAM_REFUSED: _callers("{said}"),
    Code.UNTRANSLATABLE: _rule("{said}", again=False, mark=Mark.NOTHING, fallback=None),
    Code.CONTEXT_LENGTH: _callers("{said}", Cause.CONTEXT_LENGTH),
    Code.CONTENT_POLICY: _callers("{said}", Cause.CONTENT_POLICY),
    Code.NO_UPSTREAM: _rule("the backend has no room", again=False, mark=Mark.NOTHING),
    Code.BACKEND_LIMIT: _rule(
        "the limits that the backend has here are reached",
        again=False,
        mark=Mark.NOTHING,
        fallback=Cause.RATE_LIMIT,
    ),
}
_UNSAID: Final = "the backend refused the request"
MAX_RETRY_AFTER_S: Final = 3600.0
MAX_DATE: Final = 64  # characters read of an HTTP date; the longest has 33


def verdict(failures: list[Failure]) -> GatewayError:
    """The one error that a client gets for a whole chain of failed attempts: the last word."""
    failure = failures[-1]
    rule = RULES[failure.code]
    status = SITUATIONS[failure.code].status
    if failure.code is Code.UPSTREAM_REFUSED and failure.status is not None:
        status = failure.status
    elif failure.status == 504:
        status = 504
    return GatewayError(
        failure.code,
        rule.shows.format(said=failure.said or _UNSAID) if "{" in rule.shows else rule.shows,
        param=failure.param,
        status=status,
        retry_after_s=_told(failure),
    )


def _told(failure: Failure) -> float | None:
    """Seconds that the client is asked to wait; a full backend's answer always says some."""
    if failure.retry_after_s is not None:
        return min(failure.retry_after_s, MAX_RETRY_AFTER_S)
    full = failure.code in (Code.UPSTREAM_RATE_LIMITED, Code.NO_UPSTREAM, Code.BACKEND_LIMIT)
    return 1.0 if full else None


def by_status(status: int, code: str, retry_after_s: float | None) -> Failure:
    """What a backend's status means; code is the machine word in its body, "" for none."""
    kind = _WORDS.get((status, code)) or _STATUSES.get(status) or _HUNDREDS.get(status // 100)
    return Failure(kind or Code.BAD_RESPONSE, status, retry_after_s=retry_after_s)


# Machine words that say more than their status does.
_WORDS: Final = {
    (429, "insufficient_quota"): Code.UPSTREAM_QUOTA,
    (429, "billing_hard_limit_reached"): Code.UPSTREAM_QUOTA,
    (400, "context_length_exceeded"): Code.CONTEXT_LENGTH,
    (413, "context_length_exceeded"): Code.CONTEXT_LENGTH,
    (422, "context_length_exceeded"): Code.CONTEXT_LENGTH,
    (400, "string_above_max_length"): Code.CONTEXT_LENGTH,
    (400, "content_policy_violation"): Code.CONTENT_POLICY,
    (400, "content_filter"): Code.CONTENT_POLICY,
}
_STATUSES: Final = {
    401: Code.UPSTREAM_AUTH,  # of the gateway's credential, never of the caller's key
    402: Code.UPSTREAM_QUOTA,
    403: Code.UPSTREAM_AUTH,
    405: Code.UPSTREAM_UNSUPPORTED,  # this and the like: of how we spoke HTTP, not of what we asked
    407: Code.UPSTREAM_AUTH,
    408: Code.UPSTREAM_TIMEOUT,
    409: Code.UPSTREAM_CONFLICT,
    411: Code.UPSTREAM_UNSUPPORTED,
    417: Code.UPSTREAM_UNSUPPORTED,
    421: Code.UPSTREAM_UNSUPPORTED,
    426: Code.UPSTREAM_UNSUPPORTED,
    429: Code.UPSTREAM_RATE_LIMITED,
    501: Code.UPSTREAM_UNSUPPORTED,
    503: Code.UPSTREAM_OVERLOADED,
    529: Code.UPSTREAM_OVERLOADED,
}
_HUNDREDS: Final = {
    3: Code.UPSTREAM_REDIRECT,
    4: Code.UPSTREAM_REFUSED,
    5: Code.UPSTREAM_ERROR,
}


_SECONDS: Final = re.compile(rb"[ \t]*([0-9]{1,20}(?:\.[0-9]{0,20})?)[ \t]*")


def retry_after(seconds: bytes | None, milliseconds: bytes | None, now: float) -> float | None:
    """Seconds to wait, from retry-after (seconds or a date) and retry-after-ms; junk is None.

    now: unix seconds. Source: RFC 9110 10.2.3; retry-after-ms as OpenAI and Azure send it.
    """
    exact = milliseconds and _SECONDS.fullmatch(milliseconds)
    if exact:
        return float(exact[1]) / 1000
    if not seconds:
        return None
    plain = _SECONDS.fullmatch(seconds)
    return float(plain[1]) if plain else _until(seconds, now)


def _until(date: bytes, now: float) -> float | None:
    """Seconds until an HTTP date, in any of its three spellings; none if it has passed."""
    try:
        moment = parsedate_to_datetime(date[:MAX_DATE].decode("ascii"))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)
