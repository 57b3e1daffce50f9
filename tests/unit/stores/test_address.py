"""A store's address: what may be said, and that a password is shown nowhere."""

import pytest

from gateway.stores.address import parsed


def test_a_single_server_has_a_port_and_a_database() -> None:
    address = parsed("redis://:s3cret@cache.example/2")
    assert address.nodes == (("cache.example", 6379),)
    assert (address.password, address.database, address.tls) == ("s3cret", 2, False)
    assert parsed("rediss://user:p%40ss@h:6380").password == "p@ss"


def test_a_cluster_has_several_nodes() -> None:
    address = parsed("rediss+cluster://a:1,[::1]:2,c")
    assert address.cluster
    assert address.tls
    assert address.nodes == (("a", 1), ("::1", 2), ("c", 6379))


@pytest.mark.parametrize("url", ["redis://u:s3cret@h:1/0", "redis+cluster://:s3cret@a,b"])
def test_nobody_sees_the_password(url: str) -> None:
    assert "s3cret" not in f"{parsed(url)} {parsed(url)!r}"


@pytest.mark.parametrize(
    "url",
    [
        "memcached://h",
        "redis://",
        "redis://a,b",
        "redis://h/zero",
        "redis+sentinel://h",
        "redis+cluster://a/1",
        "redis://h:notaport",
        "redis://u:s3cret@h:99999",
        "redis://:s3cret@/0",
    ],
)
def test_what_is_wrong_is_told_without_the_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|has|names") as told:
        parsed(url)
    assert "s3cret" not in str(told.value)
