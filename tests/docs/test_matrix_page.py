"""The matrix that the docs show is the one that the tests hold true."""

from tests.docs.matrix import PAGE, with_table
from tests.journeys.pairs import BACKENDS, CLIENTS, REFUSALS


def test_the_page_shows_the_matrix() -> None:
    """python -m tests.docs.matrix writes it anew."""
    text = PAGE.read_text()
    assert "<!-- matrix -->" in text
    assert with_table(text) == text


def test_every_pair_of_two_languages_has_something_that_it_refuses() -> None:
    pairs = {(client, backend) for client in CLIENTS for backend in BACKENDS}
    assert set(REFUSALS) == {pair for pair in pairs if pair[0] != pair[1]}
