"""What is measured: the scenarios, and the request that each of them sends."""

import json
from typing import Final

import msgspec

CLIENT_KEY: Final = "bench-client-key"
CLIENT_MODEL: Final = "bench"
PROVIDER_KEY: Final = "bench-provider-key"
PROVIDER_MODEL: Final = "bench-rewritten"

CHUNKS: Final = 64  # content chunks of a stream
GAP_S: Final = 0.02  # between two chunks of a paced stream: 50 tokens per second

# Prose that makes JSON work for its living: quotes, line ends, more than ASCII.
PROSE: Final = (
    'The "gateway" reads a request, checks a key,\nlooks the model up and sends it on. '
    "Caf\u00e9s, tabs\tand \\backslashes\\ are part of every honest prompt. "
)


class Scenario(msgspec.Struct, frozen=True):
    name: str
    says: str
    connections: int
    prompt_bytes: int = 0  # beyond the short question
    stream: bool = False
    gap_s: float = 0.0  # between the chunks of a stream; 0: all in one write
    rate: float = 0.0  # requests per second, come what may; 0: the next when the last is answered

    @property
    def fills_the_core(self) -> bool:
        """Whether the target is given as much as it can take."""
        return not (self.gap_s or self.rate)

    def body(self) -> bytes:
        """The request: a short chat, temperature above 0, so that no cache may answer."""
        prompt = "What is the capital of France? Answer in one short sentence."
        if self.prompt_bytes:
            times = self.prompt_bytes // len(PROSE) + 1
            prompt += " " + (PROSE * times)[: self.prompt_bytes]
        chat: dict[str, object] = {
            "model": CLIENT_MODEL,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": prompt},
            ],
            "temperature": 0.7,
            "max_tokens": 256,
        }
        if self.stream:
            chat |= {"stream": True, "stream_options": {"include_usage": True}}
        return json.dumps(chat, ensure_ascii=False, separators=(",", ":")).encode()


ALL: Final = (
    Scenario("small", "small request, 64 connections", 64),
    Scenario("10k", "prompt of 10 KB, 64 connections", 64, prompt_bytes=10_000),
    Scenario("200k", "prompt of 200 KB, 16 connections", 16, prompt_bytes=200_000),
    Scenario("burst", f"stream of {CHUNKS} chunks in one write, 16 connections", 16, stream=True),
    Scenario(
        "paced50", "50 streams at once, a chunk every 20 ms each", 50, stream=True, gap_s=GAP_S
    ),
    Scenario(
        "paced500", "500 streams at once, a chunk every 20 ms each", 500, stream=True, gap_s=GAP_S
    ),
    Scenario("rate300", "300 small requests per second, open loop", 64, rate=300.0),
)
BY_NAME: Final = {scenario.name: scenario for scenario in ALL}
QUICK: Final = ("small", "burst", "paced500", "rate300")
