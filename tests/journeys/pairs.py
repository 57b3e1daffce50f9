"""What each client's language can have of each backend's: the matrix, cell by cell.

tests/journeys/test_matrix.py holds the gateway to it, docs/dialects.md shows it
(tests/docs/matrix.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.vendors.languages import LANGUAGES

CLIENTS: Final = ("chat", "completion", "responses", "anthropic", "gemini")
BACKENDS: Final = tuple(LANGUAGES)
TITLES: Final[Mapping[str, str]] = {
    "chat": "OpenAI chat",
    "completion": "Text completions",
    "responses": "Responses",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
    "bedrock": "Bedrock",
    "cohere": "Cohere",
    "ollama": "Ollama",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """400 `untranslatable`, and this is the param."""

    param: str


@dataclass(frozen=True, slots=True)
class Unsaid:
    """The client's language has no word for it."""


Cell = Refused | Unsaid | None  # None: carried


def tools(client: str, backend: str) -> Cell:
    """A function offered and called, its result sent back; whole and streamed."""
    if client == "completion":
        return Unsaid()
    return Refused("tools") if backend == "completion" else None


def image(client: str, backend: str) -> Cell:
    """A picture beside the text, as data."""
    if client == "completion":
        return Unsaid()
    return Refused("messages.0.content.1") if backend == "completion" else None


def system(client: str, backend: str) -> Cell:
    """A rule that the developer says before anybody else."""
    return Unsaid() if client == "completion" else None


def schema(client: str, backend: str) -> Cell:
    """An answer in JSON, of a schema."""
    if client == "completion":
        return Unsaid()
    return Refused("response_format") if backend == "completion" else None


def forced(client: str, backend: str) -> Cell:
    """The one tool that must be called, by its name."""
    if client == "completion":
        return Unsaid()
    if backend == "completion":
        return Refused("tools")
    return Refused("tool_choice") if backend in {"cohere", "ollama"} else None


# ---- refused by name

# Of each client's language a field, as it stands in its requests, that this backend has no word
# for, and the param of the refusal. Where both speak the same nothing is refused by the gateway.
REFUSALS: Final[Mapping[tuple[str, str], tuple[dict[str, object], str]]] = {
    ("chat", "completion"): ({"response_format": {"type": "json_object"}}, "response_format"),
    ("chat", "responses"): ({"stop": ["x"]}, "stop"),
    ("chat", "anthropic"): ({"seed": 1}, "seed"),
    ("chat", "gemini"): ({"logit_bias": {"1": 2}}, "logit_bias"),
    ("chat", "bedrock"): ({"seed": 1}, "seed"),
    ("chat", "cohere"): ({"logit_bias": {"1": 2}}, "logit_bias"),
    ("chat", "ollama"): ({"logit_bias": {"1": 2}}, "logit_bias"),
    ("completion", "chat"): ({"suffix": "x"}, "suffix"),
    ("completion", "responses"): ({"stop": ["x"]}, "stop"),
    ("completion", "anthropic"): ({"seed": 1}, "seed"),
    ("completion", "gemini"): ({"logit_bias": {"1": 2}}, "logit_bias"),
    ("completion", "bedrock"): ({"seed": 1}, "seed"),
    ("completion", "cohere"): ({"logprobs": 1}, "logprobs"),
    ("completion", "ollama"): ({"logit_bias": {"1": 2}}, "logit_bias"),
    ("responses", "chat"): ({"truncation": "auto"}, "truncation"),
    ("responses", "completion"): ({"reasoning": {"effort": "low"}}, "reasoning_effort"),
    ("responses", "anthropic"): ({"top_logprobs": 2}, "logprobs"),
    ("responses", "gemini"): ({"text": {"verbosity": "low"}}, "verbosity"),
    ("responses", "bedrock"): ({"top_logprobs": 2}, "logprobs"),
    ("responses", "cohere"): ({"top_logprobs": 2}, "logprobs"),
    ("responses", "ollama"): ({"background": True}, "background"),
    ("anthropic", "chat"): ({"container": "c"}, "container"),
    ("anthropic", "completion"): ({"thinking": {"type": "adaptive"}}, "thinking"),
    ("anthropic", "responses"): ({"stop_sequences": ["x"]}, "stop"),
    ("anthropic", "gemini"): ({"inference_geo": "us"}, "inference_geo"),
    ("anthropic", "bedrock"): ({"speed": "fast"}, "speed"),
    ("anthropic", "cohere"): ({"mcp_servers": [{"name": "x"}]}, "mcp_servers"),
    ("anthropic", "ollama"): ({"container": "c"}, "container"),
    ("gemini", "chat"): ({"cachedContent": "cachedContents/x"}, "cachedContent"),
    ("gemini", "completion"): (
        {"generationConfig": {"responseMimeType": "application/json"}},
        "response_format",
    ),
    ("gemini", "responses"): ({"generationConfig": {"seed": 1}}, "seed"),
    ("gemini", "anthropic"): ({"generationConfig": {"seed": 1}}, "seed"),
    ("gemini", "bedrock"): ({"generationConfig": {"seed": 1}}, "seed"),
    ("gemini", "cohere"): ({"generationConfig": {"candidateCount": 2}}, "n"),
    ("gemini", "ollama"): ({"generationConfig": {"candidateCount": 2}}, "n"),
}
