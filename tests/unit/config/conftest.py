"""The shortest ways to a parsed config, and to the faults of one that is none."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from gateway.config.load import ConfigError, Fault, parse
from gateway.config.schema import Config

PROVIDERS = ("openai", "openai_compatible", "anthropic", "bedrock", "simulated")
Read = Callable[..., Config]
Blame = Callable[..., tuple[Fault, ...]]


def _no_secret(path: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", path)


@pytest.fixture
def read() -> Read:
    """A text, read as the file config.yaml in an empty world."""

    def read(
        text: str | bytes,
        *,
        env: Mapping[str, str] | None = None,
        overrides: Sequence[tuple[str, str]] = (),
        read_secret: Callable[[str], str] = _no_secret,
    ) -> Config:
        return parse(
            text,
            path="config.yaml",
            env=env or {},
            overrides=overrides,
            known_providers=PROVIDERS,
            read_secret=read_secret,
        )

    return read


@pytest.fixture
def blame(read: Read) -> Blame:
    """What is wrong with a text."""

    def blame(text: str | bytes, **how: object) -> tuple[Fault, ...]:
        with pytest.raises(ConfigError) as refused:
            read(text, **how)
        return refused.value.faults

    return blame


@pytest.fixture
def sim() -> str:
    """The least that a config needs, to put other sections behind."""
    return "backends: {sim: {provider: simulated}}\nmodels: {demo: sim/lorem}\n"
