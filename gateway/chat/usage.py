"""Token counts, in one convention: input includes cached tokens, output includes reasoning."""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    input: int = 0
    output: int = 0
    cached: int = 0  # of input, read from the vendor's prompt cache
    reasoning: int = 0  # of output
