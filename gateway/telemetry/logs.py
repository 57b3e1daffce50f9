"""Log lines: made on the loop, written by a thread, so that a full disk or a pipe that nobody reads
stops no traffic. What does not fit is dropped and counted.
"""

import os
import stat
import threading
import time
import traceback
from collections import deque
from typing import Final, Literal

import msgspec

FLUSH_S: Final = 0.1
MAX_LINES: Final = 20_000  # waiting to be written
PIECE: Final = 4096  # bytes of whole lines at once: workers share a pipe, and no line is torn
FILED: Final = 65536  # the same to a file: a write there is one piece, however long
MAX_FIELD: Final = 256  # characters of anything that came from outside
_RANK: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}

Level = Literal["debug", "info", "warning", "error"]
_encode: Final = msgspec.json.Encoder().encode


_MILLIS: Final = tuple(f"{milli:03d}Z" for milli in range(1000))


class _Stamp:
    """The time of day, its seconds spelt out once a second."""

    __slots__ = ("prefix", "second")

    def __init__(self) -> None:
        self.second = 0
        self.prefix = ""

    def now(self) -> str:
        moment = time.time()
        second = int(moment)
        if second != self.second:
            self.second = second
            self.prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return self.prefix + _MILLIS[int((moment - second) * 1000)]


class Log:
    """Lines to one file descriptor. close() writes what is left, for as long as it may."""

    def __init__(self, fd: int, *, level: str = "info", form: str = "json") -> None:
        self._fd = fd
        self._piece = FILED if _is_file(fd) else PIECE
        self._lines: deque[bytes] = deque()  # the loop appends, the thread takes
        self.now = _Stamp().now
        self._closing = threading.Event()
        self._torn = False  # the last write ended within a line
        self.dropped = 0
        self.configure(level, form)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def configure(self, level: str, form: str) -> None:
        self._rank = _RANK[level]
        self.json = form == "json"

    def wants(self, level: Level) -> bool:
        return _RANK[level] >= self._rank

    def struct(self, line: msgspec.Struct) -> None:
        """A line of the hot path; its fields are the line's."""
        self.line(_encode(line) if self.json else _text(msgspec.to_builtins(line)))

    def say(self, level: Level, event: str, **facts: object) -> None:
        """Something that happened to the gateway itself."""
        if not self.wants(level):
            return
        line: dict[str, object] = {"ts": self.now(), "level": level, "event": event}
        line |= {key: value for key, value in facts.items() if value is not None}
        self.line(_encode(line) if self.json else _text(line))

    def surprise(self, event: str, error: BaseException, **facts: object) -> None:
        """A fault of ours: its type and places, never its message, which might quote a request."""
        places = [
            f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-8:]
        ]
        self.say("error", event, error=type(error).__name__, places=places, **facts)

    def line(self, line: bytes) -> None:
        """A line as it is to be."""
        if len(self._lines) >= MAX_LINES:
            self.dropped += 1
        else:
            self._lines.append(line)

    def close(self, timeout_s: float = 1.0) -> None:
        self._closing.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closing.wait(FLUSH_S):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if not lines:
            return
        text = b"\n".join([*([b""] if self._torn else []), *lines, b""])
        at = 0
        try:
            while at < len(text):
                end = text.rfind(b"\n", at, at + self._piece) + 1 or text.find(b"\n", at) + 1
                at += os.write(self._fd, text[at:end])
        except OSError:  # disk full, pipe closed: what is left of these lines is lost
            self.dropped += text.count(b"\n", at)
        if at:
            self._torn = not text.endswith(b"\n", 0, at)


def _is_file(fd: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:  # closed: writing will fail, too, and is counted there
        return False


def shown(text: str) -> str:
    """What came from outside, as a line may hold it: cut, its control characters spelt out."""
    text = text[:MAX_FIELD]
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _text(line: dict[str, object]) -> bytes:
    """For people: key=value."""
    words = [f"{key}={_encode(value).decode()}" for key, value in line.items() if value is not None]
    return " ".join(words).encode()
