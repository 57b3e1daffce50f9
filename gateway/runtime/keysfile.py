"""The keys file: read as a whole, changed by one writer at a time, replaced in one step.

Whoever reads it sees the state before a change or behind it, never half of one. It holds digests,
no keys; only its owner may read it.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from gateway.config.zones import zone
from gateway.policy.minting import Entries, good
from gateway.wire import json

MAX_BYTES: Final = 64 << 20
_MODE: Final = 0o600

Signature = tuple[int, int, int, int]


class KeysFileError(ValueError):
    """Why the file cannot be taken; none of what it holds."""


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    keys: Entries = ()


def read(path: Path) -> Entries:
    """None there yet: no keys. Raises OSError, KeysFileError."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ()
    if len(text) > MAX_BYTES:
        raise KeysFileError(f"{path} is larger than {MAX_BYTES} bytes")
    try:
        entries = msgspec.json.decode(text, type=_Kept).keys
        _check(entries)
    except (ValueError, RecursionError) as error:
        raise KeysFileError(f"{path}: {error}") from None
    return entries


def change(path: Path, changed: Callable[[Entries], Entries]) -> Entries:
    """What the file holds afterwards. Raises OSError, KeysFileError, and what changed raises."""

    def checked(entries: Entries) -> Entries:
        try:
            _check(entries)
        except ValueError as error:
            raise KeysFileError(str(error)) from None
        return entries

    path = path.resolve()  # behind a link, what it points to is replaced
    with _alone(path):
        entries = checked(changed(read(path)))
        text = json.write(_said(msgspec.to_builtins(_Kept(entries))))
        _replace(path, msgspec.json.format(text, indent=1))
    return entries


def _check(entries: Entries) -> None:
    """Raises ValueError for what no gateway could put into force."""
    good(entries, 0.0)
    for one in entries:
        if one.budget is not None:
            try:
                zone(one.budget.zone)
            except ValueError as error:
                raise ValueError(f"key {one.name!r}: budget.zone {error}") from None


def signature(path: Path) -> Signature | None:
    """Another one whenever the file may hold something else; None where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size


def _said(value: object) -> object:
    """Without what says nothing."""
    match value:
        case dict():
            said = {name: _said(one) for name, one in value.items()}
            return {name: one for name, one in said.items() if one not in (None, {})}
        case list() | tuple():
            return [_said(one) for one in value]
        case _:
            return value


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """The only writer on this machine."""
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, text: bytes) -> None:
    fd, fresh = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # for its owner only
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
