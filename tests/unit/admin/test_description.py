"""The description says what there is."""

import json

from gateway.admin.description import OPEN, ROUTES, openapi
from gateway.admin.keeper import Keeper
from tests.unit.admin.house import House


def test_every_route_is_described_and_answered() -> None:
    house = House()
    paths = openapi()["paths"]
    assert isinstance(paths, dict)
    described = {(method.upper(), path) for path, at in paths.items() for method in at}
    assert described == {(route.method, route.path) for route in ROUTES}
    assert {route.name for route in ROUTES} == Keeper(house).answers.keys()
    house.written.close()


def test_every_write_says_what_it_takes() -> None:
    for route in ROUTES:
        assert (route.body is not None) == (route.method == "POST")


def test_no_route_is_open() -> None:
    assert OPEN.isdisjoint({route.path for route in ROUTES})


def test_it_is_json_and_names_no_field_that_is_not_taken() -> None:
    text = json.dumps(openapi())
    assert '"additionalProperties": false' in text
    assert "digest" not in text
