"""The documentation as data: pages, their fenced blocks, and what comments say of each block.

A comment before a block: `not run: why`, `prints: text`, `prints not: text`, `serve` (the YAML that
the page's gateway starts on). A comment by itself: `then: shell`, a step that readers do by hand.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [
    *sorted(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
_COMMENT: Final = re.compile(r"<!-- (.*) -->")
_FENCE: Final = re.compile(r"```(\w*)")


@dataclass(frozen=True, slots=True)
class Block:
    page: str
    line: int
    language: str  # "then" for a step in a comment
    text: str
    said: tuple[str, ...] = ()  # the comments right before it

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def told(self, word: str) -> list[str]:
        """What the comments say under that word."""
        return [said.removeprefix(f"{word}: ") for said in self.said if said.startswith(f"{word}:")]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(text: str, page: str) -> Iterator[Block]:
    lines = enumerate(text.splitlines(), start=1)
    said: list[str] = []
    for number, line in lines:
        comment, fence = _COMMENT.fullmatch(line), _FENCE.fullmatch(line)
        if comment and comment[1].startswith("then: "):
            yield Block(page, number, "then", comment[1].removeprefix("then: "))
        elif comment:
            said.append(comment[1])
        elif fence:
            inside = list(iter(lambda: next(lines)[1], "```"))
            yield Block(page, number, fence[1], "\n".join(inside) + "\n", tuple(said))
            said.clear()
        elif line:
            said.clear()


def prose(text: str) -> str:
    """A page without its blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The names under which a page's headings can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^()\s]+)\)", prose(text))


def code_words(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))
