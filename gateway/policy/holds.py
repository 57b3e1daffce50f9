"""When a backend says that nothing is left of a limit of its, and until when.

Source: platform.openai.com/docs/guides/rate-limits (durations such as `1s`, `6m0s`, `120ms`),
docs.anthropic.com/en/api/rate-limits (RFC 3339 moments), 2026-11.
"""

import re
from datetime import UTC, datetime
from typing import Final

from gateway.wire.http import Headers, first

MAX_REST_S: Final = 60.0
# The header that counts what is left, and the one that says when it is whole again.
_RESETS: Final = {
    b"x-ratelimit-remaining-requests": b"x-ratelimit-reset-requests",
    b"x-ratelimit-remaining-tokens": b"x-ratelimit-reset-tokens",
    b"anthropic-ratelimit-requests-remaining": b"anthropic-ratelimit-requests-reset",
    b"anthropic-ratelimit-tokens-remaining": b"anthropic-ratelimit-tokens-reset",
    b"anthropic-ratelimit-input-tokens-remaining": b"anthropic-ratelimit-input-tokens-reset",
    b"anthropic-ratelimit-output-tokens-remaining": b"anthropic-ratelimit-output-tokens-reset",
}
_SPENT: Final = frozenset((name, b"0") for name in _RESETS)
_DURATION: Final = re.compile(
    rb"(?:([0-9]{1,4})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?"
    rb"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)ms)?"
)
_UNITS: Final = (86_400.0, 3600.0, 60.0, 1.0, 0.001)


def rest_s(headers: Headers, now: float) -> float:
    """Seconds for which a limit is used up; 0.0 if none is, or the backend does not say when.

    now: unix seconds.
    """
    if _SPENT.isdisjoint(headers):
        return 0.0
    longest = 0.0
    for name, value in headers:
        if value == b"0" and name in _RESETS:
            reset = first(headers, _RESETS[name])
            longest = max(longest, _seconds(reset, now) if reset else 0.0)
    return min(longest, MAX_REST_S)


def _seconds(reset: bytes, now: float) -> float:
    found = _DURATION.fullmatch(reset)
    if found is not None:
        parts = zip(found.groups(), _UNITS, strict=True)
        return sum(float(part) * unit for part, unit in parts if part)
    if reset.isdigit() and len(reset) < 10:
        return float(reset)
    try:
        moment = datetime.fromisoformat(reset[:40].decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)
