"""Heads and paths made ready for each operation, and what is proved anew for each request."""

from datetime import datetime

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat
from gateway.providers.base import Door, Provider, Signable
from gateway.runtime.ways import Across, Plain, per_model, signing, ways
from gateway.wire.http import Headers

DOORS = {Operation.CHAT: Door(openai_chat.UPSTREAM, "/m/{model}/say", "/m/{model}/tell?alt=sse")}
PROVIDER = Provider(name="p", base_url="https://p.test", doors=DOORS)


def test_the_model_s_name_cannot_break_out_of_its_place_in_the_path() -> None:
    way = ways(PROVIDER, DOORS, b"/v1", b"host: p.test\r\n", "a/../b?c d")[Operation.CHAT]
    assert way.path == b"/v1/m/a%2F..%2Fb%3Fc%20d/say"
    assert way.stream_path == b"/v1/m/a%2F..%2Fb%3Fc%20d/tell?alt=sse"
    assert way.head.startswith(b"POST /v1/m/a%2F..%2Fb%3Fc%20d/say HTTP/1.1\r\nhost: p.test\r\n")
    assert per_model(DOORS)


def test_the_client_s_own_language_goes_through_and_another_is_translated() -> None:
    found = ways(PROVIDER, DOORS, b"", b"", "m")
    assert isinstance(found[Operation.CHAT], Plain)
    assert isinstance(found[Operation.COMPLETION], Across)
    assert Operation.EMBEDDINGS not in found


def test_a_signature_is_made_for_each_request() -> None:
    def sign(request: Signable, credential: str, now: datetime) -> Headers:
        return [(b"x-proof", request.path + b" " + request.body + credential.encode())]

    provider = Provider(name="p", base_url="https://p.test", sign=sign)
    prove = signing(provider, "secret", b"p.test", "eu")
    assert prove is not None
    assert prove(b"/a", b"body") == b"x-proof: /a bodysecret\r\n"
    assert signing(PROVIDER, "secret", b"p.test", "eu") is None
