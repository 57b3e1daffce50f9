"""Every key that the file may have carries its sentence, and its default is sound."""

import msgspec
import pytest
from msgspec import inspect

from gateway.config import schema, written

ALL = [
    written.File,
    written.Tenant,
    written.Key,
    written.Backend,
    written.Target,
    written.Fallbacks,
    written.Model,
    written.Price,
    schema.Server,
    schema.Admin,
    schema.OnStoreError,
    schema.Limits,
    schema.Budget,
    schema.Attempts,
    schema.Timeouts,
    schema.Circuit,
    schema.Cache,
    schema.Simulated,
    schema.Logging,
]


def _fields(cls: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    kind = inspect.type_info(cls)
    assert isinstance(kind, inspect.StructType)
    return kind.fields


@pytest.mark.parametrize("cls", ALL)
def test_every_key_has_a_sentence(cls: type[msgspec.Struct]) -> None:
    for field in _fields(cls):
        assert isinstance(field.type, inspect.Metadata), field.name
        sentence = str((field.type.extra_json_schema or {}).get("description", ""))
        assert sentence[:1] == sentence[:1].upper() or sentence.startswith(('"', "http", "backend"))
        assert sentence.endswith((".", "…")), field.name


@pytest.mark.parametrize("cls", ALL)
def test_every_section_says_what_it_is(cls: type[msgspec.Struct]) -> None:
    assert (cls.__doc__ or "").rstrip().endswith(".")


@pytest.mark.parametrize("cls", ALL)
def test_a_number_says_its_unit_where_it_has_one(cls: type[msgspec.Struct]) -> None:
    for field in _fields(cls):
        assert not field.name.endswith(("timeout", "delay", "size", "seconds", "ms", "ttl"))


def test_a_backend_may_say_all_that_a_simulated_one_has() -> None:
    names = set(written.Backend.__struct_fields__)
    assert set(schema.Simulated.__struct_fields__) < names


def test_limits_know_every_pair_of_unit_and_window() -> None:
    units = ("requests", "tokens", "input_tokens", "output_tokens", "usd")
    windows = ("second", "minute", "hour", "day", "month")
    pairs = {f"{unit}_per_{window}" for unit in units for window in windows}
    assert set(schema.Limits.__struct_fields__) == pairs | {
        "concurrent",
        "mode",
        "on_limit",
        "max_wait_s",
        "max_waiting",
    }
