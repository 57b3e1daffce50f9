"""Values made smaller are the same again, and what is odd is nothing at all."""

import random
import zlib

import pytest

from gateway.stores.memory import MemoryStore
from gateway.stores.packed import LEAST, MARK, MOST, Packed
from tests.vendors.looped import looped

TEXT = b'3{"content":"' + b"What is said once is said again. " * 200 + b'"}'


@looped
async def test_what_is_large_is_kept_small_and_read_by_all() -> None:
    far = MemoryStore()
    packing, plain = Packed(far), Packed(far)
    packing.packs = True
    noise = b"3" + random.Random(1).randbytes(5000)
    values = {b"text": TEXT, b"short": TEXT[: LEAST - 1], b"noise": noise, b"none": b""}
    for key, value in values.items():
        await packing.put(key, value, 60)
        assert await packing.get(key) == await plain.get(key) == value
    assert await packing.get(b"nothing") is None
    kept = {key: await far.get(key) or b"" for key in values}
    assert len(kept[b"text"]) < len(TEXT) / 10
    assert [key for key, value in kept.items() if value.startswith(MARK)] == [b"text"]
    await plain.put(b"text", TEXT, 60)
    assert await far.get(b"text") == TEXT
    assert await packing.get(b"text") == TEXT


@looped
async def test_all_else_is_the_store_s() -> None:
    far = MemoryStore()
    values = Packed(far)
    await values.put(b"a/1", b"x", 60, owner=b"t")
    assert far._owned.keys() == {b"t"}
    await values.put(b"a/2", b"x", 60)
    await values.delete(b"a/2")
    assert await values.purge(b"a/*") == 1
    assert await values.hold(b"a", b"me", 60)
    assert not await values.hold(b"a", b"you", 60)
    await values.release(b"a", b"me")
    assert await values.hold(b"a", b"you", 60)


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"no zlib",
        zlib.compress(TEXT)[:-5],
        zlib.compress(TEXT) + b"more",
        zlib.compress(bytes(MOST + 1)),
    ],
    ids=["empty", "foreign", "cut", "longer", "huge"],
)
@looped
async def test_what_is_odd_is_nothing(odd: bytes) -> None:
    far = MemoryStore()
    await far.put(b"k", MARK + odd, 60)
    assert await Packed(far).get(b"k") == b""
