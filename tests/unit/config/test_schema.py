"""Addresses, and that the values are frozen and keep to themselves."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import Address, Config, Server


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0, True),
        ("127.8.8.8:80", "127.8.8.8", 80, True),
        ("localhost:8080", "localhost", 8080, True),
        ("[::1]:80", "::1", 80, True),
        ("0.0.0.0:8080", "0.0.0.0", 8080, False),
        ("[::]:65535", "::", 65535, False),
        ("10.0.0.1:1", "10.0.0.1", 1, False),
        ("gateway.internal:443", "gateway.internal", 443, False),
        ("localhost.evil.example:443", "localhost.evil.example", 443, False),
    ],
)
def test_an_address_is_read_and_knows_who_can_reach_it(
    text: str, host: str, port: int, loopback: bool
) -> None:
    address = Address.parse(text)
    assert (address.host, address.port, address.loopback) == (host, port, loopback)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        ":8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:http",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:٨",
        "::1:80",
        "[127.0.0.1]:80",
        "[]:80",
        "[::zz]:80",
        "a b:80",
        "http://a:80",
        "127.0.0.1:80\n",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|has "):
        Address.parse(text)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_an_address_survives_being_written(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    text = str(ip).partition("%")[0]
    address = Address(text, port)
    assert Address.parse(str(address)) == address


def test_values_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Server().workers = 2  # type: ignore[misc]  # that it cannot be is what is tested


def test_a_config_shows_its_hash_and_not_its_content() -> None:
    config = Config(backends={}, models={}, store="redis://:hunter2@host", hash="0123456789ab")
    assert repr(config) == "Config(0123456789ab)"
    assert str(config) == "Config(0123456789ab)"
