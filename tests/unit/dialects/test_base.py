"""What cannot be carried."""

import pytest

from gateway.dialects.base import Losses
from gateway.errors import Code, GatewayError


def test_what_cannot_be_carried_is_refused_by_name() -> None:
    with pytest.raises(GatewayError) as raised:
        Losses().cannot("logit_bias", "it has no such thing")
    assert (raised.value.code, raised.value.param) == (Code.UNTRANSLATABLE, "logit_bias")
    assert "it has no such thing" in raised.value.message


def test_what_the_config_gave_is_dropped_and_noted_once() -> None:
    losses = Losses({"seed"})
    losses.cannot("seed")
    losses.cannot("seed")
    with pytest.raises(GatewayError):
        losses.cannot("n")
    assert losses.dropped == ["seed"]


def test_everything_may_be_dropped_where_the_config_says_so() -> None:
    losses = Losses(drop=True)
    losses.cannot("messages.0.content.1")
    assert losses.dropped == ["messages.0.content.1"]
