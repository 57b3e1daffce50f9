"""All parsers that strangers' bytes reach."""

from typing import Final

from tests.fuzz.answers import ANSWERS
from tests.fuzz.documents import DOCUMENTS
from tests.fuzz.forms import FORMS
from tests.fuzz.parser import Parser
from tests.fuzz.requests import REQUESTS
from tests.fuzz.streams import STREAMS
from tests.fuzz.waits import WAITS

ALL: Final[dict[str, Parser]] = {
    parser.name: parser for parser in (REQUESTS, ANSWERS, STREAMS, DOCUMENTS, FORMS, WAITS)
}
