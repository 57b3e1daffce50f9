"""What stands between a backend's stream and its client: every read is checked, then passed on.

No task wakes for a chunk. The exchange sleeps until the stream has ended, or has failed while
another target may still answer.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from gateway.chat.usage import LAST
from gateway.dialects.base import Watch
from gateway.errors import Code, GatewayError
from gateway.telemetry.record import Attempt
from gateway.upstream.reply import Reply

MAX_HELD_READS: Final = 64
MAX_HELD_BYTES: Final = 256 * 1024


class Flow(Protocol):
    """What a stream is written to."""

    def push(self, data: bytes) -> None: ...
    def end(self, data: bytes = b"", *, keep: bool = True) -> None: ...


class Voice(Protocol):
    """How an error is told where events have begun, in the client's language."""

    def error_event(self, error: GatewayError) -> bytes: ...


class Source(Protocol):
    """What an answer is drawn from: held back while the client does not read."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Outlet(Flow, Protocol):
    """The client's side, as far as the road needs it."""

    events: bool
    promised: bytes
    beat: bytes
    voice: Voice

    @property
    def started(self) -> bool: ...
    @property
    def finished(self) -> bool: ...
    @property
    def reason(self) -> GatewayError | None: ...
    @property
    def bytes_sent(self) -> int: ...

    def whole(self, status: int, headers: bytes, body: bytes) -> None: ...
    def begin(self, status: int, headers: bytes, length: int | None = None) -> None: ...
    def cut(self) -> None: ...
    async def drained(self) -> None: ...
    def draw_from(self, source: Source) -> None: ...


class EventTap:
    """A stream of events, held back until its first content.

    Then it is committed: its head goes out with all that was held. `ending` is done once nothing
    more comes: None for complete, else what went wrong.
    """

    def __init__(
        self,
        outlet: Flow,
        reply: Reply,
        watch: Watch,
        attempt: Attempt,
        idle_s: float,
        commit: Callable[[], None],
    ) -> None:
        self._outlet = outlet
        self._reply = reply
        self._watch = watch
        self._attempt = attempt
        self._idle_s = idle_s
        self._commit = commit  # begins the answer
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.committed = False
        self.ending: asyncio.Future[Code | None] = asyncio.get_running_loop().create_future()

    # ---- the reply's calls

    def received(self, data: bytes) -> None:
        watch = self._watch
        before = watch.events
        passed = watch.feed(data)
        if not self.committed:
            passed = self._hold(passed)
        if watch.done:
            self._complete(passed)
            return
        if watch.events != before and self.committed:
            self._reply.progressed()
        if passed:
            self._outlet.push(passed)  # which may pause the reply, and with it its due time
        if watch.broken is not None:
            self._end(watch.broken)

    def ended(self, failure: Code | None) -> None:
        watch = self._watch
        if failure is Code.UPSTREAM_RESET:
            failure = Code.STREAM_INTERRUPTED
        last = watch.close() if failure is None else None
        if last is None:
            self._end(failure or watch.broken or Code.STREAM_TRUNCATED)
        else:
            self._complete(last if self.committed else self._hold(last))

    # ---- inside

    def _hold(self, passed: bytes) -> bytes:
        """What may go out now: nothing before the first content, then all at once."""
        if passed:
            self._held.append(passed)
            self._held_bytes += len(passed)
        watch = self._watch
        meaningful = watch.content or (watch.done and watch.events > 0)
        full = len(self._held) > MAX_HELD_READS or self._held_bytes > MAX_HELD_BYTES
        if not (meaningful or full):
            return b""
        self.committed = True
        self._attempt.first_at = time.monotonic()
        self._commit()
        self._reply.renew(self._idle_s, Code.IDLE_TIMEOUT)
        held = b"".join(self._held)
        self._held.clear()
        return held

    def _complete(self, last: bytes) -> None:
        if not self.committed:
            self._end(Code.STREAM_TRUNCATED)  # [DONE], and nothing before it
            return
        self._reply.spent = True
        self._outlet.end(last)
        self._end(None)

    def _end(self, ending: Code | None) -> None:
        self._attempt.chunks = self._watch.events
        if ending is not None:
            self._reply.close()  # nothing that still comes may follow a failure
        if not self.ending.done():
            self.ending.set_result(ending)


class ByteTap:
    """A body that nobody here understands, passed on as it comes."""

    def __init__(self, outlet: Outlet, reply: Reply, idle_s: float) -> None:
        self._outlet = outlet
        self._reply = reply
        self._idle_s = idle_s
        self.tail = b""  # of what has come
        self.ending: asyncio.Future[Code | None] = asyncio.get_running_loop().create_future()

    def received(self, data: bytes) -> None:
        self._reply.renew(self._idle_s, Code.IDLE_TIMEOUT)
        self.tail = data[-LAST:] if len(data) >= LAST else (self.tail + data)[-LAST:]
        self._outlet.push(data)  # which may pause the reply, and with it its due time

    def ended(self, failure: Code | None) -> None:
        if failure is None:
            self._outlet.end()
        if not self.ending.done():
            self.ending.set_result(failure)
