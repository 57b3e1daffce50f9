"""What the supervisor says of its workers, without starting any; tests/journeys has the rest."""

import math
import os
from collections.abc import Iterator

import pytest

from gateway.config.load import parse
from gateway.config.schema import Config
from gateway.supervisor import Supervisor
from gateway.telemetry.logs import Log
from tests.vendors.looped import looped

CONFIG = """
server: {workers: 2}
backends: {sim: {provider: simulated}}
models: {demo: sim/lorem}
"""


def supervisor(log: Log) -> Supervisor:
    config = parse(CONFIG, path="config.yaml", env={}, known_providers=["simulated"])
    return Supervisor(lambda: config, [], log)


@pytest.fixture
def log() -> Iterator[Log]:
    with open(os.devnull, "wb") as sink:
        log = Log(sink.fileno())
        yield log
        log.close()


def test_without_a_live_worker_it_is_not_ready(log: Log) -> None:
    good, facts = supervisor(log).ready()
    assert not good
    assert facts == {"status": "degraded", "workers": 2, "live": 0, "configs": []}


@looped
async def test_a_scrape_without_workers_still_counts_them(log: Log) -> None:
    numbers = await supervisor(log).metrics()
    live = [metrics.numbers["gateway_workers_live"].get(()) for metrics in numbers]
    assert [number.value for number in live if number is not None] == [0]


def test_what_the_workers_share_takes_the_bytes_that_are_configured(log: Log) -> None:
    said = ["cache: {max_bytes: 5000000}", "cache: {max_bytes: 3000000}"]

    def config() -> Config:
        text = CONFIG + said.pop(0)
        return parse(text, path="config.yaml", env={}, known_providers=["simulated"])

    one = Supervisor(config, [], log)
    assert one._owner.store.max_bytes == 5_000_000
    one._read_at = -math.inf
    one.config()
    assert one._owner.store.max_bytes == 3_000_000
