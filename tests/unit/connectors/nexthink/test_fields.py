"""Writable fields: compared with the vendor's file; checks by value and by column agree."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.nexthink.column_checks import check_column
from connectors.nexthink.fields import (
    FIELDS,
    IDENTIFICATIONS,
    FieldError,
    FieldKind,
    ValueProblem,
    WritableField,
    check_field,
    check_identification,
    check_value,
)
from tests import vendor

BROKER = "device/device/virtualization/desktop_broker"
TYPE = "device/device/virtualization/type"
UPDATED = "user/user/ad/last_update"
CUSTOM = "device/device/#cost_center"


@pytest.mark.skipif(not vendor.is_here(), reason=vendor.ABSENT)
def test_names_are_the_vendors() -> None:
    schemas = vendor.specification("enrichment")["components"]["schemas"]
    fields = schemas["Field"]["properties"]["name"]["enum"]
    assert set(FIELDS) == {name for name in fields if "#" not in name}
    for name in fields:
        if "#" in name:
            made = name.replace("<", "").replace(">", "")
            assert check_field(name.partition("/")[0], made).kind is FieldKind.TEXT
    identifications = schemas["Identification"]["properties"]["name"]["enum"]
    assert sorted(name for names in IDENTIFICATIONS.values() for name in names) == sorted(
        identifications
    )


def test_kinds_ranges_and_clears_are_the_contracts() -> None:
    assert {name for name, field in FIELDS.items() if field.kind is not FieldKind.TEXT} == {
        BROKER,
        TYPE,
        UPDATED,
        "device/device/virtualization/last_update",
    }
    assert (FIELDS[BROKER].numbers, FIELDS[BROKER].clearing) == (range(8), 0)
    assert FIELDS[TYPE].numbers == range(1, 4)
    assert check_field("device", CUSTOM).clearing == ""
    for name in (TYPE, UPDATED):
        with pytest.raises(FieldError, match="cannot be cleared"):
            _ = FIELDS[name].clearing


def test_what_clears_a_field_is_a_value_that_it_takes() -> None:
    for field in (*FIELDS.values(), check_field("device", CUSTOM)):
        if field.clear is not None:
            assert check_value(field, field.clearing) is None


@pytest.mark.parametrize(
    ("object_type", "name"),
    [
        ("device", "device/device/name"),
        ("device", "user/user/ad/city"),
        ("device", "device/device/virtualization/#own"),
        ("device", "device/user/#own"),
        ("device", "device/device/#"),
        ("device", "device/device/#" + "x" * 65),
        ("device", "device/device/#own "),
        ("device", "device/device/#own\n"),
        ("binary", "binary/binary/organization/#own"),
        ("person", "device/device/#own"),
    ],
)
def test_other_names_are_refused(object_type: str, name: str) -> None:
    with pytest.raises(FieldError):
        check_field(object_type, name)


def test_identifications_are_those_of_the_kind() -> None:
    check_identification("user", "user/user/sid")
    for object_type, name in (("device", "user/user/sid"), ("person", "user/user/sid")):
        with pytest.raises(FieldError):
            check_identification(object_type, name)


def test_the_length_of_texts_can_be_set() -> None:
    text = "x" * 65
    assert check_value(check_field("device", CUSTOM), text) is ValueProblem.TOO_LONG
    assert check_value(check_field("device", CUSTOM, longest=65), text) is None
    assert check_value(check_field("user", "user/user/ad/distinguished_name"), text) is None
    # Characters count, not bytes.
    assert check_value(check_field("device", CUSTOM), "é" * 64) is None
    assert check_column(check_field("device", CUSTOM), pl.Series(["é" * 64])).counts == {}
    assert check_field("device", BROKER, longest=7).longest is None


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (CUSTOM, 7, ValueProblem.WRONG_TYPE),
        (CUSTOM, None, ValueProblem.WRONG_TYPE),
        (CUSTOM, "\ud800", ValueProblem.WRONG_TYPE),
        (BROKER, True, ValueProblem.WRONG_TYPE),
        (BROKER, "4", ValueProblem.WRONG_TYPE),
        (BROKER, 4.0, ValueProblem.WRONG_TYPE),
        (BROKER, 8, ValueProblem.OUT_OF_RANGE),
        (TYPE, 0, ValueProblem.OUT_OF_RANGE),
        (UPDATED, "2023-10-03T15:00:00.000Z", None),
        (UPDATED, "2023-10-03", None),
        (UPDATED, "2023-10-03T15:00:00", ValueProblem.WRONG_TYPE),
        (UPDATED, "2023-02-30", ValueProblem.WRONG_TYPE),
        (UPDATED, "2023-10-03T25:00Z", ValueProblem.WRONG_TYPE),
        (UPDATED, "", ValueProblem.WRONG_TYPE),
        (UPDATED, 1_700_000_000, ValueProblem.WRONG_TYPE),
        (UPDATED, datetime(2023, 10, 3, tzinfo=UTC), None),
        (UPDATED, datetime(2023, 10, 3), ValueProblem.WRONG_TYPE),  # noqa: DTZ001 - that is the point
        (UPDATED, date(2023, 10, 3), None),
    ],
)
def test_values_one_by_one(name: str, value: object, problem: ValueProblem | None) -> None:
    assert check_value(check_field(name.partition("/")[0], name), value) == problem


MOMENT_LIKE = st.from_regex(
    r"\A(20[0-9]{2}|0000|9999)-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,3})?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?)?\n?\Z"
)
VALUES: list[tuple[Any, Any]] = [
    (pl.String, st.text(max_size=80) | MOMENT_LIKE | st.just("2023-10-03T15:00:00.000Z")),
    (pl.Int64, st.integers(-3, 12)),
    (pl.UInt8, st.integers(0, 12)),
    (pl.Boolean, st.booleans()),
    (pl.Float64, st.floats(width=64)),
    (pl.Date, st.dates()),
    (pl.Datetime("us"), st.datetimes()),
    (pl.Datetime("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
]


@pytest.mark.parametrize(
    "field", [*FIELDS.values(), WritableField(CUSTOM)], ids=lambda field: field.name
)
@given(data=st.data())
def test_a_column_is_checked_as_its_values_are(field: WritableField, data: st.DataObject) -> None:
    dtype, strategy = data.draw(st.sampled_from(VALUES))
    values = data.draw(st.lists(st.none() | strategy, max_size=6))
    check = check_column(field, pl.Series("some", values, dtype, strict=True))
    expected = [None if value is None else check_value(field, value) for value in values]
    assert check.problems.to_list() == expected
    assert check.bad.to_list() == [problem is not None for problem in expected]
    assert check.counts == {problem: expected.count(problem) for problem in set(expected) - {None}}


def test_years_beyond_four_digits_are_refused() -> None:
    values = pl.Series([-(10**15), 10**15]).cast(pl.Datetime("ms", "UTC"))
    assert check_column(FIELDS[UPDATED], values).counts == {ValueProblem.OUT_OF_RANGE: 2}


def test_a_check_shows_no_value() -> None:
    values = pl.Series("secret", ["MARK" * 20])
    assert "MARK" not in repr(check_column(WritableField(CUSTOM), values))
