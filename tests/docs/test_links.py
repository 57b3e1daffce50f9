"""Every link within the documentation leads somewhere, headings included."""

from pathlib import Path

import pytest

from tests.docs.reading import PAGES, ROOT, anchors, links, name


def _broken(page: Path, text: str) -> list[str]:
    inside = [link for link in links(text) if "://" not in link]
    return [link for link in inside if not _leads_somewhere(page, link)]


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or ROOT not in [target, *target.parents]:
        return False
    return not heading or heading in anchors(target.read_text())


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert _broken(page, page.read_text()) == []


@pytest.mark.parametrize("link", ["gone.md", "README.md#no-such-heading", "#nor-this", "../.."])
def test_a_link_that_leads_nowhere_is_noticed(link: str) -> None:
    assert _broken(ROOT / "README.md", f"see [this]({link}) and [that](LICENSE)") == [link]


def test_every_page_can_be_reached_from_the_readme() -> None:
    readme = ROOT / "README.md"
    reached = {(ROOT / link.partition("#")[0]).resolve() for link in links(readme.read_text())}
    assert set(PAGES) - reached == {readme}
