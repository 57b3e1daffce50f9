"""The file, read: text, environment and overrides in; a Config, or all that is wrong, out.

Whether another read is due, and what becomes of the old config, is the caller's affair.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from gateway.config import nodes, resolve
from gateway.config.faults import ConfigError as ConfigError
from gateway.config.faults import Fault as Fault
from gateway.config.findings import Findings
from gateway.config.overrides import applied
from gateway.config.reader import Reader
from gateway.config.schema import Config

MAX_SECRET_BYTES = 64 << 10  # of a secret's file; a service account's JSON has 2 kB


def load(
    path: Path,
    *,
    env: Mapping[str, str],
    overrides: Sequence[tuple[str, str]] = (),
    known_providers: Collection[str],
) -> Config:
    """Raises ConfigError, also when the file cannot be read."""
    try:
        with path.open("rb") as file:
            text = file.read(nodes.MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "it is not there"
        fault = Fault(str(path), 0, 0, "", f"cannot be read: {reason}")
        raise ConfigError([fault]) from None
    return parse(
        text, path=str(path), env=env, overrides=overrides, known_providers=known_providers
    )


def secret_file(path: str) -> str:
    """Its text without one last line end. Raises OSError; ValueError if it is no text."""
    with Path(path).open("rb") as file:
        octets = file.read(MAX_SECRET_BYTES + 1)
    if len(octets) > MAX_SECRET_BYTES:
        raise ValueError("too large")
    return octets.decode().removesuffix("\n").removesuffix("\r")


def parse(
    text: str | bytes,
    *,
    path: str,
    env: Mapping[str, str],
    overrides: Sequence[tuple[str, str]] = (),
    known_providers: Collection[str],
    read_secret: Callable[[str], str] = secret_file,
) -> Config:
    """Raises ConfigError with all that is wrong. `path` is how messages call the file."""
    root, faults = nodes.compose(text, path)
    root = applied(root, overrides, faults)
    findings = Findings(faults)
    file = Reader(env, read_secret, findings).file(root)
    config = resolve.config(file, findings, known_providers) if file else None
    if config is None or findings.faults:
        raise findings.error()
    return config
