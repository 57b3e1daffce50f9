"""The page of providers says what they are."""

from gateway.providers import discover
from tests.harness import ROOT
from tools.providers import table


def test_the_table_is_of_what_there_is() -> None:
    page = (ROOT / "docs/providers.md").read_text("utf-8")
    assert table() in page, "python -m tools.providers, into docs/providers.md"


def test_every_vendor_of_the_internet_names_its_variable() -> None:
    for provider in discover().values():
        https = (provider.base_url or "").startswith("https:")
        assert provider.variable or not https or provider.name.startswith("vertex"), provider.name
