"""The models that a caller may use, in the form of its language. Wildcards have no name of their
own.

Google's clients ask another path, or say in a header whose they are; Anthropic's say the version of
its API with each request; all others read OpenAI's form.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from gateway.chat.document import Document
from gateway.chat.operation import Operation
from gateway.dialects import anthropic, anthropic_client, gemini, gemini_client, openai_chat
from gateway.dialects.base import ClientDialect
from gateway.exchange.caller import Caller
from gateway.runtime.snapshot import Route
from gateway.wire import json
from gateway.wire.http import RequestHead

# In Google's words, in Google's order.
_METHODS: Final = (
    (Operation.GENERATE, "generateContent"),
    (Operation.COUNT_CONTENT, "countTokens"),
)


@dataclass(frozen=True, slots=True)
class Form:
    client: ClientDialect  # whose words errors are told in
    one: Callable[[str, Route, int], Document]  # name, route, since when (unix seconds)
    all: Callable[[Sequence[Document]], Document]


def _openai(name: str, route: Route, since: int) -> Document:
    return {"id": name, "object": "model", "created": since, "owned_by": "gateway"}


def _anthropic(name: str, route: Route, since: int) -> Document:
    return anthropic.model(name, since)


def _gemini(name: str, route: Route, since: int) -> Document:
    methods = [word for operation, word in _METHODS if route.offering.get(operation)]
    return gemini.model(name, methods)


_OPENAI: Final = Form(openai_chat.CLIENT, _openai, lambda data: {"object": "list", "data": data})
_ANTHROPIC: Final = Form(anthropic_client.CLIENT, _anthropic, anthropic.models)
_GEMINI: Final = Form(gemini_client.CLIENT, _gemini, gemini.models)


def form(head: RequestHead) -> Form:
    if head.path.startswith(b"/v1beta/") or head.header(b"x-goog-api-client") is not None:
        return _GEMINI
    return _OPENAI if head.header(b"anthropic-version") is None else _ANTHROPIC


def document(caller: Caller, head: RequestHead) -> bytes:
    """The list, or the one model that the path names. Raises GatewayError as a request for that
    model would.
    """
    said, snapshot = form(head), caller.snapshot
    name = unquote(head.path.partition(b"/models")[2].decode("ascii", "replace"))[1:]
    if name:
        return json.write(said.one(name, caller.route(name), snapshot.since))
    offered = [
        said.one(name, route, snapshot.since)
        for name, route in snapshot.routes.items()
        if caller.key.may_use(name)
    ]
    return json.write(said.all(offered))
