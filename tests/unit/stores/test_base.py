"""What every store has in common."""

from gateway.stores import base


def test_a_lease_outlives_several_missed_signs_of_life_and_returns_within_a_minute() -> None:
    assert base.RENEW_S * 3 < base.LEASE_S <= 60


def test_a_store_error_tells_a_label() -> None:
    assert base.StoreError("timeout").kind == "timeout"
