"""Embeddings: a unit vector for each text, in OpenAI's words.

Pure. Source: OpenAI's API reference, /v1/embeddings.
"""

import base64
import struct

from gateway.simulated.model import vector
from gateway.simulated.play import Whole, encoded
from gateway.simulated.request import DIMENSIONS, Embeddings


def whole(asked: Embeddings, seed: int) -> Whole:
    prompts = asked.prompts()
    dimensions = asked.dimensions or DIMENSIONS
    packed = asked.encoding_format == "base64"
    vectors = [vector(prompt.text, seed, dimensions) for prompt in prompts]
    tokens = sum(prompt.tokens for prompt in prompts)
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _packed(v) if packed else v}
            for index, v in enumerate(vectors)
        ],
        "model": asked.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return Whole(encoded(answer), 0)


def _packed(numbers: tuple[float, ...]) -> str:
    """32-bit floats, little-endian, in base64: what OpenAI's own clients ask for."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
