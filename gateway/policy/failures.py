"""How an attempt can end badly, and the one table that says what follows.

A failure is a value. Nobody else decides on a status code, and nobody searches for words in a
message.
"""

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from gateway.errors import SITUATIONS, Code, GatewayError


@dataclass(frozen=True, slots=True)
class Failure:
    code: Code
    status: int | None = None  # the upstream's, where it answered
    said: str = ""  # the upstream's words, masked; shown to the caller where the rule says so
    param: str | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    elsewhere: bool  # another target may be tried
    shows: str  # what the client reads; {said} where the upstream's words are for the caller


# One row a code that an attempt can end with.
RULES: Final[dict[Code, Rule]] = {
    Code.CONNECT_FAILED: Rule(True, "the backend could not be reached"),
    Code.CONNECT_TIMEOUT: Rule(True, "the backend could not be reached in time"),
    Code.TLS_ERROR: Rule(True, "no trusted connection to the backend could be made"),
    Code.FIRST_TOKEN_TIMEOUT: Rule(True, "the backend sent nothing in time"),
    Code.IDLE_TIMEOUT: Rule(True, "the backend fell silent"),
    Code.TOTAL_TIMEOUT: Rule(False, "the request took longer than it may"),
    Code.UPSTREAM_RESET: Rule(True, "the backend broke off"),
    Code.STREAM_INTERRUPTED: Rule(True, "the backend broke the stream off"),
    Code.STREAM_TRUNCATED: Rule(
        True, "the backend ended the stream before its answer was complete"
    ),
    Code.PROTOCOL_ERROR: Rule(True, "the backend did not speak proper HTTP"),
    Code.BAD_RESPONSE: Rule(True, "the backend's answer was not understood"),
    Code.RESPONSE_TOO_LARGE: Rule(False, "the backend's answer was too large"),
    Code.UPSTREAM_REDIRECT: Rule(True, "the backend answered with a redirect"),
    Code.UPSTREAM_ERROR: Rule(True, "the backend failed"),
    Code.UPSTREAM_OVERLOADED: Rule(True, "the backend is overloaded"),
    Code.UPSTREAM_RATE_LIMITED: Rule(True, "the backend's rate limit is reached"),
    Code.UPSTREAM_QUOTA: Rule(True, "the gateway's quota at the backend is used up"),
    Code.UPSTREAM_AUTH: Rule(True, "the backend refused the gateway's credential"),
    Code.UPSTREAM_REFUSED: Rule(False, "{said}"),
    Code.CONTEXT_LENGTH: Rule(False, "{said}"),
    Code.CONTENT_POLICY: Rule(False, "{said}"),
    Code.NO_UPSTREAM: Rule(True, "the backend has no room"),
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
    full = failure.code in (Code.UPSTREAM_RATE_LIMITED, Code.NO_UPSTREAM)
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
    405: Code.UPSTREAM_ERROR,  # this and the like: of how we spoke HTTP, not of what was asked
    407: Code.UPSTREAM_AUTH,
    408: Code.FIRST_TOKEN_TIMEOUT,
    411: Code.UPSTREAM_ERROR,
    417: Code.UPSTREAM_ERROR,
    421: Code.UPSTREAM_ERROR,
    426: Code.UPSTREAM_ERROR,
    429: Code.UPSTREAM_RATE_LIMITED,
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
