"""A process of its own that fills the memory to its limit, and says by how much it has grown.

python -m tests.journeys.filling LIMIT SIZE: the config's bytes; the bytes of each value, 0 for many
sizes. Prints how many values there are, and the bytes.
"""

import asyncio
import gc
import math
import os
import random
import sys
from pathlib import Path

from gateway.chat.operation import Operation
from gateway.exchange.caller import Caller
from gateway.exchange.recall import Gain, Recalled, Recalls
from gateway.policy.access import virtual_key
from gateway.runtime.state import Runtime
from gateway.wire.http import RequestHead
from tests.unit.config.reading import SIM, read
from tests.unit.runtime.running import running

SIZES = (300, 1_000, 4_000, 20_000, 200_000)
OVER = 1.6  # times the limit is put in, so that much has gone again
dice = random.Random(7)


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def a_value(size: int) -> bytes:
    return os.urandom(int((size or dice.choice(SIZES)) * dice.uniform(0.8, 1.2)))


def a_place(tenant: int) -> bytes:
    return f"cache/tenant%20{tenant}/model/{os.urandom(32).hex()}".encode()


async def remember(runtime: Runtime, size: int) -> None:
    """Values of several tenants, as the memory keeps them."""
    put = number = 0
    while put < OVER * runtime.near.max_bytes:
        tenant, value = number % 7, a_value(size)
        place = a_place(tenant)
        await runtime.near.put(place, value, 3600, owner=b"tenant %d" % tenant)
        put, number = put + len(value) + 500, number + 1


def recall(runtime: Runtime, size: int) -> None:
    """Answers in the words in which they were given."""
    recalls = Recalls(runtime)
    head = RequestHead(b"POST", b"/", b"", {}, 0)
    key = virtual_key("k", "t", ("*",))
    caller = Caller(runtime.snapshot, key, None, math.inf, b"", head)
    counter = runtime.sink.metrics.number("gateway_cache_saved_tokens_total", "demo", "input")
    put = number = 0
    while put < OVER * runtime.recalled_bytes:
        said = a_value(size)
        gains = tuple(Gain(counter, number + nth / 3) for nth in range(4))
        named = b"x-gateway-model: backend/model-%d\r\n" % number
        at = number / 3, number / 3 + 3600
        found = Recalled(key, a_place(1), 1000 + number, "demo", named, *at, said, False, gains)
        recalls.keep(caller, Operation.CHAT, b"%d" % number, found)
        put, number = put + len(said) + 500, number + 1
    kept.append(recalls)


kept: list[object] = []  # until the bytes have been read


def main(limit: int, size: int) -> None:
    with running() as house:
        house.runtime.swap(read(f"{SIM}cache: {{enabled: true, max_bytes: {limit}}}\n"))
        before = resident()
        asyncio.run(remember(house.runtime, size))
        recall(house.runtime, size)
        print(len(house.runtime.near._entries), resident() - before)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
