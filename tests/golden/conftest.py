"""Golden files are rewritten by `pytest tests/golden --update`; the diff is the review."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update", action="store_true", help="write what the golden files ought to be"
    )
