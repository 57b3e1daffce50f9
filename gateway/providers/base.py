"""A provider is a vendor's door: where it is, how one pays at it, what is spoken behind it.

A vendor that differs from another only in data is one value. Pure: what has to be computed is a
function of its arguments.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.chat.operation import Operation
from gateway.dialects import openai_chat, openai_completion, openai_embeddings, openai_responses
from gateway.dialects.base import EmbeddingsDialect, Said, UpstreamDialect
from gateway.dialects.openai import read_error
from gateway.policy.failures import Failure, by_status
from gateway.wire.http import Headers


@dataclass(frozen=True, slots=True)
class Door:
    """One thing that a vendor offers: in which language, and where below the base URL.

    `{model}` in a path is filled in with the backend's name for the model, percent-encoded.
    """

    dialect: UpstreamDialect
    path: str
    stream_path: str | None = None  # None: the same


@dataclass(frozen=True, slots=True)
class EmbeddingsDoor:
    """The same for embeddings in a language that is not OpenAI's."""

    dialect: EmbeddingsDialect
    path: str
    stream_path: None = None


@dataclass(frozen=True, slots=True)
class Signable:
    """A request as it is signed, where a header that never changes is not enough."""

    method: bytes
    host: bytes
    path: bytes  # with its query
    body: bytes
    region: str


Sign = Callable[[Signable, str, datetime], Headers]  # credential, now (UTC) -> its header lines
Authorize = Callable[[str], Headers]  # credential -> the header lines that prove it
Classify = Callable[[int, Said, float | None], Failure]
ReadError = Callable[[bytes], Said]

# Below the base URL, as OpenAI has them. What is relayed has a path, what is understood a door.
OPENAI_PATHS: Final[Mapping[Operation, str]] = {
    Operation.RESPONSES: "/responses",
    Operation.MODERATIONS: "/moderations",
    Operation.IMAGES: "/images",
    Operation.AUDIO: "/audio",
    Operation.FILES: "/files",
    Operation.RERANK: "/rerank",
}


OPENAI_DOORS: Final[Mapping[Operation, Door | EmbeddingsDoor]] = {
    Operation.CHAT: Door(openai_chat.UPSTREAM, "/chat/completions"),
    Operation.COMPLETION: Door(openai_completion.UPSTREAM, "/completions"),
    Operation.EMBEDDINGS: Door(openai_embeddings.UPSTREAM, "/embeddings"),
    Operation.RESPONSES: Door(openai_responses.UPSTREAM, "/responses"),
}


# Models that think before they answer, and know `max_tokens` by its newer name only.
REASONING: Final = (
    re.compile(r"(^|[-_/.])(o[1-9]|gpt-?[5-9])([-_.:]|$)"),
    {"max_tokens": "max_completion_tokens"},
)


def bearer(credential: str) -> Headers:
    return [(b"authorization", b"Bearer " + credential.encode())] if credential else []


def google_host(region: str) -> str:
    """Vertex's, for places that are no single region too."""
    if region in ("us", "eu"):
        return f"aiplatform.{region}.rep"
    return "aiplatform" if region == "global" else f"{region}-aiplatform"


def classify(status: int, said: Said, retry_after_s: float | None) -> Failure:
    """The time to wait may stand in the body instead."""
    wait_s = said.retry_after_s if retry_after_s is None else retry_after_s
    return by_status(status, said.code or said.type, wait_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    name: str
    base_url: str | None  # None: the config must say it
    paths: Mapping[Operation, str] = field(default_factory=lambda: OPENAI_PATHS)
    doors: Mapping[Operation, Door | EmbeddingsDoor] = field(default_factory=lambda: OPENAI_DOORS)
    authorize: Authorize = bearer
    sign: Sign | None = None  # in place of authorize: each request anew
    renames: Mapping[str, str] = field(default_factory=dict)  # top-level fields it calls otherwise
    refuses: frozenset[str] = frozenset()  # top-level fields that it does not take
    variable: str = ""  # the environment variable that usually holds its credential
    read_error: ReadError = read_error
    classify: Classify = classify
    # The top-level fields that some models only, by their names, know otherwise.
    renamed: tuple[re.Pattern[str], Mapping[str, str]] | None = None
    versioned: "Callable[[str], Provider] | None" = None  # the same in another version of its API
    usage_on_request: bool = True  # a stream says its usage only when asked (stream_options)
    # The host's name for a region, where the base URL has `{region}-aiplatform` for most.
    host: Callable[[str], str] | None = None
    source: str = ""  # the vendor's page that this was taken from, and when

    def address(self, region: str, project: str) -> str:
        """The base URL of a backend that says none."""
        url = self.base_url or ""
        if self.host is not None:
            url = url.replace("{region}-aiplatform", self.host(region), 1)
        return url.replace("{region}", region).replace("{project}", project)

    def renames_for(self, model: str) -> Mapping[str, str]:
        if self.renamed is not None and self.renamed[0].search(model):
            return {**self.renames, **self.renamed[1]}
        return self.renames
