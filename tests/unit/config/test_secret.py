"""A secret shows itself to reveal() and to nothing else."""

import copy
import json
import pickle
import traceback

import msgspec
import pytest

from gateway.config.secret import Secret

PLANTED = "sk-planted-0123456789"


def test_it_is_revealed_when_asked() -> None:
    assert Secret(PLANTED).reveal() == PLANTED


@pytest.mark.parametrize(
    "shown",
    [
        repr(Secret(PLANTED)),
        str(Secret(PLANTED)),
        f"{Secret(PLANTED)}",
        f"{Secret(PLANTED)!r:>40}",
        format(Secret(PLANTED), "x>30"),
        "%s" % Secret(PLANTED),  # noqa: UP031  # this way of showing is what is tested
        repr([Secret(PLANTED), {"a": Secret(PLANTED)}]),
        json.dumps(Secret(PLANTED), default=str),
        repr(Secret(PLANTED).__reduce_ex__(4)),
        repr(Secret(PLANTED).__getstate__()),
    ],
)
def test_no_way_of_showing_it_gives_it_away(shown: str) -> None:
    assert PLANTED not in shown
    assert "***" in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_it_holds_three_stars(protocol: int) -> None:
    octets = pickle.dumps(Secret(PLANTED), protocol)
    assert PLANTED.encode() not in octets
    assert pickle.loads(octets) == Secret("***")  # noqa: S301  # our own


def test_msgspec_and_json_do_not_encode_it() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(Secret(PLANTED))
    with pytest.raises(TypeError):
        json.dumps(Secret(PLANTED))


def test_it_has_no_attribute_that_a_dump_would_walk() -> None:
    with pytest.raises(TypeError):
        vars(Secret(PLANTED))


def test_a_struct_that_holds_one_shows_three_stars() -> None:
    class Holder(msgspec.Struct):
        secret: Secret

    assert repr(Holder(Secret(PLANTED))).endswith("Holder(secret=***)")


def test_a_copy_is_the_same_secret() -> None:
    secret = Secret(PLANTED)
    assert copy.copy(secret).reveal() == PLANTED
    assert copy.deepcopy([secret])[0].reveal() == PLANTED


def test_equal_secrets_are_equal_and_hash_alike() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("ü") == Secret("ü")
    assert Secret("\udc80") != Secret("\udc81")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_an_empty_one_is_false() -> None:
    assert not Secret("")
    assert Secret("x")


def test_a_traceback_does_not_show_it() -> None:
    try:
        raise ValueError(Secret(PLANTED))
    except ValueError:
        assert PLANTED not in traceback.format_exc()
