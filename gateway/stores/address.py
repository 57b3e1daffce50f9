"""Where a shared store is: redis://, rediss:// (TLS), and +cluster of both with several nodes."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

PORT: Final = 6379


@dataclass(frozen=True, slots=True)
class Address:
    nodes: tuple[tuple[str, int], ...]
    tls: bool = False
    cluster: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0

    def __str__(self) -> str:
        """For logs: without user and password."""
        scheme = ("rediss" if self.tls else "redis") + ("+cluster" if self.cluster else "")
        nodes = ",".join(f"{host}:{port}" for host, port in self.nodes)
        return f"{scheme}://{nodes}/{self.database}"


def parsed(url: str) -> Address:
    """Raises ValueError, with what would be right and nothing of the URL in it."""
    scheme, _, rest = url.partition("://")
    kind, _, more = scheme.partition("+")
    if kind not in ("redis", "rediss") or more not in ("", "cluster") or not rest:
        raise ValueError("must be memory, or begin with redis://, rediss:// or redis+cluster://")
    authority, _, path = rest.partition("/")
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    if path and not path.isdigit():
        raise ValueError("must end in the number of a database, such as /0")
    cluster = bool(more)
    if cluster and path not in ("", "0"):
        raise ValueError("names a database, which a cluster does not have")
    nodes = tuple(_node(host) for host in hosts.split(","))
    if len(nodes) > 1 and not cluster:
        raise ValueError("has several nodes: a cluster's URL begins with redis+cluster://")
    return Address(
        nodes, kind == "rediss", cluster, unquote(user), unquote(password), int(path or 0)
    )


def _node(text: str) -> tuple[str, int]:
    wrong = ValueError("must have host:port, separated by commas if there are several")
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or parts.path or parts.query:
        raise wrong
    return host, PORT if port is None else port
