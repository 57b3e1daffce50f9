"""Time zones by name."""

from datetime import UTC

import pytest

from gateway.config.zones import zone
from tests.unit.config.reading import SIM, told


def test_a_zone_is_found_by_its_name() -> None:
    assert zone("UTC") is UTC
    assert str(zone("Europe/Berlin")) == "Europe/Berlin"


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "\0"])
def test_others_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        zone(name)


def test_a_config_with_another_is_told_where() -> None:
    (fault,) = told(SIM + "tenants: {t: {budget: {usd: 1, per: day, zone: Mars}}}")
    assert "tenants.t.budget.zone" in fault
