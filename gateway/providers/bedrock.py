"""Amazon Bedrock: Converse for every model, Titan's and Cohere's embeddings.

A credential is `ACCESS_KEY:SECRET`, `ACCESS_KEY:SECRET:SESSION` for temporary keys, or a Bedrock
API key, which has no colon. The first two sign each request, the last is shown as it is.
"""

from datetime import datetime
from typing import Final

from gateway.chat.operation import Operation
from gateway.dialects import bedrock, bedrock_embeddings
from gateway.dialects.base import Said
from gateway.errors import Code
from gateway.policy.failures import Failure, by_status
from gateway.providers.base import Door, EmbeddingsDoor, Provider, Signable, bearer
from gateway.wire import sigv4
from gateway.wire.http import Headers

_SERVICE: Final = "bedrock"


def authorize(credential: str) -> Headers:
    """The lines that never change: those of an API key."""
    return [] if ":" in credential else bearer(credential)


def sign(request: Signable, credential: str, now: datetime) -> Headers:
    access, colon, secret = credential.partition(":")
    if not colon:
        return bearer(credential)
    secret, _, session = secret.partition(":")
    return sigv4.sign(
        request.method,
        request.host,
        request.path,
        request.body,
        keys=sigv4.Keys(access, secret, session),
        region=request.region,
        service=_SERVICE,
        now=now,
    )


def classify(status: int, said: Said, retry_after_s: float | None) -> Failure:
    """424 is the model's failure, though its number says the caller's."""
    if status == 424:
        return Failure(Code.UPSTREAM_ERROR, status, retry_after_s=retry_after_s)
    return by_status(status, said.code or said.type, retry_after_s)


PROVIDER = Provider(
    name="bedrock",
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    paths={},
    doors={
        Operation.CHAT: Door(
            bedrock.UPSTREAM, "/model/{model}/converse", "/model/{model}/converse-stream"
        ),
        Operation.EMBEDDINGS: EmbeddingsDoor(
            bedrock_embeddings.EMBEDDINGS, "/model/{model}/invoke"
        ),
    },
    authorize=authorize,
    sign=sign,
    variable="AWS_BEARER_TOKEN_BEDROCK",
    read_error=bedrock.read_error,
    classify=classify,
    usage_on_request=False,
    source="docs.aws.amazon.com/bedrock/latest/APIReference, 2026-11",
)
