"""The shortest ways to a parsed config, and to the faults of one that is none."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from gateway.config.load import ConfigError, Fault, parse
from gateway.config.schema import Config

PROVIDERS = (
    "openai",
    "openai_compatible",
    "anthropic",
    "azure",
    "bedrock",
    "cohere",
    "simulated",
    "vertex",
)

# The least that a config needs, to put other sections behind.
SIM = "backends: {sim: {provider: simulated}}\nmodels: {demo: sim/lorem}\n"


def no_secret(path: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", path)


def read(
    text: str | bytes,
    *,
    env: Mapping[str, str] | None = None,
    overrides: Sequence[tuple[str, str]] = (),
    read_secret: Callable[[str], str] = no_secret,
) -> Config:
    """A text, read as the file config.yaml, in a world without anything."""
    return parse(
        text,
        path="config.yaml",
        env=env or {},
        overrides=overrides,
        known_providers=PROVIDERS,
        read_secret=read_secret,
    )


def blame(
    text: str | bytes,
    *,
    env: Mapping[str, str] | None = None,
    overrides: Sequence[tuple[str, str]] = (),
    read_secret: Callable[[str], str] = no_secret,
) -> tuple[Fault, ...]:
    """What is wrong with a text."""
    with pytest.raises(ConfigError) as refused:
        read(text, env=env, overrides=overrides, read_secret=read_secret)
    return refused.value.faults


def told(
    text: str | bytes,
    *,
    env: Mapping[str, str] | None = None,
    overrides: Sequence[tuple[str, str]] = (),
    read_secret: Callable[[str], str] = no_secret,
) -> list[str]:
    """The same, as lines."""
    faults = blame(text, env=env, overrides=overrides, read_secret=read_secret)
    return [str(fault) for fault in faults]
