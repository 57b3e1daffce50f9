"""The models that a caller may use, in OpenAI's form. Wildcards have no name of their own."""

from gateway.exchange.caller import Caller
from gateway.wire import json


def listing(caller: Caller) -> bytes:
    names = [name for name in caller.snapshot.routes if caller.key.may_use(name)]
    return json.write({"object": "list", "data": [_model(caller, name) for name in names]})


def one(caller: Caller, name: str) -> bytes:
    """Raises GatewayError as a request for that model would."""
    caller.route(name)
    return json.write(_model(caller, name))


def _model(caller: Caller, name: str) -> dict[str, object]:
    return {
        "id": name,
        "object": "model",
        "created": caller.snapshot.since,
        "owned_by": "gateway",
    }
