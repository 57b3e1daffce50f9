"""The store that many hosts share: a Redis or Valkey server, with TLS or not, or a cluster of them.

All limits of a request are one script on one node. Values lie wherever a cluster puts them.
"""

import asyncio
import binascii
import os
import random
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway.policy.limits import Claim, Verdict, fits, standing
from gateway.stores import scripts
from gateway.stores.address import Address
from gateway.stores.base import LEASE_S, StoreError
from gateway.stores.line import Answer, Refused
from gateway.stores.memory import JITTER
from gateway.stores.node import Node

SLOTS: Final = 16_384
SETTLED_MS: Final = 60_000  # how long it is known that a lease has been settled
_LIMITS: Final = "gw1{limits}:"  # version and hash tag of all that the scripts know
_VALUES: Final = b"gw1v:"
_WORK: Final = b"gw1w:"
_HELD, _LEASES, _MEMBERS = f"{_LIMITS}held", f"{_LIMITS}leases", f"{_LIMITS}members"
_TAG: Final = re.compile(rb"\{([^}]+)\}")
OLDEST: Final = 7  # major version; Valkey says there which Redis it is like
_FACT: Final = re.compile(r"(\w+):(\S*)\r\n")  # of INFO
_TWICE: Final = 2  # a call that has not been done is sent once more


def slot(key: bytes) -> int:
    """Where a cluster keeps a key."""
    tagged = _TAG.search(key)
    return binascii.crc_hqx(tagged[1] if tagged else key, 0) % SLOTS


_LIMITS_SLOT: Final = slot(_LIMITS.encode())


