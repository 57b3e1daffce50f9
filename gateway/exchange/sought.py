"""A request that may be answered from memory: under which key, and where that is kept.

The key is of what the backend is asked, in the backend's own words. So two requests share an answer
where the backend could not have told them apart, whatever their clients' languages are.
"""

import hashlib
from typing import Final

from gateway.chat.document import Document
from gateway.chat.operation import Operation
from gateway.dialects.base import ClientDialect, Losses
from gateway.dialects.canonical import canonical
from gateway.errors import GatewayError
from gateway.exchange.ask import Ask, losses, plain, previews
from gateway.exchange.caller import Caller
from gateway.exchange.settings import overlaid
from gateway.policy import caching
from gateway.runtime.languages import CLIENTS, READ
from gateway.runtime.snapshot import Route, Target
from gateway.runtime.ways import Plain

# What these clients say, and are told, is the lingua franca as it is.
_LINGUA: Final = frozenset({Operation.CHAT, Operation.EMBEDDINGS})
_UNSAYABLE: Final = "unsayable"  # in place of a language


def merged(asked: Document, route: Route) -> Document:
    """With what the route adds and forces."""
    if not route.defaults and not route.force:
        return asked
    return overlaid(asked, plain(route.defaults), plain(route.force))


def remembered(ask: Ask, caller: Caller) -> "tuple[Sought | None, str]":
    """Or why its answer may not be."""
    route, lost = ask.route, Losses(drop=True)
    if not caller.key.caches:
        return None, "key"
    if ask.operation not in READ:
        return None, "operation"
    try:
        asked = ask.read(lost)
    except GatewayError:
        return None, "unknown_field"
    if lost.dropped:
        return None, "unknown_field"
    asked = merged(asked, route)
    why = caching.reason(ask.operation, asked, route.caching, route.force)
    return (None, why) if why else (Sought(ask, caller, asked), "")


class Sought:
    """asked: the request in the lingua franca, as the route has it."""

    __slots__ = ("_scope", "ask", "asked", "caller", "dropped", "teller")

    def __init__(self, ask: Ask, caller: Caller, asked: Document) -> None:
        self.ask = ask
        self.asked = asked
        self._scope = ask.route.caching.shared or f"tenant {caller.key.tenant}"
        self.caller = caller
        self.dropped: list[str] = []  # what the target of the last digest cannot be told
        self.teller = _teller(ask)  # in whose words the answer is had; None: the client's

    def on(self, route: Route) -> "Sought":
        """The same of another route, whose target has answered."""
        if route is self.ask.route:
            return self
        asked = merged(self.ask.read(Losses(drop=True)), route)
        return Sought(self.ask.on(route), self.caller, asked)

    @property
    def repeats(self) -> bool:
        """Whether the same body may be told the same again without another look: nothing is to be
        counted, paced, verified, copied, drawn or told.
        """
        route, caller = self.ask.route, self.caller
        rule = route.caching
        return (
            not rule.verify
            and rule.replay_tokens_per_s is None
            and route.shadow is None
            and b"cache-control" not in caller.head.headers
            and not self.dropped
            and not previews(caller.passed)
            and caller.snapshot.rulebook.of(caller.key, route.model) is None
            and len({target.model for target in route.offering[self.ask.operation]}) == 1
        )

    def digest(self, target: Target) -> bytes:
        """Of all that can change what target answers."""
        ask, route = self.ask, self.ask.route
        language, sent = self._sent(target)
        refused = sorted(target.backend.provider.refuses & sent.keys())
        self.dropped = [*self.dropped, *refused]
        policy = f"{language} {route.drops} {' '.join(self.dropped)} {self._heard(target)}"
        kind = "embeddings" if ask.operation is Operation.EMBEDDINGS else "conversation"
        return caching.key(self._scope, route.model, target.model, policy, kind, sent)

    def _sent(self, target: Target) -> tuple[str, Document]:
        """In which language, and what; all that is asked where the target cannot be told."""
        ask, way = self.ask, target.ways[self.ask.operation]
        lost = losses(ask)
        self.dropped = lost.dropped
        if isinstance(way, Plain) or ask.operation is Operation.EMBEDDINGS:
            return way.language, canonical(way.language, self._said())
        asked = {**caching.telling(self.asked), "model": target.model}
        try:
            sent = way.translation.request(asked, lost)
        except GatewayError:
            self.dropped = []
            return _UNSAYABLE, canonical("openai_chat", self.asked)
        return way.language, canonical(way.language, sent)

    def _said(self) -> Document:
        """In the client's own words."""
        ask = self.ask
        return self.asked if ask.operation in _LINGUA else merged(plain(ask.fields), ask.route)

    def _heard(self, target: Target) -> str:
        """What else of the client's a target is told, or its answer bears the marks of."""
        ask = self.ask
        if isinstance(target.ways[ask.operation], Plain):
            return previews(ask.passed).decode()
        return ask.client.name if self.teller is None and ask.operation not in _LINGUA else ""

    def together(self, digest: bytes) -> bytes:
        """Of who may share one call, whichever target answers it. digest: of the likely one, which
        is all where there is no other.
        """
        route, operation = self.ask.route, self.ask.operation
        if len(route.targets) == 1 and not route.fallbacks:
            return digest
        told = hashlib.sha256(digest)
        for target in route.offering[operation]:
            if operation in target.ways:
                told.update(self.digest(target))
        if route.fallbacks:  # any language may be asked: then all have to say it in one
            name = self.ask.client.name
            told.update(caching.key("", "", "", "", name, canonical(name, self._said())))
            key = self.caller.key  # which of them may be asked
            told.update(repr((sorted(key.exact), sorted(key.prefixes))).encode())
        return told.digest()

    def place(self, digest: bytes) -> bytes:
        """Where it is kept: what can be purged together begins alike."""
        return caching.place(self._scope, self.ask.route.model, digest.hex()).encode()

    @property
    def owner(self) -> bytes:
        return self._scope.encode()


def _teller(ask: Ask) -> ClientDialect | None:
    """A translated answer is had in the lingua franca, so that it is the same for all clients. A
    stream that may be continued elsewhere stays in one language, its client's.
    """
    kept = ask.operation in _LINGUA or ask.route.continuation.enabled
    return None if kept else CLIENTS[Operation.CHAT]
