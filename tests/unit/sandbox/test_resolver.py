"""Names, types and parameters."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import pytest

from nql.errors import NqlError
from nql.parser import parse
from sandbox.nql.errors import NqlNameError, NqlParameterError, NqlTypeError
from sandbox.nql.plan import QueryPlan
from sandbox.nql.resolver import parameters_of, resolve

ZURICH = ZoneInfo("Europe/Zurich")


def settled(text: str, parameters: Mapping[str, str] | None = None) -> QueryPlan:
    return resolve(parse(text), text, parameters or {}, ZURICH)


def headers(text: str) -> list[str]:
    return [column.path for column in settled(text).output]


@pytest.mark.parametrize(
    "written", ["start_time", "event.start_time", "execution.event.start_time", "EVENT.Start_Time"]
)
def test_a_field_of_an_event_may_be_named_short_half_or_full(written: str) -> None:
    assert headers(f"execution.events | list {written}") == ["execution.event.start_time"]


@pytest.mark.parametrize("written", ["name", "device.name"])
def test_a_field_of_an_inventory_may_be_named_short_or_full(written: str) -> None:
    assert headers(f"devices | list {written}") == ["device.name"]


def test_an_alias_stays_as_it_is_and_groups_come_first() -> None:
    text = "execution.crashes | summarize total = count(), c = number_of_crashes.sum() by name"
    with pytest.raises(NqlNameError, match="no field 'name'"):
        settled(text)
    assert headers(text.replace("by name", "by device.name")) == ["device.name", "total", "c"]


def test_shortcuts_and_full_table_names_are_the_same_table() -> None:
    assert settled("users").table is settled("user.users").table


def test_an_unknown_table_is_reported_with_those_that_exist() -> None:
    with pytest.raises(NqlNameError, match=r"execution\.crashes"):
        settled("web.pages")


def test_after_list_only_listed_fields_are_in_reach() -> None:
    with pytest.raises(NqlNameError, match="at this point"):
        settled("devices | list name | sort entity asc")


@pytest.mark.parametrize(
    "condition",
    [
        "last_seen < 2024-07-15 10:15:00",
        "last_seen in [2024-07-15]",
        "hardware.memory = 8GB",
        "name > 'a'",
        "hardware.memory > 8s",
        "name = 3",
        "name = days_since_last_seen",
        "days_since_last_seen = '3'",
        "last_seen >= 'soon'",
        "last_seen >= null",
    ],
)
def test_an_operator_or_value_that_does_not_suit_the_type_is_refused(condition: str) -> None:
    with pytest.raises(NqlTypeError) as failed:
        settled(f"devices\n| where {condition}")
    assert failed.value.line == 2


@pytest.mark.parametrize(
    "condition",
    ["hardware.memory != null", "last_seen = null", "hardware.type !in [virtual, null]"],
)
def test_null_may_be_asked_for_in_a_field_of_any_type(condition: str) -> None:
    settled(f"devices | where {condition}")


@pytest.mark.parametrize(
    "tail",
    [
        "c = count() by last_seen",
        "c = count() by hardware.memory",
        "c = name.sum()",
        "c = sum()",
        "c = name.median()",
    ],
)
def test_sums_and_groups_that_make_no_sense_are_refused(tail: str) -> None:
    with pytest.raises(NqlTypeError):
        settled(f"devices | summarize {tail}")


def test_parameters_take_the_type_of_their_field_and_show_in_the_executed_query() -> None:
    text = (
        "execution.events during past 24h | where event.start_time >= $from"
        " and device.name == $name and bucket_duration = $n"
    )
    assert parameters_of(parse(text)) == {"from", "name", "n"}
    executed = settled(text, {"from": "2026-11-20 00:00:00", "name": 'a"b', "n": "900"}).executed
    assert executed == (
        "execution.events during past 24h | where event.start_time >= 2026-11-20 00:00:00"
        ' and device.name == "a\\"b" and bucket_duration = 900'
    )


@pytest.mark.parametrize("value", ["yesterday", "", "2026-13-01 00:00:00"])
def test_a_parameter_that_cannot_be_read_is_refused_by_name(value: str) -> None:
    with pytest.raises(NqlParameterError, match=r"\$from"):
        settled("devices | where last_seen >= $from", {"from": value})


def test_a_parameter_outside_where_is_not_nql() -> None:
    with pytest.raises(NqlError):
        settled("devices during past $x", {"x": "7d"})