class RedisStore:
    """clock: what to go by instead of the server's time."""

    def __init__(
        self,
        address: Address,
        context: ssl.SSLContext | None = None,
        clock: Callable[[], float] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._address = address
        self._context = context or (ssl.create_default_context() if address.tls else None)
        self._clock = clock
        self._draw = draw
        self._me = os.urandom(8).hex()
        self._nodes = {
            (host, port): Node(host, port, address, self._context) for host, port in address.nodes
        }
        self._first = next(iter(self._nodes.values()))  # the only one, but in a cluster
        self._owners: dict[int, Node] = {}  # of slots, in a cluster
        self._mapping: asyncio.Task[None] | None = None

    async def aclose(self) -> None:
        if self._mapping is not None:
            self._mapping.cancel()
        for node in self._nodes.values():
            node.close()

    # ---- limits

    async def claim(self, lease: str, claims: Sequence[Claim]) -> Verdict:
        args: list[str | int] = [self._now(), lease, repr(LEASE_S)]
        for one in claims:
            mark = (1 if one.leased else 0) + (2 if one.shadow else 0)
            args += (repr(one.cost), repr(one.capacity), repr(one.rate), repr(one.keep_s), mark)
        answer = await self._limits(scripts.CLAIM, self._keys(lease, claims), args)
        if not isinstance(answer, list):
            raise StoreError("protocol")
        granted = answer[0] == 1
        levels = [float(str(text, "ascii")) for text in answer[1:] if isinstance(text, bytes)]
        if len(levels) != len(claims):  # given up before it came through
            return Verdict(False)
        return Verdict(
            granted,
            tuple(
                standing(units, one, taken=granted and fits(units, one))
                for units, one in zip(levels, claims, strict=True)
            ),
        )

    async def settle(self, lease: str, claims: Sequence[Claim], spent: Sequence[float]) -> None:
        leased = [(one, units) for one, units in zip(claims, spent, strict=True) if one.leased]
        args: list[str | int] = [self._now(), lease, SETTLED_MS]
        for one, units in leased:
            args += (repr(float(units)), repr(one.capacity), repr(one.rate), repr(one.keep_s))
        keys = self._keys(lease, [one for one, _ in leased])
        await self._limits(scripts.SETTLE, keys, args)

    async def renew(self, leases: Sequence[str]) -> int:
        args = [self._now(), repr(LEASE_S), self._me, *leases]
        answer = await self._limits(scripts.RENEW, [_HELD, _LEASES, _MEMBERS], args)
        return answer if isinstance(answer, int) else 1

    async def forgets(self) -> str:
        """By which policy the server makes room when it is full; empty if it does not, or if we
        may not know. An evicted level would be an empty one.
        """
        found = await self._facts("memory")
        policy, bounded = found.get("maxmemory_policy", ""), found.get("maxmemory", "0") != "0"
        return policy if bounded and policy != "noeviction" else ""

    async def too_old(self) -> str:
        """Its version, if the scripts need a later one; empty if not, or if we may not know."""
        version = (await self._facts("server")).get("redis_version", "")
        major = version.partition(".")[0]
        return version if major.isdecimal() and int(major) < OLDEST else ""

    async def _facts(self, section: str) -> dict[str, str]:
        """What INFO says; nothing where we may not ask."""
        try:
            told = await self._at(_LIMITS_SLOT, lambda node: node.call("INFO", section))
        except StoreError:
            return {}
        return (
            dict(_FACT.findall(told.decode("ascii", "replace"))) if isinstance(told, bytes) else {}
        )

    def _now(self) -> str:
        return "" if self._clock is None else repr(self._clock())

    def _keys(self, lease: str, claims: Sequence[Claim]) -> list[str]:
        own = [_HELD, _LEASES, f"{_LIMITS}settled:{lease}"]
        return own + [f"{_LIMITS}level:{one.key}" for one in claims]

    async def _limits(
        self, script: scripts.Script, keys: Sequence[str], args: Sequence[str | int]
    ) -> Answer:
        return await self._at(_LIMITS_SLOT, lambda node: node.run(script, keys, args))

    # ---- values

    async def get(self, key: bytes) -> bytes | None:
        key = _VALUES + key
        answer = await self._at(slot(key), lambda node: node.call("GET", key))
        return answer if isinstance(answer, bytes) else None

    async def put(self, key: bytes, value: bytes, ttl_s: float, *, owner: bytes = b"") -> None:
        key = _VALUES + key
        ms = max(1, int(ttl_s * 1000 * (1.0 - JITTER * self._draw())))
        await self._at(slot(key), lambda node: node.call("SET", key, value, "PX", ms))

    async def delete(self, key: bytes) -> None:
        key = _VALUES + key
        await self._at(slot(key), lambda node: node.call("UNLINK", key))

    async def purge(self, pattern: bytes) -> int:
        glob = re.sub(rb"([?\[\]\\])", rb"\\\1", _VALUES + pattern)
        purged = 0
        for node in await self._masters():
            cursor = b"0"
            while True:
                match await node.call("SCAN", cursor, "MATCH", glob, "COUNT", 500):
                    case [bytes(cursor), list(found)]:
                        keys = [key for key in found if isinstance(key, bytes)]
                    case _:
                        raise StoreError("protocol")
                gone = await asyncio.gather(*[node.call("UNLINK", key) for key in keys])
                purged += sum(one for one in gone if isinstance(one, int))
                if cursor == b"0":
                    break
        return purged

    async def hold(self, key: bytes, holder: bytes, ttl_s: float) -> bool:
        key, ms = _WORK + key, max(1, int(ttl_s * 1000))
        call: list[bytes | str | int] = [self._now(), holder, ms]
        answer = await self._at(slot(key), lambda node: node.run(scripts.HOLD, [key], call))
        return answer == 1

    async def release(self, key: bytes, holder: bytes) -> None:
        key = _WORK + key
        call: list[bytes | str | int] = [self._now(), holder]
        await self._at(slot(key), lambda node: node.run(scripts.RELEASE, [key], call))

    # ---- which node

    async def _at(self, slot: int, call: Callable[[Node], Awaitable[Answer]]) -> Answer:
        """At the node that owns the slot; once more where it says that it has not done it."""
        node = self._owner(slot)
        for last in range(_TWICE):
            try:
                return await call(node)
            except Refused as error:
                if last + 1 == _TWICE:
                    raise
                if error.kind == "moved":
                    node = self._moved(error.text, slot)
                elif error.kind == "readonly":
                    self._map()  # its line is closed: what stands there now is asked
                else:
                    raise
            except StoreError:
                self._map()
                raise
        raise StoreError("moved")

    def _owner(self, slot: int) -> Node:
        if not self._address.cluster:
            return self._first
        owner = self._owners.get(slot)
        if owner is None:
            self._map()
            return self._any()
        return owner

    def _any(self) -> Node:
        nodes = list(self._nodes.values())
        return next((node for node in nodes if node.usable), nodes[0])

    def _node(self, host: str, port: int) -> Node:
        node = self._nodes.get((host, port))
        if node is None:
            node = self._nodes[host, port] = Node(host, port, self._address, self._context)
        return node

    def _moved(self, text: str, slot: int) -> Node:
        """`MOVED 3999 host:port`: there, and the rest of the map may have changed as well."""
        host, _, port = text.split(" ")[2].rpartition(":")
        node = self._owners[slot] = self._node(host or self._address.nodes[0][0], int(port))
        self._map()
        return node

    def _map(self) -> None:
        """Learns the cluster's map again, beside the calls."""
        if self._address.cluster and (self._mapping is None or self._mapping.done()):
            self._mapping = asyncio.get_running_loop().create_task(self._learn())

    async def _learn(self) -> None:
        for node in sorted(self._nodes.values(), key=lambda node: not node.usable):
            try:
                answer = await node.call("CLUSTER", "SLOTS")
            except StoreError:
                continue
            if isinstance(answer, list):
                self._owners = dict(self._read(answer, node))
                return

    def _read(self, ranges: list[Answer], told_by: Node) -> list[tuple[int, Node]]:
        owners: list[tuple[int, Node]] = []
        for one in ranges:
            match one:
                case [int(first), int(last), [host, int(port), *_], *_]:
                    name = host.decode() if isinstance(host, bytes) and host else told_by.host
                    node = self._node(name, port)
                    owners += [(number, node) for number in range(first, last + 1)]
        return owners

    async def _masters(self) -> list[Node]:
        if not self._address.cluster:
            return [self._any()]
        await self._learn()
        return list(dict.fromkeys(self._owners.values())) or [self._any()]
