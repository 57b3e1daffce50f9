"""The store that a host's workers share: who may reach it, and what ends with it."""

import contextlib
import socket
import stat

import pytest

from gateway.stores.owner import Owner


def test_only_its_own_user_reaches_it_and_nothing_stays_behind() -> None:
    owner = Owner()
    owner.start()
    path = owner.path
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    owner.stop()
    assert not path.parent.exists()
    with pytest.raises(RuntimeError):
        _ = owner.path


def test_whoever_talks_nonsense_is_cut_off() -> None:
    owner = Owner()
    owner.start()
    try:
        for nonsense in (b"\xff" * 100, b"\0\0\0\1\xc1", b"\0\0\0\3\x91\x91\x63"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(5)
                sock.connect(str(owner.path))
                sock.sendall(nonsense)
                with contextlib.suppress(ConnectionResetError):
                    assert sock.recv(1) == b""
    finally:
        owner.stop()
