"""Fields of a chat request that ask for nothing, or that no answer depends on.

A translation may leave them out without a word: null and empty values, what is the default
everywhere, and what is for the vendor's own books.
"""

from typing import Final

from gateway.chat.document import Document

_DEFAULTS: Final[dict[str, tuple[object, ...]]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "store": (False,),
    "stream": (False, True),  # said in its own way, or not at all
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "parallel_tool_calls": (True,),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
    "response_format": ({"type": "text"},),
    "tool_choice": ("auto",),
    "verbosity": ("medium",),
}
# Who asks, and what for: the vendor's answer is the same without them.
_BOOKS: Final = frozenset(
    {
        "model",
        "user",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "stream_options",
    }
)


def idle(key: str, value: object) -> bool:
    return key in _BOOKS or value in (None, [], {}) or value in _DEFAULTS.get(key, ())


def asking(chat: Document, known: frozenset[str]) -> list[str]:
    """The fields that ask for something and that are not known."""
    return [key for key, value in chat.items() if key not in known and not idle(key, value)]
