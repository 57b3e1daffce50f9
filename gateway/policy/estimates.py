"""What a request will probably take, learned from what the ones before it took.

Pure: counts go in. One Estimate for each model; requests are never rewritten to fit it.
"""

from typing import Final

TOKENS_PER_BYTE: Final = 0.25  # of a request in JSON, before anything is known
OUTPUT_TOKENS: Final = 512.0  # of an answer, before anything is known
QUANTILE: Final = 0.95  # of answers that are no longer than expected
WEIGHT: Final = 0.05  # of the latest answer
STEP: Final = 0.1  # how far an answer moves the quantile, as a share of it


class Estimate:
    __slots__ = ("output_tokens", "tokens_per_byte")

    def __init__(self) -> None:
        self.tokens_per_byte = TOKENS_PER_BYTE
        self.output_tokens = OUTPUT_TOKENS  # of one choice

    def input(self, request_bytes: int) -> float:
        return float(int(request_bytes * self.tokens_per_byte) + 1)

    def output(self, max_output: int | None, choices: int) -> float:
        """max_output: what the client allows for each choice, if it says so."""
        each = self.output_tokens if max_output is None else float(max_output)
        return float(int(each) * max(1, choices))

    def learn(
        self, request_bytes: int, input_tokens: int, output_tokens: int, choices: int
    ) -> None:
        """What an answer that came whole has taken, as its backend counts."""
        if request_bytes > 0 and input_tokens > 0:
            ratio = min(input_tokens / request_bytes, 1.0)  # an image by its URL is none
            self.tokens_per_byte += WEIGHT * (ratio - self.tokens_per_byte)
        if output_tokens > 0:
            step = max(1.0, self.output_tokens * STEP)
            over = output_tokens / max(1, choices) > self.output_tokens
            self.output_tokens += step * (QUANTILE if over else QUANTILE - 1)
